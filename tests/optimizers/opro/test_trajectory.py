"""Scored instructions as a proposer is shown them: which, in which order, and with which whole scores."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.optimizers.opro.trajectory import best_last, block, good, in_unit, key, polish, telling, whole_points
from promptopt.tasks.parts import focused
from promptopt.testing import planted_task
from promptopt.types import Prompt
from tests.optimizers.workflows import START, workflow_task

A, B, C, D = (Prompt.of(text) for text in "abcd")


def test_the_best_stand_last_and_of_equals_the_oldest_go_first() -> None:
    trajectory = {A: 0.5, B: 0.9, C: 0.5, D: 0.1}
    assert best_last(trajectory, 9) == [D, A, C, B]
    assert best_last(trajectory, 2) == [C, B]


def test_what_scores_the_threshold_is_good_and_where_nothing_does_all_is() -> None:
    # Three thirds of 0.1 sum up to a hair more than 0.3, and may to a hair less.
    trajectory = {A: 0.3 - 1e-12, B: 0.29, C: 0.7, D: -math.inf}
    assert list(good(trajectory, 0.3)) == [A, C]
    assert good(trajectory, 0.8) == trajectory
    # A threshold is of a metric: log-likelihoods all count, but for an impossible one.
    assert list(good({A: -2.0, B: 0.2, D: -math.inf}, 0.3)) == [A, B]


@pytest.mark.parametrize(
    ("means", "unit"),
    [((0.0, 1.0), True), ((-0.1, 0.5), False), ((0.5, 1.1), False), ((-math.inf, 0.5), True), ((-math.inf,), True)],
)
def test_scores_of_a_metric_lie_between_0_and_1(means: tuple[float, ...], unit: bool) -> None:
    assert in_unit(dict(zip((A, B), means, strict=False))) is unit


def test_scores_are_hundredths_of_a_metric_or_places_between_worst_and_best() -> None:
    assert whole_points({A: 0.0, B: 0.256, C: 1.0, D: -math.inf}, True) == {A: 0, B: 26, C: 100, D: 0}
    assert whole_points({A: -4.0, B: -3.0, C: 0.0, D: -math.inf}, False) == {A: 0, B: 25, C: 100, D: 0}
    assert whole_points({A: -4.0, B: -4.0}, False) == {A: 50, B: 50}
    assert whole_points({A: -math.inf}, False) == {A: 0}


@pytest.mark.parametrize(
    ("text", "polished"),
    [
        (" answer **well**. ", "Answer well."),
        ("**answer** it", "Answer it"),
        ("2**3 and 4**5", "2**3 and 4**5"),
        ("ßtraße", "ßtraße"),
        ("ǆep", "ǅep"),
        ("回答", "回答"),
        ("", ""),
    ],
)
def test_an_instruction_begins_with_a_capital_and_is_not_in_bold(text: str, polished: str) -> None:
    assert polish(text) == polished


def test_texts_that_differ_in_space_bold_or_their_first_letter_are_one_instruction() -> None:
    assert key("Answer  it\n**well**.") == key("answer it well.")
    assert key("ANswer it.") != key("Answer it.")
    assert key("Answer it.") != key("Answer It.")
    assert key("") == ""


def test_an_entry_ends_in_a_blank_line() -> None:
    assert block("Title", ["one", "two"]) == "Title\n\none\n\ntwo\n\n"


def test_of_prompts_that_agree_in_the_part_edited_now_the_best_is_shown() -> None:
    task = focused(workflow_task(), "answer")
    run: Any = SimpleNamespace(task=task)
    first = START.replace("answer", "Say it.")
    worse, better = (
        first.replace("instruction", "One."),
        first.replace("instruction", "Two.").replace("answer", "say  it."),
    )
    trajectory = {START: 0.5, worse: 0.4, better: 0.6, first: 0.6}
    # Of equals the earlier.
    assert telling(run, trajectory, 0.0, 9) == [START, better]
    assert telling(run, trajectory, 0.0, 1) == [better]
    # Two parts are several already.
    two: Any = SimpleNamespace(task=focused(workflow_task().editing("instruction", "answer"), "answer"))
    assert telling(two, trajectory, 0.0, 9) == [START, better]
    # Of one part alone nothing is left out.
    alone: Any = SimpleNamespace(task=planted_task())
    assert telling(alone, {A: 0.1, B: 0.2}, 0.0, 9) == [A, B]
