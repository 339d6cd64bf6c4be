"""The roulette wheel, and the operators worked by hand."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.operators.drafts import unusable
from promptopt.operators.reflect import read_last
from promptopt.operators.replies import UNKNOWN_FORM
from promptopt.optimizers.evoprompt.evolution import Rewriting, fittest_first, wheel
from promptopt.optimizers.evoprompt.worked_examples import CLASSIFICATION, SIMPLIFICATION, Operator, Worked
from promptopt.types import Estimate, Prompt, Reply


@pytest.mark.parametrize(
    ("scores", "shares"),
    [
        ((0.8, 0.2), (0.8, 0.2)),
        ((0.0, 0.0), (0.5, 0.5)),
        ((0.0, 0.5, 0.5), (0.0, 0.5, 0.5)),
        ((0.3, 0.3, 0.3), (1 / 3,) * 3),
        ((-1.0, -3.0), (1.0, 0.0)),
        ((-1.0, -2.0, -3.0), (2 / 3, 1 / 3, 0.0)),
        ((-2.0, -2.0), (0.5, 0.5)),
        ((-1.0, 1.0), (0.0, 1.0)),
        ((0.5, -math.inf), (1.0, 0.0)),
        ((-2.0, -math.inf, -2.0), (0.5, 0.0, 0.5)),
        ((-math.inf, -math.inf), (0.5, 0.5)),
        ((7.0,), (1.0,)),
    ],
)
def test_shares_of_the_wheel_in_10_000_draws(scores: tuple[float, ...], shares: tuple[float, ...]) -> None:
    drawn = random.Random(0).choices(range(len(scores)), wheel(scores), k=10_000)
    assert [drawn.count(place) / 10_000 for place in range(len(scores))] == pytest.approx(shares, abs=0.02)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(-math.inf), min_size=1, max_size=12))
def test_the_better_one_is_never_the_less_likely(scores: list[float]) -> None:
    weights = wheel(scores)
    assert all(math.isfinite(weight) and weight >= 0 for weight in weights)
    assert sum(weights) > 0
    for one, first in zip(scores, weights, strict=True):
        assert all(first >= second for other, second in zip(scores, weights, strict=True) if one > other)


def test_best_first_leaves_equals_as_they_came() -> None:
    members = [Estimate(Prompt.of(text), mean, 1) for text, mean in (("a", 0.5), ("b", 0.7), ("c", 0.5), ("d", 0.7))]
    assert [member.prompt["instruction"] for member in fittest_first(members)] == ["b", "d", "a", "c"]


ROLES = ("Prompt 1", "Prompt 2", "Prompt 3", "Base prompt")


@pytest.mark.parametrize("worked", [SIMPLIFICATION, CLASSIFICATION])
@pytest.mark.parametrize(("form", "steps"), [("ga", 2), ("v1", 4), ("v2", 3), ("v3", 3)])
def test_a_worked_example_is_a_reply_as_it_should_be(worked: Worked, form: Operator, steps: int) -> None:
    shown = worked.show(form, ROLES)
    prompts, _, reply = shown.partition('"""\n\n1. ')
    assert all(f'{role}:\n"""\n{worked.prompts[role]}' in prompts for role in ROLES)
    lines = f"1. {reply}".split("\n")
    assert [line.partition(". ")[0] for line in lines] == [str(number + 1) for number in range(steps)]
    # What a reply like this would be read as: the last step, and a prompt that can be used.
    final = read_last(Reply(f"1. {reply}"), "prompt")
    assert final == worked.steps[form][-1]
    for prompt in worked.prompts.values():
        assert unusable(final, prompt, most=400, tags=("prompt",), form=UNKNOWN_FORM, count_tokens=len) is None
    assert {*worked.prompts.values(), final} <= set(worked.texts())


def test_the_length_of_a_prompt_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="'longest' is 0; set it to 1 or more"):
        Rewriting(longest=0)
