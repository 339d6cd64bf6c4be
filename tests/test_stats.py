from __future__ import annotations

import math
import random
from functools import cache

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt import stats
from promptopt.errors import ConfigError
from promptopt.stats import Gain, mean_interval, paired_gain, smallest_detectable, smallest_significant, verdict, wilson

ITEMS = 200


def binary_gain(wins: int, losses: int, n: int) -> Gain:
    before = [0.0] * wins + [1.0] * losses + [0.0] * (n - wins - losses)
    after = [1.0] * wins + [0.0] * losses + [0.0] * (n - wins - losses)
    return paired_gain(before, after, seed=0)


@cache
def cached_gain(wins: int, losses: int) -> Gain:
    return binary_gain(wins, losses, ITEMS)


def outcomes(seed: int, disagreement: float, gain: float, trials: int) -> list[Gain]:
    """Results of tests of 200 items, where the prompts disagree on this share and differ by this much in truth."""
    shares = [(disagreement + gain) / 2, (disagreement - gain) / 2, 1 - disagreement]
    draws = numpy.random.default_rng(seed).multinomial(ITEMS, shares, size=trials)
    return [cached_gain(int(wins), int(losses)) for wins, losses, _ in draws]


def test_mcnemar_against_a_hand_computed_case() -> None:
    gain = binary_gain(9, 2, 50)
    assert gain.mean == pytest.approx(7 / 50)
    # 2 * P(X <= 2), X ~ Bin(11, 1/2) = 2 * (1 + 11 + 55) / 2048
    assert gain.p_value == pytest.approx(134 / 2048)
    assert (gain.test, gain.n) == ("McNemar exact", 50)


@pytest.mark.parametrize("n", [1, 5, 6, 12, 40])
def test_the_binary_interval_excludes_zero_exactly_where_the_test_rejects(n: int) -> None:
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            if wins + losses > 12 and (wins - losses) % 5 != n % 5:
                continue
            gain = binary_gain(wins, losses, n)
            low, high = gain.ci95
            assert -1.0 <= low <= gain.mean <= high <= 1.0
            assert (gain.p_value < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize("disagreement", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("share", [0.0, pytest.param(0.4, marks=pytest.mark.slow), 1.0])
def test_the_binary_interval_covers_the_true_gain(disagreement: float, share: float) -> None:
    gain, trials = disagreement * share, 1_000
    results = [result.ci95 for result in outcomes(5, disagreement, gain, trials)]
    covered = sum(low <= gain + 1e-12 and gain - 1e-12 <= high for low, high in results)
    assert covered / trials > 0.95 - 3 * math.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("disagreement", [0.05, pytest.param(0.25, marks=pytest.mark.slow)])
def test_equal_prompts_are_called_better_at_most_once_in_forty_comparisons(disagreement: float) -> None:
    trials = 2_000
    verdicts = [verdict(result) for result in outcomes(6, disagreement, 0.0, trials)]
    assert verdicts.count("better") / trials <= 0.025 + 3 * math.sqrt(0.025 / trials)
    assert verdicts.count("better") > 0  # a test that never rejects would pass too


def test_equal_graded_prompts_are_called_better_at_most_once_in_forty_comparisons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stats, "DRAWS", 499)  # coarser p-values, the same error rate, a twentieth of the time
    rng, trials, better, worse = random.Random("graded A/A"), 300, 0, 0
    for trial in range(trials):
        before = [rng.random() for _ in range(50)]
        after = [rng.random() for _ in range(50)]
        result = verdict(paired_gain(before, after, seed=trial))
        better, worse = better + (result == "better"), worse + (result == "worse")
    assert better / trials <= 0.025 + 3 * math.sqrt(0.025 / trials)
    assert better + worse > 0  # 5 % of 300 are 15: none at all would be a test that never rejects


def test_the_detectable_gain_is_found_with_the_power_it_promises() -> None:
    trials = 1_500
    gain = smallest_detectable(ITEMS, disagreement=0.25)
    assert gain == pytest.approx(0.1015, abs=5e-4)
    found = sum(result.p_value < 0.05 for result in outcomes(7, 0.25, gain, trials))
    assert found / trials == pytest.approx(0.8, abs=3.5 * math.sqrt(0.16 / trials))


def test_more_items_and_less_disagreement_show_smaller_gains() -> None:
    sizes = [smallest_detectable(n) for n in (10, 50, 200, 1_319)]
    assert sizes == sorted(sizes, reverse=True)
    assert smallest_detectable(200, 0.1) < smallest_detectable(200, 0.25) < smallest_detectable(200, 0.5)
    assert smallest_detectable(5) == math.inf
    assert smallest_detectable(200) > smallest_significant(200)


def test_six_items_all_one_way_are_the_least_that_can_be_shown() -> None:
    assert smallest_significant(200) == 6 / 200
    assert binary_gain(6, 0, 200).p_value < 0.05 <= binary_gain(5, 0, 200).p_value
    assert smallest_significant(5) == math.inf
    assert smallest_significant(0) == math.inf


def test_graded_scores_take_the_sign_flip_test() -> None:
    before = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    gain = paired_gain(before, [score + 0.1 + index / 100 for index, score in enumerate(before)], seed=0)
    # Seven differences, all one way: 2 of the 2**7 flips are as extreme.
    assert gain.p_value == pytest.approx(2 / 2**7)
    assert gain.test == "paired sign-flip permutation"
    assert gain.ci95[0] > 0.1
    assert verdict(gain) == "better"


def test_the_same_seed_gives_the_same_result() -> None:
    rng = random.Random(1)
    before, after = [rng.random() for _ in range(60)], [rng.random() for _ in range(60)]
    assert paired_gain(before, after, 3) == paired_gain(before, after, 3)
    assert paired_gain(before, after, 3).ci95 != paired_gain(before, after, 4).ci95


def test_swapping_before_and_after_turns_the_verdict_round() -> None:
    before, after = [0.2] * 12, [0.2 + 0.05 * (index % 3 + 1) for index in range(12)]
    assert verdict(paired_gain(before, after, 0)) == "better"
    assert verdict(paired_gain(after, before, 0)) == "worse"
    assert verdict(binary_gain(20, 3, 100)) == "better"
    assert verdict(binary_gain(3, 20, 100)) == "worse"
    assert verdict(binary_gain(12, 10, 100)) == "no_evidence"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([0.0], [1.0]),
        ([0.3], [0.9]),
        ([0.5, 0.5], [0.5, 0.5]),
        ([0.5] * 3, [0.6] * 3),
        ([0.5] * 9, [0.5] * 8 + [0.9]),
        ([0.0] * 5, [1.0] * 5),
    ],
)
def test_too_little_to_go_by_is_no_evidence(before: list[float], after: list[float]) -> None:
    gain = paired_gain(before, after, 0)
    assert verdict(gain) == "no_evidence"
    assert gain.n == len(before)
    assert gain.ci95[0] <= 0.0 <= gain.ci95[1]
    assert all(map(math.isfinite, (gain.mean, gain.p_value, *gain.ci95)))


