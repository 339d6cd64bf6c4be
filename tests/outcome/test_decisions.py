"""What a gate decides, at its bounds: margins, numbers of examples, shares that could not be read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptopt.evaluators.judging import MOST_UNREAD
from promptopt.outcome.decisions import (
    FEWEST_OF_A_SLICE,
    RIGHT,
    CheckOutcome,
    Decision,
    ScoredPair,
    bound_said,
    decided,
    gain_of,
    keeps_schema,
    must_pass,
    non_inferior,
    overall,
    shown_better,
    slices_asked,
)
from promptopt.types import Example, Score


def pairs_of(mended: int, broken: int, kept: int, *, slice: str = "") -> list[ScoredPair]:
    values = [(0.0, 1.0)] * mended + [(1.0, 0.0)] * broken + [(1.0, 1.0)] * kept
    return [
        ScoredPair(replace(Example.of("t", text=f"{slice} {number}"), slice=slice), Score(before), Score(after))
        for number, (before, after) in enumerate(values)
    ]


def test_a_margin_is_held_by_the_one_sided_interval_and_not_where_that_ends_at_it() -> None:
    pairs = pairs_of(4, 9, 87)
    gain = non_inferior("score", pairs, 0.5).gain
    assert gain is not None
    low, high = gain.interval
    assert gain.ci95[0] < low < gain.mean < high < gain.ci95[1]
    # A margin of the two-sided 95 % interval is held with room to spare; one at the end itself is not held.
    assert non_inferior("score", pairs, (-low - gain.ci95[0]) / 2).outcome == "passed"
    assert non_inferior("score", pairs, -low).outcome == "inconclusive"
    assert f"hold a margin of {-100 * low:.1f} points" in non_inferior("score", pairs, -low).message


@pytest.mark.parametrize(
    ("broken", "margin", "outcome", "said"),
    [
        (40, 0.05, "regression", ": a loss of more than 5 points"),
        # Worse for sure, if perhaps by less than the margin.
        (9, 0.05, "regression", "worse, and a loss of 5 points is not ruled out"),
        (5, 0.02, "inconclusive", "give more of them"),
        (9, 0.3, "passed", "no loss of 30 points or more"),
    ],
)
def test_a_loss_is_told_by_what_is_sure_of_it(broken: int, margin: float, outcome: str, said: str) -> None:
    found = non_inferior("score", pairs_of(0, broken, 100 - broken), margin)
    assert (found.outcome, said in found.message) == (outcome, True)


def test_the_loss_that_is_more_than_the_margin_has_the_margin_outside_its_interval() -> None:
    pairs = pairs_of(0, 40, 60)
    gain = non_inferior("score", pairs, 0.05).gain
    assert gain is not None
    at_its_end = non_inferior("score", pairs, -gain.interval[1])
    assert (at_its_end.outcome, "a loss of more than" in at_its_end.message) == ("regression", False)


def test_a_gain_is_shown_by_the_two_sided_interval_alone() -> None:
    # Five all one way: the one-sided interval excludes zero, the two-sided one does not.
    pairs = pairs_of(5, 0, 95)
    score = non_inferior("score", pairs, 0.05)
    assert score.gain is not None
    assert score.gain.interval[0] > 0.0 > score.gain.ci95[0]
    assert shown_better(score).outcome == "inconclusive"
    assert shown_better(non_inferior("score", pairs_of(6, 0, 94), 0.05)).outcome == "passed"
    assert gain_of(pairs).interval == score.gain.ci95


@pytest.mark.parametrize(("unread", "outcome"), [(0, "passed"), (5, "passed"), (6, "inconclusive")])
def test_more_than_one_in_twenty_unread_decides_nothing(unread: int, outcome: str) -> None:
    assert MOST_UNREAD == 0.05
    pairs = pairs_of(30, 0, 70)
    lost = [ScoredPair(each.example, Score(1.0, judged=False), each.after) for each in pairs[:unread]]
    found = non_inferior("score", [*lost, *pairs[unread:]], 0.05)
    assert (found.outcome, found.gain and found.gain.n) == (outcome, 100 - unread)


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["passed", "inconclusive", "regression"], "regression"),
        (["inconclusive", "passed"], "inconclusive"),
        (["passed", "passed"], "passed"),
        ([], "passed"),
    ],
)
def test_one_regression_is_a_regression_and_one_open_decision_leaves_all_open(
    outcomes: list[CheckOutcome], together: str
) -> None:
    assert overall([Decision("each", outcome, "") for outcome in outcomes]) == together


def test_a_slice_is_decided_from_twenty_examples_on_by_its_own_margin_or_that_of_all() -> None:
    pairs = [
        *pairs_of(0, 2, 18, slice="b"),
        *pairs_of(0, 0, FEWEST_OF_A_SLICE - 1, slice="few"),
        *pairs_of(0, 2, 18, slice="a"),
        *pairs_of(0, 0, 30),
    ]
    found = decided(slices_asked(pairs, {"a": 0.9, "*": 0.1}))
    assert FEWEST_OF_A_SLICE == 20
    assert [(each.name, each.outcome) for each in found] == [
        ("slice a", "passed"), ("slice b", "inconclusive"), ("slice few", "inconclusive"),
    ]  # fmt: skip
    assert "19 examples, and a number needs 20" in found[2].message
    # One that a loss is borne of and that no example is in is told, too; of others nothing is asked.
    assert [(each.name, each.outcome) for each in decided(slices_asked(pairs, {"c": 0.1}))] == [
        ("slice c", "inconclusive")
    ]
    assert decided(slices_asked(pairs, {})) == []
    assert [each.outcome for each in decided(slices_asked(pairs_of(0, 0, 30), {"*": 0.1}))] == ["inconclusive"]


def test_of_many_slices_none_is_red_by_a_loss_that_one_of_them_shows_by_chance() -> None:
    # Six one way are sure of one slice (2 / 2**6 < 0.05), and one of ten looks so more often than one gate in twenty.
    unlucky = pairs_of(0, 6, 24, slice="unlucky")
    lucky = [pair for number in range(9) for pair in pairs_of(3, 3, 24, slice=f"lucky {number}")]
    alone, among = decided(slices_asked(unlucky, {"*": 0.05})), decided(slices_asked([*lucky, *unlucky], {"*": 0.05}))
    assert (alone[0].name, alone[0].outcome) == ("slice unlucky", "regression")
    assert (among[-1].name, among[-1].outcome) == ("slice unlucky", "inconclusive")
    assert "alone it would be a regression" in among[-1].message
    # No slice that is worse for sure among ten hides behind the others.
    broken = [*lucky, *pairs_of(0, 20, 10, slice="broken")]
    assert decided(slices_asked(broken, {"*": 0.05}))[0].outcome == "regression"


def test_slices_that_are_worse_for_sure_leave_fewer_to_be_unlucky() -> None:
    # Eight one way have p = 0.0078, which 0.05 / 7 does not reach, and 0.05 / 6 does (Holm 1979).
    sure = [pair for number in range(6) for pair in pairs_of(0, 15, 15, slice=f"sure {number}")]
    found = decided(slices_asked([*sure, *pairs_of(0, 8, 22, slice="eight")], {"*": 0.05}))
    assert [each.outcome for each in found] == ["regression"] * 7
    lucky = [pair for number in range(6) for pair in pairs_of(3, 3, 24, slice=f"lucky {number}")]
    assert decided(slices_asked([*lucky, *pairs_of(0, 8, 22, slice="eight")], {"*": 0.05}))[0].outcome == "inconclusive"


def test_slices_that_decide_nothing_are_no_chances_to_look_worse() -> None:
    unlucky = pairs_of(0, 6, 24, slice="unlucky")
    few = [pair for number in range(9) for pair in pairs_of(0, 0, FEWEST_OF_A_SLICE - 1, slice=f"few {number}")]
    judged = [pair for number in range(9) for pair in pairs_of(3, 3, 24, slice=f"judged {number}")]
    found = decided(slices_asked([*few, *judged, *unlucky], {"*": 0.05}, judged=True, unjudged=["unlucky"]))
    assert (found[-1].name, found[-1].outcome) == ("slice unlucky", "regression")


@pytest.mark.parametrize(
    ("before", "after", "outcome", "said"),
    [
        (1.0, RIGHT, "passed", "passes"),
        (1.0, RIGHT - 1e-6, "regression", "passed before, and fails now: why"),
        (RIGHT, 0.0, "regression", "passed before, and fails now: why"),
        (0.9, 0.0, "regression", "failed before too: why"),
    ],
)
def test_an_example_that_must_pass_is_right_or_it_fails(before: float, after: float, outcome: str, said: str) -> None:
    pair = ScoredPair(Example.of("t", text="x"), Score(before), Score(after, feedback="why"))
    (found,) = must_pass([pair.example, pair.example], [pair])
    assert (found.name, found.outcome, found.message) == (f"must pass 1 ({pair.example.id})", outcome, said)


def test_an_unread_reply_before_is_no_pass_before() -> None:
    pair = ScoredPair(Example.of("t", text="x"), Score(1.0, judged=False), Score(0.0))
    assert must_pass([pair.example], [pair])[0].message == "failed before too"


@pytest.mark.parametrize(("old", "new", "outcome"), [(2, 2, "passed"), (2, 1, "passed"), (1, 2, "regression")])
def test_a_schema_may_be_broken_as_often_as_before(old: int, new: int, outcome: str) -> None:
    faults = [(number < old, number < new) for number in range(5)]
    found = keeps_schema(faults)
    assert found.outcome == outcome
    assert found.message.startswith(f"{new} repl")
    assert found.message.endswith(f" of 5 break it, {old} did before")


@pytest.mark.parametrize(
    ("value", "against", "said"),
    [(-0.0496, -0.05, "-4.96"), (-0.05, -0.05, "-5.0"), (0.00004, 0.0, "+0.004"), (0.12, 0.0, "+12.0")],
)
def test_a_bound_is_said_with_the_digits_that_show_its_side(value: float, against: float, said: str) -> None:
    assert bound_said(value, against) == said
