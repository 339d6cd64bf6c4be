"""What a bank of own solutions does to a search is tested with the methods that keep one (tests/optimizers)."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.optimizers.pmpo.rationales import asks_to_reason, own_rationales
from promptopt.testing import planted_task
from promptopt.types import Example, Prompt, Reply, Sampling


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Let's think step by step.", True),
        ("Explain your answer.", True),
        ("Think carefully, then answer.", True),
        ("Show your work.", True),
        ("Give the reasoning first.", True),
        ("Answer with one of: positive, negative.", False),
        ("Think of snow.", False),
        ("A reasonable, stepwise workplace.", False),
    ],
)
def test_phrases_that_ask_for_reasoning(text: str, asks: bool) -> None:
    assert asks_to_reason(Prompt.of("Answer.", system=text)) is asks


def bank(replies: Sequence[Sequence[str | Reply]], *, contrasts: bool = False) -> tuple[list[Example], list[str]]:
    """The solutions of as many examples, of which the right answer is "yes", and what the user is told."""
    told: list[str] = []
    task = planted_task()

    def draw(prompt: Prompt, asked: Sequence[Example], sampling: Sampling) -> list[Reply]:
        assert (prompt, sampling.temperature) == (task.initial, 0.7)
        assert list(asked) == [each for place, each in enumerate(task.train[: len(replies)]) for _ in replies[place]]
        return [each if isinstance(each, Reply) else Reply(each) for own in replies for each in own]

    run: Any = SimpleNamespace(
        task=task, initial=task.initial, draw=draw, warn=told.append, check_model=lambda: None,
        abilities=SimpleNamespace(contrasts=contrasts),
    )  # fmt: skip
    return own_rationales(run, task.train[: len(replies)], len(replies[0]), 0.7), told


def test_the_first_right_reply_is_the_solution_and_the_wrong_ones_are_rejected() -> None:
    found, told = bank([[" no ", "yes", "no", "maybe"], ["yes", "yes", "yes", "yes"]])
    assert [(each.solution, each.rejected) for each in found] == [("yes", ("no", "maybe")), ("yes", ())]
    assert told == []


def test_examples_without_a_right_reply_are_left_out_and_told() -> None:
    found, told = bank([["no", "no"], ["no", "yes"], [Reply("yes", "length"), ""]])
    assert [each.fields for each in found] == [planted_task().train[1].fields]
    assert told == ["1 of 3 training examples got a right reply; the others are left out"]


def test_a_preference_needs_a_wrong_reply_too() -> None:
    found, told = bank([["yes", "yes"], ["no", "yes"]], contrasts=True)
    assert [(each.solution, each.rejected) for each in found] == [("yes", ("no",))]
    assert told == ["1 of 2 training examples got a right and a wrong reply; the others are left out"]
    with pytest.raises(ConfigError, match="a right and a wrong reply to none of 1 example"):
        bank([["yes", "yes"]], contrasts=True)
    # A reply that was cut short is neither.
    with pytest.raises(ConfigError, match="in 2 tries each"):
        bank([["yes", Reply("no", "length")]], contrasts=True)
