"""The tilted reference against numbers worked out by hand, and what must never overflow, loop or be biased."""

from __future__ import annotations

import json
import math
import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.align_pro.preferences import Rewarded, preference_lines
from promptopt.optimizers.align_pro.tilt import corrected, draw_place, tilted, within_bound


def test_two_rewrites_are_weighed_as_by_hand() -> None:
    found = tilted([1, 0], [1, 1], 1.0)
    assert found.weights == pytest.approx((0.7311, 0.2689), abs=1e-4)
    assert found.kl == pytest.approx(0.1110, abs=1e-4)
    assert found.value == pytest.approx(math.log((math.e + 1) / 2), abs=1e-9)
    assert found.reference_reward == 0.5


def test_kl_falls_as_lambda_grows_and_the_bound_is_met() -> None:
    rewards, counts = [0.2, 0.5, 0.5, 0.9], [1] * 4
    found = [tilted(rewards, counts, strength).kl for strength in (0.03, 0.1, 0.3, 1, 10)]
    assert all(before > after for before, after in pairwise(found))
    assert 0.4999 <= within_bound(rewards, counts, 0.5).kl <= 0.5
    assert within_bound(rewards, counts, 5).weights == pytest.approx((0, 0, 0, 1))
    for bound in (0.0, 0.5, 5.0):
        equal = within_bound([0.4] * 3, [1, 2, 1], bound)
        assert equal.weights == (0.25, 0.5, 0.25)
        assert equal.strength == math.inf


def test_two_best_share_the_weight_and_large_rewards_do_not_overflow() -> None:
    found = tilted([1, 1, 0, 0.5], [1] * 4, 1e-6)
    assert found.weights == pytest.approx((0.5, 0.5, 0, 0))
    assert found.kl == pytest.approx(math.log(2))
    assert tilted([1e6, 0.0], [1, 1], 1.0).weights == (1.0, 0.0)


def test_a_rewrite_drawn_three_times_weighs_three_times_as_much() -> None:
    merged = tilted([0.5, 0.5, 0.2], [3, 1, 4], 0.3)
    assert merged.weights[0] == pytest.approx(3 * merged.weights[1])
    apart = tilted([0.5] * 4 + [0.2] * 4, [1] * 8, 0.3)
    assert merged.weights[0] == pytest.approx(sum(apart.weights[:3]))
    assert merged.kl == pytest.approx(apart.kl)


@pytest.mark.slow
def test_noise_is_no_advantage_once_it_is_corrected() -> None:
    rng = random.Random(0)
    plain, fair = [], []
    for _ in range(2_000):
        rows = [[rng.gauss(0.5, 0.3 if number == 0 else 0.05) for _ in range(4)] for number in range(8)]
        means, deviations = [statistics.fmean(row) for row in rows], [statistics.stdev(row) for row in rows]
        plain.append(tilted(means, [1] * 8, 0.1).weights[0])
        fair.append(tilted(corrected(means, deviations, 4, 0.1), [1] * 8, 0.1).weights[0])
    assert statistics.fmean(plain) > 0.17
    assert abs(statistics.fmean(fair) - 0.125) < abs(statistics.fmean(plain) - 0.125)


def test_the_value_is_lambda_log_z_of_the_rewards_seen_and_no_more_of_corrected_ones() -> None:
    rewards, counts, strength = [0.2, 0.5, 0.9], [1, 2, 1], 0.3
    z = sum(count * math.exp(reward / strength) for count, reward in zip(counts, rewards, strict=True)) / 4
    plain = tilted(rewards, counts, strength)
    assert plain.value == pytest.approx(strength * math.log(z))
    fair = tilted(corrected(rewards, [0.1, 0.1, 0.6], 4, strength), counts, strength).told_by(rewards, counts)
    assert fair.value < plain.value


def test_of_few_answers_the_pooled_deviation_stands_for_all() -> None:
    assert corrected([0.5, 0.5], [0.4, 0.0], 2, 0.1) == pytest.approx([0.3, 0.3])
    assert corrected([0.5, 0.5], [0.4, 0.0], 4, 0.1) == pytest.approx([0.3, 0.5])
    assert corrected([0.5, 0.4], [0.4, 0.0], 4, math.inf) == [0.5, 0.4]


def test_draws_are_the_seeds_and_follow_the_weights() -> None:
    weights = (0.5, 0.3, 0.2)
    draws = [draw_place(weights, rng) for rng in [random.Random(3)] for _ in range(20_000)]
    assert draws[:50] == [draw_place(weights, rng) for rng in [random.Random(3)] for _ in range(50)]
    assert [draws.count(place) / 20_000 for place in range(3)] == pytest.approx(weights, abs=0.01)


def test_pairs_for_training_are_ordered_and_clear() -> None:
    rewrites = [Rewarded("a", 0.9, 0.1, 25), Rewarded("b", 0.5, 0.1, 25), Rewarded("c", 0.52, 0.1, 25)]
    found = [json.loads(line) for line in preference_lines("x", rewrites, 0.25)]
    assert [(each["chosen"], each["rejected"]) for each in found] == [("a", "b"), ("a", "c")]
    assert all(each["beta"] == 0.25 and each["prompt"] == "x" for each in found)


def test_rewards_that_differ_by_next_to_nothing_are_equal() -> None:
    for tiny in (5e-324, 1e-310, 1e-250):
        assert within_bound([0.0, tiny], [1, 1], 0.5).weights == (0.5, 0.5)
    assert within_bound([0.0, 1e-190], [1, 1], 5.0).weights == pytest.approx((0.0, 1.0))


@pytest.mark.slow
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 5)), min_size=2, max_size=9), st.floats(0.0, 3.0))
def test_weights_add_up_and_keep_to_the_bound(rows: list[tuple[float, int]], bound: float) -> None:
    found = within_bound([each for each, _ in rows], [count for _, count in rows], bound)
    assert sum(found.weights) == pytest.approx(1)
    assert found.kl <= bound + 1e-9
    assert found.reward >= found.reference_reward - 1e-9
