"""The test and the interval of a mean, against what is known exactly."""

from __future__ import annotations

import math
import random

import numpy
import pytest
from scipy.stats import binom, binomtest

from promptopt.stats.means import chance, interval, predicted


@pytest.mark.parametrize(("n", "successes"), [(5, 1), (20, 15), (50, 50), (200, 120)])
def test_for_right_and_wrong_it_is_clopper_and_pearsons(n: int, successes: int) -> None:
    values = [1.0] * successes + [0.0] * (n - successes)
    assert chance(values, 0.0, 0.5) == pytest.approx(float(binom.sf(successes - 1, n, 0.5)))
    exact = binomtest(successes, n).proportion_ci(0.95)
    assert interval(values, 0.0, 1.0, 0.05) == pytest.approx((float(exact.low), float(exact.high)), abs=1e-7)


@pytest.mark.parametrize("n", [1, 3, 30])
def test_it_is_the_share_of_weighted_sums_that_are_not_above_zero(n: int) -> None:
    rng = numpy.random.default_rng(n)
    values = rng.normal(0.2, 0.3, n)
    weights = rng.exponential(size=(100_000, n + 1))
    share = float((weights @ numpy.append(values, -1.0) <= 0.0).mean())
    assert chance(values.tolist(), -1.0, 0.0) == pytest.approx(share, abs=4 * math.sqrt(0.25 / 100_000))


def test_what_can_be_no_worse_has_no_chance() -> None:
    assert chance([0.2, 0.4], 0.0, 0.0) == 0.0
    assert chance([0.0, 0.0], -1.0, 0.0) == 1.0


def test_ends_that_nothing_bounds_are_infinite() -> None:
    assert interval([1.0, 2.0], -math.inf, math.inf, 0.05) == (-math.inf, math.inf)


def test_a_further_value_falls_into_its_prediction_as_often_as_it_says() -> None:
    rng = random.Random(3)

    def drawn(middle: float) -> float:
        return math.exp(rng.gauss(middle, 0.2))

    held = 0
    for _ in range(1_000):
        low, high = predicted([[drawn(5.0) for _ in range(3)], [drawn(5.0) for _ in range(3)]])
        held += low <= drawn(5.0) <= high
    # Above 0.95, as the two groups are one here, and the ends are those of the lower and of the higher.
    assert 0.94 < held / 1_000 < 0.995


def test_of_a_value_for_each_group_the_prediction_is_the_least_and_the_greatest() -> None:
    assert predicted([[20.0], [10.0], [40.0]]) == pytest.approx((10.0, 40.0))
    assert predicted([[7.0, 7.0], [9.0, 9.0]]) == pytest.approx((7.0, 9.0))
    assert predicted([[0.0]]) == (1.0, 1.0)
