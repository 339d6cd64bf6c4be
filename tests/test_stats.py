from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.stats import FEWEST_ONE_WAY, Gain, level, mean_interval, means, paired_gain, verdict, wilson
from promptopt.stats.power import smallest_detectable

ITEMS = 200


def binary_gain(wins: int, losses: int, n: int) -> Gain:
    before = [0.0] * wins + [1.0] * losses + [0.0] * (n - wins - losses)
    after = [1.0] * wins + [0.0] * losses + [0.0] * (n - wins - losses)
    return paired_gain(before, after)


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


@pytest.mark.parametrize("n", [1, 5, 6, 12, pytest.param(40, marks=pytest.mark.slow)])
def test_the_binary_interval_excludes_zero_exactly_where_the_test_rejects(n: int) -> None:
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            if wins + losses > 12 and (wins - losses) % 5 != n % 5:
                continue
            gain = binary_gain(wins, losses, n)
            low, high = gain.ci95
            assert -1.0 <= low <= gain.mean <= high <= 1.0
            assert (gain.p_value < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize("disagreement", [0.02, *(pytest.param(each, marks=pytest.mark.slow) for each in (0.1, 0.25))])
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


def called(shape: str, n: int, trials: int) -> list[str]:
    """Verdicts of `trials` tests on `n` items where the true mean difference is zero."""
    rng, found = numpy.random.default_rng(n), list[str]()
    for _ in range(trials):
        place, bounded = rng.random(n), True
        before = numpy.full(n, 0.5)
        if shape == "graded":
            before, after = rng.random(n), rng.random(n)
        elif shape == "small gains, rare losses":
            after = before + numpy.select([place < 0.2, place < 0.24], [0.1, -0.5], 0.0)
        else:
            before, bounded = -rng.lognormal(0.0, 0.5, n), False
            after = before - (rng.lognormal(0.0, 1.0, n) - math.exp(0.5))
        found.append(verdict(paired_gain(before.tolist(), after.tolist(), bounded=bounded)))
    return found


@pytest.fixture
def no_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts by test and mean alone: the interval agrees, and takes ten times as long."""

    def mean_twice(values: Sequence[float], *_: float) -> tuple[float, float]:
        return (math.fsum(values), math.fsum(values))

    monkeypatch.setattr(means, "interval", mean_twice)


@pytest.mark.usefixtures("no_intervals")
@pytest.mark.parametrize("shape", ["graded", "small gains, rare losses", "nats"])
@pytest.mark.parametrize("n", [20, 50, pytest.param(200, marks=pytest.mark.slow)])
def test_equal_graded_prompts_are_called_better_at_most_once_in_forty_comparisons(shape: str, n: int) -> None:
    trials = 100 if n < 200 else 40
    found = called(shape, n, trials)
    for said in ("better", "worse"):
        assert found.count(said) / trials <= 0.025 + 3 * math.sqrt(0.025 / trials)


@pytest.mark.usefixtures("no_intervals")
def test_a_graded_gain_is_found() -> None:
    rng = numpy.random.default_rng(3)
    found = 0
    for _ in range(25):
        skill, noise = rng.beta(2, 2, 200), rng.normal(0, 0.15, (2, 200))
        before, after = numpy.clip(skill + noise, 0, 1)
        found += verdict(paired_gain(before.tolist(), numpy.clip(after + 0.1, 0, 1).tolist())) == "better"
    assert found > 20


def test_an_item_that_became_impossible_outweighs_small_gains() -> None:
    before = [-1.0] * 200
    gain = paired_gain(before, [-math.inf] * 20 + [-0.98] * 180, bounded=False)
    assert verdict(gain) == "worse"
    assert gain.mean == pytest.approx(-0.1)
    assert verdict(paired_gain(before, [-math.inf] * 2 + [-0.5] * 198, bounded=False)) == "no_evidence"
    assert verdict(paired_gain([-math.inf] * 20 + [-1.0] * 180, [-1.0] * 200, bounded=False)) == "better"
    # One that the start alone makes impossible is not held for the winner.
    assert paired_gain([-math.inf, -1.0], [-1.0, -1.0], bounded=False).mean == 0.0
    assert paired_gain([-math.inf] * 9, [-math.inf] * 9, bounded=False).mean == 0.0


def test_items_of_one_group_count_once() -> None:
    # 12 items all one way are evidence; two groups of six of them are not.
    before, after = [0.0] * 40, [1.0] * 12 + [0.0] * 28
    assert verdict(paired_gain(before, after)) == "better"
    grouped = paired_gain(before, after, groups=[f"g{number // 6}" for number in range(40)])
    assert verdict(grouped) == "no_evidence"
    assert (grouped.n, grouped.units, grouped.mean) == (40, 7, pytest.approx(0.3))
    # Groups of one, or none named, change nothing.
    assert paired_gain(before, after, groups=[str(number) for number in range(40)]) == paired_gain(before, after)
    assert paired_gain(before, after, groups=[""] * 40) == paired_gain(before, after)


@pytest.mark.usefixtures("no_intervals")
@pytest.mark.parametrize("graded", [False, True])
def test_equal_rows_in_groups_give_no_false_alarms(graded: bool) -> None:
    rng, alarms = numpy.random.default_rng(5), 0
    for _ in range(60):
        before, after = rng.random((2, 30)) if graded else (rng.random((2, 30)) < 0.6).astype(float)
        rows = [numpy.repeat(side, 8).tolist() for side in (before, after)]
        groups = [str(number // 8) for number in range(240)]
        alarms += verdict(paired_gain(rows[0], rows[1], groups=groups)) != "no_evidence"
    assert alarms / 60 <= 0.05 + 3 * math.sqrt(0.05 / 60)


@pytest.mark.slow
def test_the_interval_is_the_tests_at_every_level() -> None:
    rng = random.Random(4)
    for shift in (0.05, 0.1, 0.15):
        before = [rng.uniform(0.0, 0.8) for _ in range(60)]
        after = [min(1.0, score + rng.uniform(-0.2, 0.2) + shift) for score in before]
        for alpha in (0.05, 0.01, 0.001):
            gain = paired_gain(before, after, alpha=alpha)
            assert (gain.p_value < alpha) == (gain.interval[0] > 0.0)
    assert binary_gain(9, 0, 50).interval == binary_gain(9, 0, 50).ci95
    strict = paired_gain([0.0] * 50, [1.0] * 9 + [0.0] * 41, alpha=0.001)
    assert strict.interval[0] < 0.0 < strict.ci95[0]
    assert verdict(strict) == "no_evidence"


def test_all_looks_together_spend_no_more_than_one_in_twenty() -> None:
    levels = [level(look) for look in range(1, 2_000)]
    assert levels[0] == 0.05
    assert levels == sorted(levels, reverse=True)
    assert 0.0499 < sum(levels) / 2 < 0.05


@pytest.mark.slow
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
    assert smallest_detectable(200) > FEWEST_ONE_WAY / 200


@pytest.mark.slow
def test_a_gain_that_all_of_several_tests_have_to_find_is_found_as_often_as_promised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tests, items, trials = 3, 120, 1_500
    gain = smallest_detectable(items, among=tests)
    with monkeypatch.context() as patched:
        patched.setattr("promptopt.stats.power.POWER", 0.8 ** (1 / tests))
        # Beside the cache, which knows nothing of another power.
        each = smallest_detectable.__wrapped__
        assert each(items) < gain < each(items, alpha=0.05 / tests)
    rng = random.Random(1)
    found = 0
    for _ in range(trials):
        counts = [sum(rng.random() < 0.25 for _ in range(items)) for _ in range(tests)]
        won = [sum(rng.random() < (1 + gain / 0.25) / 2 for _ in range(count)) for count in counts]
        values = sorted(binary_gain(wins, count - wins, items).p_value for wins, count in zip(won, counts, strict=True))
        found += all(value < 0.05 / (tests - at) for at, value in enumerate(values))
    assert found / trials == pytest.approx(0.8, abs=3.5 * math.sqrt(0.16 / trials))


def test_six_items_all_one_way_are_the_least_that_can_be_shown() -> None:
    assert FEWEST_ONE_WAY == 6
    assert binary_gain(6, 0, 200).p_value < 0.05 <= binary_gain(5, 0, 200).p_value
    assert smallest_detectable(0) == math.inf


def test_graded_scores_take_a_test_that_reckons_with_what_was_not_seen() -> None:
    before = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    gain = paired_gain(before, [score + 0.1 + index / 100 for index, score in enumerate(before)])
    assert gain.test == "Gaffke's test of the mean"
    # Seven small gains say nothing of one large loss in eight.
    assert verdict(gain) == "no_evidence"
    assert gain.ci95[0] < 0.0 < gain.mean < gain.ci95[1]


def test_swapping_before_and_after_turns_the_verdict_round() -> None:
    before, after = [0.2] * 50, [0.2 + 0.1 * (index % 3 + 1) for index in range(50)]
    assert verdict(paired_gain(before, after)) == "better"
    assert verdict(paired_gain(after, before)) == "worse"
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
    gain = paired_gain(before, after)
    assert verdict(gain) == "no_evidence"
    assert gain.n == len(before)
    assert gain.ci95[0] <= 0.0 <= gain.ci95[1]
    assert all(map(math.isfinite, (gain.mean, gain.p_value, *gain.ci95)))


def test_the_same_difference_everywhere_is_not_taken_at_its_word() -> None:
    before = [0.3, 0.5, 0.2, 0.8, 0.1, 0.6, 0.4]
    few = paired_gain(before, [score + 0.1 for score in before])
    assert verdict(few) == "no_evidence"
    assert few.ci95[0] < 0.1 < few.ci95[1]
    assert verdict(paired_gain(before * 20, [score + 0.1 for score in before * 20])) == "better"


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize(("before", "bounded"), [(0.5, True), (-2.0, False)])
def test_equal_pairs_leave_room_for_a_difference(n: int, before: float, bounded: bool) -> None:
    gain = paired_gain([before] * n, [before] * n, bounded=bounded)
    assert verdict(gain) == "no_evidence"
    assert gain.ci95[0] < -0.01
    assert gain.ci95[1] > 0.01


def test_scores_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 scores before and 1 after"):
        paired_gain([1.0, 0.0], [1.0])
    with pytest.raises(ConfigError, match="a score is nan"):
        paired_gain([math.nan], [1.0])
    with pytest.raises(ConfigError, match="mean_interval"):
        wilson(0.333, 10)


def test_wilson_against_the_textbook() -> None:
    # Newcombe (1998), table I: 81 of 263, Wilson without continuity correction.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1.0, 5)[1] == 1.0
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_the_interval_of_a_mean() -> None:
    assert mean_interval([1.0, 0.0, 1.0, 1.0]) == wilson(0.75, 4)
    assert mean_interval([]) == (0.0, 1.0)
    assert mean_interval([0.4]) == pytest.approx((0.01, 0.985))
    low, high = mean_interval([0.4] * 10)
    assert 0.25 < low < 0.4 < high < 0.6
    assert mean_interval([0.4] * 10, groups=["g"] * 10) == pytest.approx((0.01, 0.985))
    assert mean_interval([-2.0, -2.0]) == (-math.inf, math.inf)


scores = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(scores, scores), max_size=14))
def test_any_scores_give_a_sound_result(pairs: list[tuple[float, float]]) -> None:
    gain = paired_gain([before for before, _ in pairs], [after for _, after in pairs])
    low, high = gain.ci95
    assert 0.0 < gain.p_value <= 1.0
    assert -1.0 - 1e-9 <= low <= high <= 1.0 + 1e-9
    if gain.p_value >= 0.05:
        assert low <= 0.0 <= high
    if len(pairs) < 6:
        assert verdict(gain) == "no_evidence"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(scores, max_size=12))
def test_any_mean_has_an_interval_within_the_scores_range(values: list[float]) -> None:
    low, high = mean_interval(values)
    assert 0.0 <= low <= high <= 1.0
