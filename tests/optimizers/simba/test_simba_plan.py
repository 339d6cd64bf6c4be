"""What SIMBA plans: by hand, where a cap on calls shares them between runs and rules, and at every bound."""

from __future__ import annotations

import pytest

from promptopt.optimizers.simba.method import SIMBA
from promptopt.optimizers.simba.plan import SIMBAPlan
from promptopt.types import Room, UpperBounds


def inside(evaluations: int | None, train: int = 10_000, calls: int | None = None) -> Room:
    return Room(evaluations, calls, 1, train, 40)


@pytest.mark.parametrize(
    ("room", "plan"),
    [
        # Below 1,000 evaluations 3 runs of an example, from there 6; of n + 1 winners a tenth of all.
        # 999 / 40 = 25 held; (999 - 100) / (8 * 7) = 16 a step, and 899 / 112 steps.
        (inside(999), SIMBAPlan(8, 16, 3, 25)),
        # 1,000 / 70 = 14 held; (1,000 - 98) / (8 * 13) = 8 a step, and 902 / 104 steps.
        (inside(1_000), SIMBAPlan(8, 8, 6, 14)),
        # A step has four examples at least, and the search one step; held are four, too.
        (inside(36), SIMBAPlan(1, 4, 3, 4)),
        # Less than that step and two winners: as many runs as a contrast takes, and no winners are held against others.
        (inside(35), SIMBAPlan(1, 4, 2, 0)),
        (inside(0), SIMBAPlan(1, 4, 2, 0)),
        # Half of the training examples are held at most, a hundred of many; 32 a step at most, and what is not held.
        (inside(100_000), SIMBAPlan((100_000 - 700) // (13 * 32), 32, 6, 100)),
        (inside(100_000, 120), SIMBAPlan((100_000 - 420) // (13 * 32), 32, 6, 60)),
        (inside(100_000, 41), SIMBAPlan((100_000 - 140) // (13 * 21), 21, 6, 20)),
        (inside(100_000, 1), SIMBAPlan((100_000 - 7) // (13 * 4), 4, 6, 1)),
        # Without a cap the numbers of the code.
        (inside(None), SIMBAPlan(8, 32, 6, 100)),
        (inside(None, 20), SIMBAPlan(8, 20, 6, 10)),
    ],
)
def test_a_room_without_a_cap_on_calls(room: Room, plan: SIMBAPlan) -> None:
    assert SIMBA().plan(room) == plan


def test_of_a_cap_on_calls_half_of_the_candidates_of_a_step_are_rules() -> None:
    # A step of 4 examples has 13 * 4 cells and 7 / 2 rules: 100,000 / (1 + 7 / 104) cells. Of these 7 * 100 for the
    # winners, and steps of 13 * 32.
    assert SIMBA().plan(inside(None, calls=100_000)) == SIMBAPlan((93_693 - 700) // 416, 32, 6, 100)
    # Three runs: 4 / 56 a cell, 900 / (1 + 4 / 56) cells; 22 held for each of four winners.
    assert SIMBA().plan(inside(None, calls=900)) == SIMBAPlan((840 - 88) // (7 * 13), 13, 3, 22)


def test_what_is_set_stays_and_the_rest_follows_it() -> None:
    assert SIMBA(rounds=3, minibatch=5, candidates=2).plan(inside(400)) == SIMBAPlan(3, 5, 2, 13)
    assert SIMBA(rounds=3, minibatch=5, candidates=2).plan(inside(None, 8)) == SIMBAPlan(3, 5, 2, 4)
    # (400 - 39) / (5 * 5) steps.
    assert SIMBA(minibatch=5, candidates=2).plan(inside(400)) == SIMBAPlan(14, 5, 2, 13)
    assert SIMBA(rounds=0).plan(inside(None)).rounds == 0
    assert SIMBA(preset="paper").plan(inside(400)) == SIMBAPlan(8, 32, 6, 100)


def test_a_search_is_of_use_from_three_steps_and_the_end_on() -> None:
    assert SIMBA(rounds=9, minibatch=5, candidates=2).least(inside(None, 60)) == 3 * 5 * 5 + 3 * 30


def test_a_search_that_is_too_small_is_told_of_the_least_that_a_larger_one_needs() -> None:
    # Of three runs on four examples: what the two runs of the small plan take would not do, once that much is allowed.
    assert SIMBA().least(inside(5)) == SIMBA().least(inside(36)) == 3 * 7 * 4 + 4 * 4


def test_the_bounds_are_all_runs_all_candidates_and_two_calls_for_each_example() -> None:
    method = SIMBA(rounds=2, minibatch=5, candidates=3)
    # Two steps of (3 + 4) * 5, then 4 winners on 10.
    assert method.upper_bounds(20) == UpperBounds(2 * 35 + 40, 20, 20 * 1024)
    assert method.upper_bounds_in(inside(60, 20)).evaluations == 60
