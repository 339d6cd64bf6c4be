from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.operators.losses import Losses, better_than, hardest, known_losses, losses_of, paired, scorable
from promptopt.types import Example, Prompt, Score, ScoreMatrix

EXAMPLES = [Example.of("yes", question=str(number)) for number in range(6)]


def losses(text: str, *values: float) -> Losses:
    return Losses(Prompt.of(text), dict(zip(EXAMPLES, values, strict=False)))


def test_the_mean_loss_and_the_mean_score_differ_in_sign() -> None:
    found = losses("a", 1.0, 2.0, 6.0)
    assert found.loss == 3.0
    assert (found.estimate.mean, found.estimate.count) == (-3.0, 3)


def test_a_mean_loss_counts_each_group_once_where_conversations_are_weighed() -> None:
    grouped = [replace(example, group=name) for example, name in zip(EXAMPLES, "aaab", strict=False)]
    values = dict(zip(grouped, [1.0, 1.0, 1.0, 5.0], strict=True))
    assert Losses(Prompt.of("a"), values).loss == 2.0
    assert Losses(Prompt.of("a"), values, "conversation").loss == 3.0
    scores = ScoreMatrix(grouped, {Prompt.of("a"): [Score(-value) for value in values.values()]}, "conversation")
    run = SimpleNamespace(evaluate=lambda prompts, examples: scores, weigh="conversation")
    run.seen = lambda prompt, examples: list(zip(examples, scores[prompt], strict=True))
    (found,) = losses_of(run, [Prompt.of("a")], grouped)  # pyright: ignore[reportArgumentType]
    assert found.estimate.mean == scores.means()[Prompt.of("a")] == -3.0
    assert known_losses(run, Prompt.of("a"), grouped) == found  # pyright: ignore[reportArgumentType]


def test_the_hardest_are_the_largest_and_ties_go_by_id() -> None:
    by = dict(zip(EXAMPLES, [1.0, 5.0, 3.0, 5.0, 0.0, 2.0], strict=True))
    tied = sorted([EXAMPLES[1], EXAMPLES[3]], key=lambda example: example.id)
    assert hardest(by, [], 3) == [*tied, EXAMPLES[2]]
    assert hardest(by, [], 99) == [*tied, EXAMPLES[2], EXAMPLES[5], EXAMPLES[0], EXAMPLES[4]]
    assert hardest(dict(reversed(by.items())), [], 2) == tied


def test_those_that_rest_come_last() -> None:
    by = dict(zip(EXAMPLES, [1.0, 5.0, 3.0, 4.0, 0.0, 2.0], strict=True))
    assert hardest(by, [[EXAMPLES[1]], [EXAMPLES[3]]], 2) == [EXAMPLES[2], EXAMPLES[5]]
    assert hardest(by, [EXAMPLES[:5]], 3) == [EXAMPLES[5], EXAMPLES[1], EXAMPLES[3]]


RUN = SimpleNamespace(task=SimpleNamespace(editable="instruction"), count_tokens=lambda text: len(text.split()))


@pytest.mark.parametrize(
    ("others", "winner"),
    [
        ({}, None),
        ({"b": 1.0}, None),
        ({"b": 0.9}, None),
        ({"b": 0.89}, "b"),
        ({"b b b": 0.7, "c": 0.75, "d": 0.81}, "c"),
        ({"b b": 0.7, "c c": 0.75}, "b b"),
        ({"b b": 0.85, "c": 0.91}, "b b"),
    ],
)
def test_the_shortest_of_the_best_that_gain_enough(others: dict[str, float], winner: str | None) -> None:
    pool = [losses("a", 1.0), *(losses(text, value) for text, value in others.items())]
    found = better_than(RUN, pool, 0.1)  # pyright: ignore[reportArgumentType]
    assert (None if found is None else found.prompt["instruction"]) == winner


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.floats(-1e3, 1e3))
def test_the_error_of_a_mean_does_not_depend_on_the_mean(differences: list[float], shift: float) -> None:
    mean, error = paired(differences)
    moved, same = paired([each + shift for each in differences])
    assert error >= 0.0
    assert moved == pytest.approx(mean + shift, abs=1e-6)
    assert same == pytest.approx(error, abs=1e-6)


def test_one_difference_has_no_error_to_speak_of() -> None:
    assert paired([2.0]) == (2.0, math.inf)
    assert paired([1.0, 3.0]) == (2.0, 1.0)


def scored(rows: dict[str, list[float]]) -> Any:
    """A run in which prompts have these scores on the first examples; `told` and `rejected` are what came of it."""
    run = SimpleNamespace(told=[], rejected=[], task=SimpleNamespace(name="planted"), weigh="turn")
    known = {Prompt.of(text): [Score(value) for value in values] for text, values in rows.items()}
    run.evaluate = lambda prompts, examples: ScoreMatrix(
        examples, {prompt: known[prompt][: len(examples)] for prompt in prompts}
    )
    run.seen = lambda prompt, examples: list(zip(examples, known[prompt], strict=False))
    run.warn, run.reject = run.told.append, run.rejected.append
    return run


def test_losses_are_scores_with_the_sign_turned_and_one_infinite_loss_is_the_end_of_that_prompt_alone() -> None:
    run = scored({"a": [-1.0, -2.0], "b": [-1.0, -math.inf], "c": [-3.0, -4.0]})
    found = losses_of(run, [Prompt.of(text) for text in "abc"], EXAMPLES[:2])
    assert [each.losses for each in found] == [losses("a", 1.0, 2.0).losses, losses("c", 3.0, 4.0).losses]
    assert [each.prompt["instruction"] for each in found] == ["a", "c"]
    assert run.rejected == ["no finite loss"]


def test_what_is_known_of_a_prompt_is_its_finite_losses() -> None:
    run = scored({"a": [-1.0, -math.inf, -3.0]})
    assert known_losses(run, Prompt.of("a"), EXAMPLES) == Losses(Prompt.of("a"), {EXAMPLES[0]: 1.0, EXAMPLES[2]: 3.0})


def test_a_search_is_on_the_examples_that_the_start_has_a_finite_score_on() -> None:
    run = scored({"a": [-1.0, -2.0, -3.0]})
    assert scorable(run, Prompt.of("a"), EXAMPLES[:3]) == EXAMPLES[:3]
    assert run.told == []
    run = scored({"a": [-1.0, -math.inf, -math.inf]})
    assert scorable(run, Prompt.of("a"), EXAMPLES[:3]) == EXAMPLES[:1]
    [told] = run.told
    assert told.startswith("2 of 3 training examples left out")
    assert all(example.id in told for example in EXAMPLES[1:3])
    with pytest.raises(ConfigError, match="not one of 2 training examples of task 'planted' has a finite score"):
        scorable(scored({"a": [-math.inf, -math.inf]}), Prompt.of("a"), EXAMPLES[:2])
