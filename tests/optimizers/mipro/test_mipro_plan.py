"""What MIPRO plans in a room, and what it expects to cost at most, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.mipro.method import MIPRO, Proposing
from promptopt.types import Room, UpperBounds


def room(cells: int | None, train: int = 500) -> Room:
    return Room(cells, None, 1, train, 40)


PAPER = MIPRO(
    "paper", trials=7, sets=3, minibatch=5, scored=20, teach=Teaching(tries=2), propose=Proposing(instructions=4)
)
"""Of 100 examples 20 are shown, in two batches."""


def test_bounds_count_the_summary_the_grounds_and_every_fifth_and_last_full_score() -> None:
    # Three new instructions with two descriptions each; the first batch, one more, and their summary; all twice.
    calls = 2 * (3 * 3 + 3)
    # Demonstrations in two tries each; V for the start, after five trials and after seven; a minibatch a trial.
    assert PAPER.upper_bounds(100) == UpperBounds(20 * 2 + 3 * 20 + 7 * 5, calls, calls * 1024)
    assert replace(PAPER, trials=5).upper_bounds(100).evaluations == 20 * 2 + 2 * 20 + 5 * 5
    assert replace(PAPER, trials=0).upper_bounds(100).evaluations == 20 * 2 + 20


@pytest.mark.parametrize(
    ("propose", "calls"),
    [
        (Proposing(instructions=4, summary=False), 2 * 3 * 3),
        (Proposing(instructions=4, aware=False), 2 * (3 + 3)),
        (Proposing(instructions=4, batch=20), 2 * (9 + 2)),
        (Proposing(instructions=4, batch=19), 2 * (9 + 3)),
        # Nine batches after the first one at most.
        (Proposing(instructions=4, batch=1), 2 * (9 + 2 + 9)),
        # The start's own text is all there is to choose from.
        (Proposing(instructions=1), 0),
    ],
)
def test_the_proposer_is_asked_as_the_settings_say(propose: Proposing, calls: int) -> None:
    assert replace(PAPER, propose=propose).upper_bounds(100).proposer_calls == calls


def test_under_a_budget_one_text_is_not_described_unless_that_is_set() -> None:
    # 500 evaluations: 8 new instructions and a summary of ten batches at most, of 50 shown.
    assert MIPRO().upper_bounds_in(room(500)).proposer_calls == 2 * (8 + 2 + 4)
    aware = MIPRO(propose=Proposing(aware=True))
    assert aware.upper_bounds_in(room(500)).proposer_calls == 2 * (8 * 3 + 2 + 4)
    assert MIPRO().upper_bounds_in(room(500)).evaluations <= 500


def test_a_budget_is_small_below_a_thousand_and_large_from_five_thousand_on() -> None:
    plans = [MIPRO().plan(room(cells, 2_000)) for cells in (999, 1_000, 4_999, 5_000)]
    # Half as many sets and three times the instructions of the presets of 6, 12 and 18.
    assert [(plan.sets, plan.instructions) for plan in plans] == [(3, 9), (6, 18), (6, 18), (9, 27)]


@pytest.mark.parametrize(
    ("train", "cells", "shown"),
    [(500, None, 100), (20, None, 10), (8, None, 7), (2, None, 1), (500, 500, 50), (500, 60, 8), (8, 500, 7)],
)
def test_a_fifth_is_shown_ten_at_least_and_one_left_to_score_on(train: int, cells: int | None, shown: int) -> None:
    # Under a budget a tenth of it at most, or two sets.
    assert MIPRO().plan(room(cells, train)).shown == shown


def test_no_more_are_scored_than_are_left_and_a_minibatch_is_part_of_them_or_all_of_few() -> None:
    for train in (2, 3, 12, 60, 500):
        for cells in (None, 40, 300, 3_000, 30_000):
            plan = MIPRO().plan(room(cells, train))
            assert 1 <= plan.scored <= train - plan.shown
            assert plan.rounds >= 1
    assert [MIPRO(scored=scored).plan(room(None)).minibatch for scored in (50, 51)] == [50, 35]
    assert MIPRO(scored=40).plan(room(900)).scored == 40
    assert MIPRO(scored=10_000).plan(room(900)).scored == 100


def test_what_a_budget_leaves_beyond_full_scores_goes_to_further_trials() -> None:
    # Light: 10 trials. 500 less 50 shown pay for V with 1 + 10 / 5 + 10 / 3 of it: 71, and a minibatch of 24.
    small = MIPRO().plan(room(500))
    assert (small.shown, small.scored, small.minibatch, small.rounds) == (50, 71, 24, 10)
    # V ends at what is left of 30 examples, 20, with a minibatch of 7: (490 - 20) / (20 / 5 + 7) trials.
    few = MIPRO().plan(room(500, 30))
    assert (few.shown, few.scored, few.minibatch, few.rounds) == (10, 20, 7, 42)
    # A third of the trials are at random at first: 2 at least, 10 at most.
    assert (small.startup, few.startup) == (3, 10)
    assert [MIPRO(trials=trials).plan(room(500)).startup for trials in (3, 9, 60)] == [2, 3, 10]
    assert MIPRO(trials=5).plan(room(None)).startup == 10


def test_one_set_is_no_variable() -> None:
    # max(2 v log2 12, 18) trials of the preset's 12: 18 with one variable, and with two.
    assert MIPRO(sets=1).plan(room(None)).rounds == 18
    assert MIPRO(sets=1).plan(room(500)).rounds >= 9


def test_the_least_is_two_full_scores_ten_trials_and_the_demonstrations_of_a_set_none_of_them_large() -> None:
    small = MIPRO(scored=8, minibatch=4, teach=Teaching(bootstrapped=3))
    assert small.least(room(None)) == 2 * 3 + 2 * 8 + 10 * 4
    assert MIPRO().least(room(None)) == MIPRO().least(room(5_000)) == 2 * 4 + 2 * 20 + 10 * 7


def test_the_codes_trials_count_a_variable_for_each_text_and_its_instructions_are_twice_as_many_without_sets() -> None:
    several = [Room(None, None, 1, 500, 40, parts=parts) for parts in (1, 2, 3)]
    # max(2 v log2 12, 18) of v texts and the sets.
    assert [MIPRO().plan(each).rounds for each in several] == [18, 21, 28]
    assert [MIPRO("paper", sets=sets).plan(several[0]).instructions for sets in (None, 1)] == [6, 12]
    # Under a budget texts do not crowd out the examples that each is scored on.
    capped = [MIPRO().plan(Room(1_200, None, 1, 500, 40, parts=parts)) for parts in (1, 3)]
    assert capped[0] == capped[1]
