"""From what prompts scored to what the policy learns from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.rlprompt.rewards import finite, leave_one_out, pareto_front, shaped, tied, z_scores


def test_z_scores_are_by_the_population_deviation_of_the_group() -> None:
    assert z_scores([10, 20, 30, 40]) == pytest.approx([-1.34163, -0.44721, 0.44721, 1.34163], abs=2e-5)
    assert [5 * each for each in z_scores([10, 20, 30, 40])][-2:] == pytest.approx([2.2360, 6.7081], abs=2e-4)


def test_what_is_added_to_a_deviation_takes_off_half_of_one_that_is_as_small() -> None:
    assert z_scores([0.0, 2e-4]) == pytest.approx([-0.5, 0.5])


def test_equal_rewards_are_zeros_and_no_nan() -> None:
    assert z_scores([7.0] * 4) == [0.0] * 4


def test_an_impossible_prompt_counts_as_the_worst_that_is_possible() -> None:
    none = float("-inf")
    assert finite([3.0, none, 1.0]) == [3.0, 1.0, 1.0]
    assert finite([none, none]) == [0.0, 0.0]
    assert tied([none, none])
    assert tied([1.0, none])
    assert not tied([1.0, none, 2.0])


def test_rewards_of_another_step_are_held_against_the_group_of_this_one() -> None:
    (other,) = z_scores([50.0], [10, 20, 30, 40])
    assert other == pytest.approx((50 - 25) / (11.18034 + 1e-4), abs=1e-4)


def test_shaping_goes_on_beyond_its_range() -> None:
    assert shaped(1.5, (0, 1), (-20, 80)) == 130
    assert shaped(-1.0, (0, 1), (0, 5)) == -5


@given(st.lists(st.floats(-200, 200), min_size=2, max_size=16))
def test_leave_one_out_adds_up_to_zero(rewards: list[float]) -> None:
    found = leave_one_out(rewards)
    assert sum(found) == pytest.approx(0, abs=1e-9)
    assert found[0] == pytest.approx(rewards[0] - sum(rewards[1:]) / (len(rewards) - 1), abs=1e-9)


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    points = [(0.8, -9.0), (0.8, -7.0), (0.7, -8.0), (0.6, -3.0), (0.6, -3.0), (0.5, -4.0)]
    assert pareto_front(points) == [1, 3]
    assert pareto_front([]) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-5, 0)), max_size=12))
def test_every_point_is_on_the_front_or_below_it(points: list[tuple[float, float]]) -> None:
    kept = [points[place] for place in pareto_front(points)]
    assert all(any(a >= x and b >= y for a, b in kept) for x, y in points)
    assert not any(a >= x and b >= y for a, b in kept for x, y in kept if (a, b) != (x, y))
