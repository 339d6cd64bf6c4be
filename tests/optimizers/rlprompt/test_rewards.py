"""From what prompts scored to what the policy learns from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.rlprompt.rewards import leave_one_out, shaped, z_scores


def test_z_scores_are_by_the_population_deviation_of_the_group() -> None:
    assert z_scores([10, 20, 30, 40]) == pytest.approx([-1.34163, -0.44721, 0.44721, 1.34163], abs=2e-5)
    assert [5 * each for each in z_scores([10, 20, 30, 40])][-2:] == pytest.approx([2.2360, 6.7081], abs=2e-4)


def test_equal_rewards_are_zeros_and_no_nan() -> None:
    assert z_scores([7.0] * 4) == [0.0] * 4


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