def test_the_same_difference_everywhere_is_taken_at_its_word() -> None:
    gain = paired_gain([0.3, 0.5, 0.2, 0.8, 0.1, 0.6, 0.4], [0.4, 0.6, 0.3, 0.9, 0.2, 0.7, 0.5], 0)
    assert gain.ci95 == pytest.approx((0.1, 0.1))
    assert verdict(gain) == "better"


def test_scores_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 scores before and 1 after"):
        paired_gain([1.0, 0.0], [1.0], 0)
    with pytest.raises(ConfigError, match="a score is nan"):
        paired_gain([math.nan], [1.0], 0)
    with pytest.raises(ConfigError, match="mean_interval"):
        wilson(0.333, 10)


def test_wilson_against_the_textbook() -> None:
    # Newcombe (1998), table I: 81 of 263, Wilson without continuity correction.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1.0, 5)[1] == 1.0
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_the_interval_of_a_mean() -> None:
    assert mean_interval([1.0, 0.0, 1.0, 1.0], 0) == wilson(0.75, 4)
    assert mean_interval([], 0) == (0.0, 1.0)
    assert mean_interval([0.4], 0) == (0.0, 1.0)
    assert mean_interval([0.4] * 10, 0) == pytest.approx((0.4, 0.4))
    assert mean_interval([-2.0, -2.0], 0) == (-math.inf, math.inf)


scores = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(scores, scores), max_size=14), st.integers(0, 3))
def test_any_scores_give_a_sound_result(pairs: list[tuple[float, float]], seed: int) -> None:
    gain = paired_gain([before for before, _ in pairs], [after for _, after in pairs], seed)
    low, high = gain.ci95
    assert 0.0 < gain.p_value <= 1.0
    assert -1.0 - 1e-9 <= low <= high <= 1.0 + 1e-9
    if gain.p_value >= 0.05:
        assert low <= 0.0 <= high
    if len(pairs) < 6:
        assert verdict(gain) == "no_evidence"


@settings(max_examples=60, deadline=None)
@given(st.lists(scores, max_size=12))
def test_any_mean_has_an_interval_within_the_scores_range(values: list[float]) -> None:
    low, high = mean_interval(values, 0)
    assert 0.0 <= low <= high <= 1.0
