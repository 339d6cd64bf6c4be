"""A gate that lets a panel decide: its mean is no verdict where one judge sees a loss and another a gain."""

from __future__ import annotations

import pytest

from promptopt.outcome.by_judge import panel_disagreement
from promptopt.outcome.decisions import ScoredPair, decided, non_inferior, shown_better, slices_asked
from promptopt.types import Example, Score


def told(first: list[float], second: list[float], *, slice: str = "") -> list[ScoredPair]:
    """A pair for each place, with what either of two judges gives the new reply; the old one has 0.5 of both."""
    found: list[ScoredPair] = []
    for at, values in enumerate(zip(first, second, strict=True)):
        parts = tuple(zip(("judge", "judge_2"), values, strict=True))
        before = Score(0.5, parts=(("judge", 0.5), ("judge_2", 0.5)))
        example = Example.of("t", text=f"{at}")
        example = Example(example.fields, slice=slice)
        found.append(ScoredPair(example, before, Score(sum(values) / 2, parts=parts)))
    return found


UP, DOWN = [0.8] * 100, [0.4] * 100


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        # The mean gains 10 points, and the second judge loses 10: more than is borne.
        (UP, DOWN, "inconclusive"),
        (DOWN, UP, "inconclusive"),
        # A loss that is borne, and may be chance, is no dissent.
        (UP, [0.5] * 96 + [0.4] * 4, "passed"),
        (UP, [0.49] * 100, "passed"),
        (UP, [0.5] * 100, "passed"),
        (UP, UP, "passed"),
        # A loss in the mean that one judge sees as a gain.
        ([0.51] * 100, [0.1] * 100, "inconclusive"),
        (DOWN, DOWN, "regression"),
        (DOWN, [0.5] * 100, "regression"),
    ],
)
def test_a_panel_decides_where_its_judges_do_not_contradict_it(
    first: list[float], second: list[float], outcome: str
) -> None:
    found = non_inferior("score", told(first, second), 0.05)
    assert found.outcome == outcome
    assert ("disagree" in found.message) is (outcome == "inconclusive")
    (sliced,) = decided(slices_asked(told(first, second, slice="fr"), {"fr": 0.05}))
    assert sliced.outcome == outcome


def test_what_each_judge_says_is_told_with_their_places() -> None:
    said = non_inferior("score", told(UP, DOWN), 0.05).message
    assert "judge 1: +30.0, judge 2: -10.0 points" in said


@pytest.mark.parametrize(("broken", "outcome"), [(6, "inconclusive"), (5, "passed")])
def test_a_loss_that_one_judge_is_sure_of_is_dissent_however_little_it_is(broken: int, outcome: str) -> None:
    pairs = [
        ScoredPair(
            Example.of("t", text=f"{at}"),
            Score(0.75, parts=(("judge", 0.5), ("judge_2", 1.0))),
            Score(0.9, parts=(("judge", 0.8), ("judge_2", 0.0 if at < broken else 1.0))),
        )
        for at in range(200)
    ]
    assert non_inferior("score", pairs, 0.05).outcome == outcome


@pytest.mark.parametrize(("second", "outcome"), [(UP, "passed"), ([0.5] * 100, "inconclusive")])
def test_a_gain_that_is_required_is_one_that_each_judge_sees(second: list[float], outcome: str) -> None:
    pairs = told(UP, second)
    assert shown_better(non_inferior("score", pairs, 0.05), pairs).outcome == outcome


def test_a_judge_that_read_only_some_replies_speaks_of_these() -> None:
    pairs = told(UP, UP)
    lost = [ScoredPair(each.example, each.before, Score(0.8, parts=(("judge", 0.8),))) for each in pairs[:3]]
    assert non_inferior("score", [*lost, *pairs[3:]], 0.05).outcome == "passed"


def test_the_parts_of_one_judge_are_no_judges() -> None:
    pairs = [
        ScoredPair(each.example, Score(0.5, parts=(("kind", 1.0), ("short", 0.0))), Score(0.8, parts=(("kind", 0.0),)))
        for each in told(UP, UP)
    ]
    assert non_inferior("score", pairs, 0.05).outcome == "passed"
    assert panel_disagreement([each.before for each in pairs], [each.after for each in pairs]) == ""
