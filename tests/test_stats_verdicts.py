"""What a gain is called at its level, to the last digit; and the levels themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from promptopt.stats import ALPHA, Gain, level, means, paired_gain, verdict
from promptopt.stats.families import holm
from promptopt.stats.sequences import running_gain


def gain(mean: float, p_value: float, interval: tuple[float, float], alpha: float) -> Gain:
    # Another 95 % interval, which would say better: a verdict goes by that of its own level.
    ends = (0.01, 0.2) if mean > 0 else (-0.2, -0.01)
    return Gain(mean, ends, p_value, "by hand", 100, 100, alpha, interval)


@pytest.mark.parametrize("worse", [False, True])
@pytest.mark.parametrize(
    ("mean", "p_value", "interval", "alpha", "shown"),
    [
        (0.1, 0.049, (0.01, 0.2), ALPHA, True),
        # At the level is not below it, and an end at zero does not exclude zero.
        (0.1, 0.05, (0.01, 0.2), ALPHA, False),
        (0.1, 0.049, (0.0, 0.2), ALPHA, False),
        (0.1, 0.049, (-0.01, 0.2), ALPHA, False),
        (0.0, 0.049, (0.01, 0.2), ALPHA, False),
        # Of a later look.
        (0.1, 0.017, (0.01, 0.2), level(2), False),
        (0.1, 0.016, (0.01, 0.2), level(2), True),
    ],
)
def test_test_mean_and_interval_have_to_agree(
    mean: float, p_value: float, interval: tuple[float, float], alpha: float, shown: bool, worse: bool
) -> None:
    if worse:
        mean, interval = -mean, (-interval[1], -interval[0])
    said = "worse" if worse else "better"
    assert verdict(gain(mean, p_value, interval, alpha)) == (said if shown else "no_evidence")


def test_the_level_of_a_look_is_its_share_of_one_in_twenty() -> None:
    shares = [1, 3, 6, 10, 15]
    assert [level(look) for look in range(1, 6)] == pytest.approx([ALPHA / share for share in shares])


@pytest.mark.parametrize(
    ("won", "test", "mean"),
    [(5, "Gaffke's test of the mean", 0.01), (6, "McNemar exact, on items impossible for one prompt", 0.12)],
)
def test_six_items_that_only_the_start_makes_impossible_outweigh_finite_losses(
    won: int, test: str, mean: float
) -> None:
    before = [-math.inf] * won + [-1.0] * (50 - won)
    after = [-1.0] * won + [-1.0 + 0.5 / (50 - won)] * (50 - won)
    found = paired_gain(before, after, bounded=False)
    assert (found.test, found.mean) == (test, pytest.approx(mean))


@pytest.mark.parametrize(
    ("sizes", "broken", "test"),
    [
        ((3, 3, 3), 0, "McNemar exact"),
        ((3, 3, 3), 3, "McNemar exact"),
        # Sums with more than a sign: of other sizes, or of items that differ.
        ((1, 3, 3), 0, "Gaffke's test of the mean"),
        ((3, 3, 3), 1, "Gaffke's test of the mean"),
    ],
)
def test_groups_are_wins_and_losses_where_all_count_alike(sizes: tuple[int, ...], broken: int, test: str) -> None:
    groups = [f"g{number}" for number, size in enumerate(sizes * 4) for _ in range(size)]
    after = [0.0] * broken + [1.0] * (len(groups) - broken)
    found = paired_gain([1.0] * broken + [0.0] * (len(groups) - broken), after, groups=groups)
    assert (found.test, found.units, found.n) == (test, 12, len(groups))
    assert found.mean == pytest.approx((len(groups) - 2 * broken) / len(groups))


@pytest.mark.parametrize(
    ("n", "start", "reach"),
    [
        # Twice the spread of the differences (0.4, zero among them), and 100 / n of that below a hundred.
        (10, 0.0, 8.0),
        (50, 0.0, 1.6),
        (200, 0.0, 0.8),
        # Scores that lie further apart than that: their spread.
        (200, -3.0, 3.4),
    ],
)
def test_few_items_without_bounds_leave_more_unseen(n: int, start: float, reach: float) -> None:
    before = [0.0] * (n - 1) + [start]
    differences = [0.2 * (at % 3) for at in range(n - 1)] + [0.4]
    after = [score + difference for score, difference in zip(before, differences, strict=True)]
    if start:
        after[0] = 0.4
        differences[0] = 0.4
    found = paired_gain(before, after, bounded=False)
    assert found.interval == pytest.approx(means.interval(differences, -reach, reach, ALPHA), abs=1e-6)


@pytest.mark.parametrize("scores", [([0.3] * 10, [0.3] * 10), ([0.0] * 10, [1.0] * 10), ([1.0] * 10, [-math.inf] * 10)])
def test_no_interval_of_a_mean_of_bounded_scores_lies_beyond_what_it_can_be(
    scores: tuple[list[float], list[float]],
) -> None:
    """Groups of several sizes count more than 1 each, and the interval of a share ended at 1.06."""
    found = paired_gain(*scores, groups=[*"aabbbbcccc"], alpha=0.01)
    for low, high in (found.ci95, found.interval):
        assert -1.0 <= low <= found.mean <= high <= 1.0
    mirrored = paired_gain([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0], groups=["", "g", "g", "g"])
    assert max(map(abs, mirrored.ci95)) <= 1.0


@pytest.mark.parametrize(("talks", "p_value", "said"), [(6, 0.03125, "better"), (5, 0.0625, "no_evidence")])
def test_conversations_all_one_way_are_evidence_from_six_on_however_many_turns_they_have(
    talks: int, p_value: float, said: str
) -> None:
    before, after = [0.0] * 10 * talks, [1.0] * 10 * talks
    gain = paired_gain(before, after, groups=[f"talk {turn // 10}" for turn in range(10 * talks)])

    assert gain.p_value == pytest.approx(p_value, abs=1e-12)
    assert verdict(gain) == said
    # Counted by turn, sixty of them would be as sure as anything can be.
    assert paired_gain(before, after).p_value == pytest.approx(2.0 * 0.5 ** (10 * talks))


@pytest.mark.parametrize("gain_by", [paired_gain, running_gain])
def test_preferences_are_wins_and_losses_worth_half(gain_by: Callable[..., Gain]) -> None:
    after = [1.0] * 6 + [0.5] * 14
    found = gain_by([0.5] * 20, after, preferences=True)
    whole = gain_by([0.0] * 20, [1.0] * 6 + [0.0] * 14)
    assert (found.mean, found.p_value, found.test, found.n) == (0.15, whole.p_value, whole.test, 20)
    assert found.ci95 == tuple(end / 2 for end in whole.ci95)
    assert found.interval == found.ci95
    # Two of 64 ways, where scores that might differ by 1 would need ten such items more.
    if gain_by is paired_gain:
        assert (found.p_value, found.test) == (pytest.approx(2 / 64), "McNemar exact")
        assert paired_gain([0.5] * 20, after).p_value > 0.1
    # Three turns of each of six conversations are six of them, lost.
    talks = [f"talk {turn // 3}" for turn in range(18)]
    lost = gain_by([0.5] * 18, [0.0] * 18, groups=talks, preferences=True)
    assert (lost.mean, lost.units) == (-0.5, 6)
    assert lost.p_value == gain_by([1.0] * 6, [0.0] * 6).p_value


def test_of_several_claims_the_smallest_p_counts_as_many_times_as_there_are_and_none_less_than_one_before_it() -> None:
    # In order 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04, which is raised to the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
