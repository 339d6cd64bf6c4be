"""From rewards to weights, and from a winner's answers to what is said of it, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.hacking import held_against, suspicion
from promptopt.optimizers.align_pro.preferences import Rewarded, preference_lines
from promptopt.optimizers.align_pro.tilt import tilted, within_bound
from promptopt.optimizers.align_pro.weighing import check_scale, round_note, weighed
from promptopt.types import Score

ROWS = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
"""Means of 1/2 and 1/4. Less the mean of each column: ±(1/2, 1/2, 0, -1/2), of variance 11/48."""
NOISE = math.sqrt(11 / 48 / 4)
"""The standard error of a mean of four of these."""


def test_a_lambda_below_the_noise_gives_way_to_the_noise() -> None:
    # A bound that no weights reach asks for the sharpest lambda; the correction is the same for both, and cancels.
    found = weighed(ROWS, [1, 1], bound=5.0, strength=None, noise_correction=True)
    assert found.strength == pytest.approx(NOISE)
    odds = math.exp(0.25 / NOISE)
    assert found.weights == pytest.approx((odds / (1 + odds), 1 / (1 + odds)))
    assert found.reference_reward == pytest.approx(0.375)
    assert found.reward == pytest.approx((0.5 * odds + 0.25) / (1 + odds))


def test_a_lambda_that_is_set_or_above_the_noise_stays() -> None:
    assert weighed(ROWS, [1, 1], bound=None, strength=0.1, noise_correction=True).strength == 0.1
    # To hardly any KL belongs a lambda far above the noise.
    assert weighed(ROWS, [1, 1], bound=1e-4, strength=None, noise_correction=True).strength > 2 * NOISE


def test_without_the_correction_the_bound_alone_decides_and_what_is_left_of_it_is_no_less_than_none() -> None:
    sharp = weighed(ROWS, [1, 1], bound=5.0, strength=None, noise_correction=False)
    assert sharp.weights == pytest.approx((1.0, 0.0))
    spent = weighed(ROWS, [1, 1], bound=-0.5, strength=None, noise_correction=False)
    assert spent.weights == pytest.approx((0.5, 0.5), abs=1e-6)


def test_a_reward_at_either_end_of_the_scale_is_on_it() -> None:
    check_scale([[0.0, 1.0], [0.5, 0.5]], (0.0, 1.0))
    for off in (-0.1, 1.1):
        with pytest.raises(ConfigError, match=f"a reward is {off:g}"):
            check_scale([[0.0, off]], (0.0, 1.0))


def test_the_record_adds_the_kl_of_the_rounds_before() -> None:
    told = round_note(tilted([1.0, 0.0], [1, 1], 1.0), 0.5, "mark")
    # KL of the round is 0.111 (`test_two_rewrites_are_weighed_as_by_hand`).
    assert "reward 0.500 under the reference mark and 0.731 tilted, KL 0.611 nats, lambda 1," in told


@pytest.mark.parametrize(("weights", "spread"), [([1, 1], 2.0), ([3, 1], 1.6), ([1, 1, 1, 1], 4.0)])
def test_weights_are_spread_over_as_many_as_equal_ones_would_be(weights: list[int], spread: float) -> None:
    # Kish: 1 / (9/16 + 1/16) of three quarters and one quarter.
    assert tilted([0.5] * len(weights), weights, 1.0).effective == pytest.approx(spread)


def test_where_nothing_is_tilted_the_value_is_the_reward() -> None:
    flat = within_bound([0.4, 0.4], [1, 3], 1.0)
    assert (flat.value, flat.reward, flat.kl) == (pytest.approx(0.4), pytest.approx(0.4), 0.0)


def test_rewards_in_another_unit_get_the_same_weights_and_lambda_in_that_unit() -> None:
    rewards, counts = [0.2, 0.5, 0.9], [1, 1, 2]
    for bound in (0.3, 5.0):
        one, large = within_bound(rewards, counts, bound), within_bound([1_000 * r for r in rewards], counts, bound)
        assert large.weights == pytest.approx(one.weights)
        assert large.strength == pytest.approx(1_000 * one.strength)


def test_a_bound_wider_than_any_weights_is_kept_by_the_smallest_lambda_and_none_at_all_by_equal_weights() -> None:
    assert within_bound([0.0, 2.0], [1, 1], 5.0).strength == pytest.approx(2e-9)
    assert within_bound([0.0, 2.0], [1, 1], 0.0).weights == pytest.approx((0.5, 0.5), abs=1e-6)
    # All weight on one of two is log 2 nats away, which a bound of just that allows.
    assert within_bound([0.0, 2.0], [1, 1], math.log(2)).strength == pytest.approx(2e-9)


def answers(*pairs: tuple[int, float]) -> list[Score]:
    """Scores of answers that are so long."""
    return [Score(value, output="x" * length) for length, value in pairs]


def test_wins_losses_ties_spread_and_length_are_told() -> None:
    told = held_against(answers((10, 1.0), (20, 1.0), (30, 0.0), (40, 0.5)), answers(*[(8, 0.0)] * 3, (8, 0.5)))
    # The deviation of 1, 1, 0, 1/2 about 5/8 is sqrt(11/48); that of 0, 0, 0, 1/2 is 1/4.
    assert told == ("2 wins, 0 losses, 2 ties, deviation 0.479 against 0.250, 25 characters an answer against 8")
    assert "deviation" not in held_against(answers((3, 1.0)), answers((3, 0.0)))


def test_length_that_pays_is_suspected_from_ten_answers_and_a_half_of_correlation_on() -> None:
    paid = [(number, float(number)) for number in range(10)]
    told = suspicion(answers(*paid))
    assert told is not None
    assert "correlation 1.00 over 10 answers" in told
    assert suspicion(answers(*paid[:9])) is None
    assert suspicion(answers(*[(9 - length, value) for length, value in paid])) is None
    # 0.44 is below a half.
    assert suspicion(answers(*enumerate(map(float, (0, 5, 1, 9, 2, 8, 3, 4, 6, 7))))) is None
    # Each side alone may not vary.
    assert suspicion(answers(*[(5, value) for _, value in paid])) is None
    assert suspicion(answers(*[(length, 1.0) for length, _ in paid])) is None


def test_a_pair_is_one_to_train_by_from_more_than_two_standard_errors_on() -> None:
    # The error of the difference is sqrt(0.3² / 9 + 0.4² / 16) = sqrt(0.02) = 0.1414.
    worse = Rewarded("worse", 0.5, 0.4, 16)
    assert preference_lines("x", [Rewarded("better", 0.79, 0.3, 9), worse], 0.25)
    assert preference_lines("x", [Rewarded("better", 0.78, 0.3, 9), worse], 0.25) == []
    # Without any deviation equal ones are no pair, and any margin is clear.
    sure = Rewarded("a", 0.5, 0.0, 4)
    assert preference_lines("x", [sure, Rewarded("b", 0.5, 0.0, 4)], 0.25) == []
    assert len(preference_lines("x", [sure, Rewarded("b", 0.6, 0.0, 4)], 0.25)) == 1
