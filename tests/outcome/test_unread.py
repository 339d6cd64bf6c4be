"""Replies that nobody could read are no evidence that a prompt is no worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptopt.migration.moved import inferiority, undecided_by
from promptopt.outcome.decisions import Bars, ScoredPair, decided, gain_of, non_inferior, slices_asked
from promptopt.outcome.smallest import by_member, worst_decision
from promptopt.outcome.unread import mostly_unread
from promptopt.types import Example, Score

LOST = Score(0.0, "hm", parsed=False, feedback="no answer could be read: expected one of a, b")
UNJUDGED = replace(LOST, judged=False)
RIGHT, WRONG = Score(1.0, "a", "a"), Score(0.0, "b", "b", feedback="answered b, expected a")
CUT_SHORT = Score(0.0, "a long", "a long", feedback="answered a long, expected a (the reply was cut off at 8 tokens)")


def pairs_of(*kinds: tuple[Score, Score, int], slice: str = "") -> list[ScoredPair]:
    sides = [(before, after) for before, after, count in kinds for _ in range(count)]
    return [
        ScoredPair(replace(Example.of("t", text=f"{slice} {number}"), slice=slice), before, after)
        for number, (before, after) in enumerate(sides)
    ]


@pytest.mark.parametrize(
    ("kinds", "outcome", "said"),
    [
        ([(LOST, LOST, 160)], "inconclusive", "160 of 160 replies to the old prompt hold no answer that could be read"),
        ([(CUT_SHORT, CUT_SHORT, 160)], "inconclusive", "160 of 160 replies to the old prompt hold no answer"),
        # The bound: more than half of them.
        ([(LOST, RIGHT, 1), (LOST, LOST, 80), (RIGHT, RIGHT, 79)], "inconclusive", "81 of 160 replies to the old"),
        ([(LOST, LOST, 80), (RIGHT, RIGHT, 80)], "passed", "no loss of 5 points or more"),
        # The old one is read, and mostly wrong.
        ([(WRONG, LOST, 160)], "inconclusive", "160 of 160 replies to the new prompt hold no answer"),
        ([(WRONG, WRONG, 160)], "passed", "no loss of 5 points or more"),
        # A gain needs no reference that works, and a loss that is sure is one.
        ([(LOST, RIGHT, 100), (LOST, LOST, 60)], "passed", "no loss of 5 points or more"),
        ([(RIGHT, LOST, 60), (LOST, LOST, 100)], "regression", "a loss of more than 5 points"),
    ],
)
def test_no_loss_can_show_beside_replies_that_nobody_could_read(
    kinds: list[tuple[Score, Score, int]], outcome: str, said: str
) -> None:
    found = non_inferior("score", pairs_of(*kinds), 0.05)
    assert (found.outcome, said in found.message) == (outcome, True), found.message


def test_a_slice_and_the_worst_of_several_tasks_pass_by_replies_that_are_read_alone() -> None:
    pairs = [*pairs_of((RIGHT, RIGHT, 90), slice="a"), *pairs_of((LOST, LOST, 90), slice="b")]
    slices = decided(slices_asked(pairs, {"*": 0.1}))
    assert [(each.name, each.outcome) for each in slices] == [("slice a", "passed"), ("slice b", "inconclusive")]
    worst = worst_decision(by_member(["a", "b"], pairs), Bars(0.1, better=False, accept_judge=False))
    assert (worst.outcome, worst.message.startswith("b, the worst of 2 tasks: 90 of 90")) == ("inconclusive", True)


def test_what_was_cut_and_is_worth_something_counts_as_read() -> None:
    partly = replace(CUT_SHORT, value=0.4)
    assert mostly_unread({"": [partly] * 20}) == ""
    # Of replies that no judge has scored nothing is known either way: another rule speaks of these.
    assert mostly_unread({"": [UNJUDGED] * 20}) == ""


@pytest.mark.parametrize(
    ("kinds", "status", "said"),
    [
        ([(LOST, LOST, 160)], "open", "160 of 160 replies of m/old hold no answer that could be read"),
        ([(WRONG, LOST, 160)], "open", "160 of 160 replies of m/new hold no answer"),
        ([(LOST, RIGHT, 160)], "non-inferior", "160 of 160 replies of m/old"),
        ([(RIGHT, LOST, 160)], "inferior", "160 of 160 replies of m/new"),
        ([(RIGHT, RIGHT, 160)], "non-inferior", ""),
        # Worse for sure, and nobody knows whether by more than the margin.
        ([(RIGHT, WRONG, 9), (RIGHT, RIGHT, 151)], "open", ""),
        # As a verdict on a judge's word: more than one in twenty without a score.
        ([(RIGHT, UNJUDGED, 9), (RIGHT, RIGHT, 151)], "open", "9 of 160 pairs of replies could not be judged"),
        ([(RIGHT, UNJUDGED, 8), (RIGHT, RIGHT, 152)], "non-inferior", ""),
    ],
)  # fmt: skip
def test_a_migration_is_open_where_no_loss_could_show(
    kinds: list[tuple[Score, Score, int]], status: str, said: str
) -> None:
    pairs = pairs_of(*kinds)
    why = undecided_by(pairs, "m/old", "m/new")
    assert (inferiority(gain_of(pairs), 0.05, why), why.startswith(said), bool(why)) == (status, True, bool(said))
