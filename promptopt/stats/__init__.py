"""Paired comparisons and intervals: what a difference between two prompts on the same items is worth. Pure.

scipy does the statistics; it is imported where it is used, since importing it takes longer than the rest of promptopt.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.stats.shares import binary_interval, share_interval, sign_test
from promptopt.types import Weigh, group_means, mean_of
from promptopt.types.weighing import grouped

ALPHA = 0.05
"""Two-sided: a gain that is not there is called better once in forty comparisons, and worse as often."""

FEWEST_ONE_WAY = 6
"""Differences all one way that a two-sided exact test needs at least: 2 / 2**6 < 0.05 <= 2 / 2**5."""

DISAGREEMENT = 0.25
"""Share of items on which two prompts are taken to differ until dev says on how many. Ours."""

ROUNDING = 1e-12
"""Differences of scores that differ by no more are equal: 0.4 - 0.3 and 0.6 - 0.5."""

UNSEEN = 2.0
"""How far beyond zero an unseen difference of unbounded scores may lie, in spreads of those seen (`reach_of`)."""

ENOUGH_UNITS = 100
"""Units below which `UNSEEN` grows, as `ENOUGH_UNITS` / n: few items show little of their own spread."""

IMPOSSIBLE = "McNemar exact, on items impossible for one prompt"
"""What the test is called where such items decide."""
EACH_ONCE = ", each group counting once"
"""Behind the name of a test of a mean over groups."""

Verdict = Literal["better", "no_evidence", "worse"]


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean of after - before over the same items.

    ci95: 95 % interval of that mean. p_value: two-sided. test: its name. n: items. units: what was drawn independently:
    items, or the groups that they come in. alpha: the two-sided level that the verdict is at. interval: that of level
    1 - alpha, which is the verdict's; equal to `ci95` at the first look.
    """

    mean: float
    ci95: tuple[float, float]
    p_value: float
    test: str
    n: int
    units: int
    alpha: float
    interval: tuple[float, float]


def level(look: int) -> float:
    """The two-sided level of the `look`-th verdict (from 1) on the same items: 2 * ALPHA / (look * (look + 1)).

    The first has ALPHA, as if it were the only one. A false *better* needs half of a level. The halves of all looks
    together, 1/2 + 1/6 + 1/12 + … times ALPHA, never sum to more than ALPHA. So by the union bound, whoever looks as
    often as they like is told of a gain that is not there with probability 0.05 at most, and likewise of a loss. That
    holds whatever the looks share, as long as what one look shows does not decide which prompt the next one is about.
    """
    # Of simulated users who look ten times 2 to 4 % are ever told *better*; with ALPHA each time 14 to 18 %
    # (benchmarks/results/promise-looks.md).
    return 2.0 * ALPHA / (look * (look + 1))


def paired_gain(
    before: Sequence[float],
    after: Sequence[float],
    *,
    alpha: float = ALPHA,
    groups: Sequence[str] | None = None,
    weigh: Weigh = "turn",
    bounded: bool | None = None,
    preferences: bool = False,
) -> Gain:
    """What `after` gains on `before`, scored on the same items in the same order, at the two-sided level `alpha`.

    Scores of 0 and 1 only: exact McNemar test, and an interval that excludes zero exactly where p < alpha (see
    `shares.binary_interval`). Other scores: Gaffke's test and interval of the mean (`means`), which need to know how
    bad an item can be: `bounded` says whether scores lie in [0, 1] (None: they do where all of these do). `groups`: a
    name for each item; items of one name ("" is none) were drawn together and count as one (`units_in`). `weigh`:
    whether the gain is the mean over items, or over their groups. `preferences`: scores say whether `after` has
    won (1), tied (0.5) or lost (0) against `before`, which is 0.5 by its making: each is a win or a loss, worth half.

    A score of minus infinity is a text that is impossible under a prompt. One after but not before outweighs every
    finite gain, and six before but not after outweigh every finite loss. The verdict is then by the items that one
    prompt alone makes impossible, as shares of all. Fewer before alone are taken for no gain. Without any
    item: mean 0, p 1 and the interval (-1, 1). Raises ConfigError for unequal lengths and scores that are NaN or plus
    infinity.
    """
    if len(before) != len(after):
        raise ConfigError(f"{len(before)} scores before and {len(after)} after: paired scores are of the same items")
    _check_scores([*before, *after])
    n = len(before)
    if preferences and n:
        return halved(paired_gain(*losses_and_wins(after), alpha=alpha, groups=groups, weigh=weigh))
    if not n:
        anything = (-1.0, 1.0)
        return Gain(mean=0.0, ci95=anything, p_value=1.0, test="none", n=0, units=0, alpha=alpha, interval=anything)
    names = [""] * n if groups is None else groups
    differences, binary, test = differences_of(before, after)
    # Of items that are impossible for one prompt the mean is a share.
    reach = 1.0 if test == IMPOSSIBLE or are_bounded([*before, *after], bounded) else math.inf
    units, largest = units_in(differences, names, weigh)
    # Groups of several sizes, or whose items differ, have sums with more than a sign: Gaffke's test takes those.
    if binary and all(abs(abs(unit) - largest) < ROUNDING or abs(unit) < ROUNDING for unit in units):
        found = _binary_gain(units, largest, mean_of(differences, names, weigh), test, alpha, n)
    else:
        farthest = reach if math.isfinite(reach) else reach_of(differences, [*before, *after], len(units))
        found = _mean_gain(units, largest * farthest, alpha, n)
    if weigh == "conversation" and len(units) < n:
        found = replace(found, test=f"{found.test}{EACH_ONCE}")
    # A group above the mean size counts more than 1, so an end may lie beyond what a mean can be.
    return replace(found, ci95=clipped(found.ci95, reach), interval=clipped(found.interval, reach))


def losses_and_wins(after: Sequence[float]) -> tuple[list[float], list[float]]:
    """Preferences as scores of 0 and 1 before and after, which have an exact test; a tie is 0 on both sides."""
    return [float(value < 0.5) for value in after], [float(value > 0.5) for value in after]


def halved(gain: Gain) -> Gain:
    """What wins less losses are worth, where each is a half beyond a tie."""
    ends = [(low / 2.0, high / 2.0) for low, high in (gain.ci95, gain.interval)]
    return replace(gain, mean=gain.mean / 2.0, ci95=ends[0], interval=ends[1])


def differences_of(before: Sequence[float], after: Sequence[float]) -> tuple[list[float], bool, str]:
    """Item by item after - before; whether all of them are of scores of 0 and 1; and the test of those.

    Where items that are impossible for one prompt alone decide (`paired_gain`), a difference is one of these.
    """
    won, lost = _impossible_only_in(before, after), _impossible_only_in(after, before)
    if any(lost) or sum(won) >= FEWEST_ONE_WAY:
        return [float(win) - float(loss) for win, loss in zip(won, lost, strict=True)], True, IMPOSSIBLE
    differences = [
        0.0 if math.isinf(old) or math.isinf(new) else new - old for old, new in zip(before, after, strict=True)
    ]
    return differences, _are_binary([*before, *after]), "McNemar exact"


def _impossible_only_in(one: Sequence[float], other: Sequence[float]) -> list[bool]:
    """Item by item, whether it is impossible under `one` prompt (minus infinity), and not under the `other`."""
    return [math.isinf(here) and not math.isinf(there) for here, there in zip(one, other, strict=True)]


def _binary_gain(units: Sequence[float], largest: float, mean: float, test: str, alpha: float, n: int) -> Gain:
    """By the sign test, where every unit is a win, a loss or neither, and all count `largest`."""
    wins, losses = (sum(sign * unit > ROUNDING for unit in units) for sign in (1, -1))
    first = _scaled(binary_interval(wins, losses, len(units), ALPHA), largest)
    # At the first look both are one interval, which is not worked out twice.
    shown = first if alpha == ALPHA else _scaled(binary_interval(wins, losses, len(units), alpha), largest)
    p_value = sign_test(wins, losses)
    return Gain(mean=mean, ci95=first, p_value=p_value, test=test, n=n, units=len(units), alpha=alpha, interval=shown)


def _mean_gain(units: Sequence[float], reach: float, alpha: float, n: int) -> Gain:
    """By Gaffke's test; no unit may lie further from zero than `reach`."""
    # Scores of 0 and 1 come here too, in groups whose items differ: their sums lie between, and have more than a sign.
    from promptopt.stats.means import chance, interval

    test = "Gaffke's test of the mean"
    mean = math.fsum(units) / len(units)
    if math.isinf(reach):
        unbounded = (-math.inf, math.inf)
        return Gain(
            mean=mean, ci95=unbounded, p_value=1.0, test=test, n=n, units=len(units), alpha=alpha, interval=unbounded
        )
    # Twice the smaller of both sides is below alpha exactly where `means.interval` excludes zero.
    sides = [chance([sign * unit for unit in units], -reach, 0.0) for sign in (1.0, -1.0)]
    first = interval(units, -reach, reach, ALPHA)
    shown = first if alpha == ALPHA else interval(units, -reach, reach, alpha)
    return Gain(
        mean=mean,
        ci95=first,
        p_value=min(1.0, 2.0 * min(sides)),
        test=test,
        n=n,
        units=len(units),
        alpha=alpha,
        interval=shown,
    )


def units_in(values: Sequence[float], groups: Sequence[str], weigh: Weigh) -> tuple[list[float], float]:
    """One value for each independent unit, whose mean is that of `values`, and the most that a unit counts as.

    A group's value is the sum over its items, divided by the mean size of all groups; an item without a group is one
    of its own. Where conversations are weighed, it is the mean over its items.
    """
    if weigh == "conversation":
        return group_means(values, groups), 1.0
    held = grouped(values, groups)
    size = len(values) / len(held)
    return [math.fsum(each) / size for each in held], max(map(len, held)) / size


def reach_of(differences: Sequence[float], scores: Sequence[float], units: int) -> float:
    """How far from zero a difference may lie that was not seen, where scores have no bounds.

    Nothing can be proved of such a mean; what holds in `benchmarks/promise.py` is `UNSEEN` times the spread of the
    differences seen (zero among them), the spread of all scores at least, and more below `ENOUGH_UNITS` units. Infinite
    where all scores are equal.
    """
    finite = [score for score in scores if math.isfinite(score)]
    seen = max(UNSEEN * _range_width([*differences, 0.0]), _range_width(finite) if finite else 0.0)
    return seen * max(1.0, ENOUGH_UNITS / units) if seen > ROUNDING else math.inf


def _range_width(values: Sequence[float]) -> float:
    return max(values) - min(values)


def clipped(ends: tuple[float, float], reach: float) -> tuple[float, float]:
    """An interval, which reaches no further than a difference can."""
    return (max(-reach, ends[0]), min(reach, ends[1]))


def _scaled(ends: tuple[float, float], factor: float) -> tuple[float, float]:
    return (ends[0] * factor, ends[1] * factor)


def verdict(gain: Gain) -> Verdict:
    """`better` or `worse` where test, mean and interval agree at the gain's own level; `no_evidence` otherwise."""
    low, high = gain.interval
    # The ends are found to a tolerance: where they and the test part, nothing is claimed.
    if gain.p_value < gain.alpha and gain.mean > 0.0 and low > 0.0:
        return "better"
    if gain.p_value < gain.alpha and gain.mean < 0.0 and high < 0.0:
        return "worse"
    return "no_evidence"


def wilson(mean: float, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a share: `mean` in [0, 1] of `n` items, each 0 or 1. (0, 1) for no items.

    Raises ConfigError where `mean * n` is no whole number: for graded scores, use `mean_interval`.
    """
    if not n:
        return (0.0, 1.0)
    successes = round(mean * n)
    # A mean is a quotient of sums, so its product with n misses the whole number by rounding.
    if not 0 <= successes <= n or abs(successes - mean * n) > 1e-6 * n:
        raise ConfigError(
            f"a mean of {mean} over {n} items is not a share of them: use mean_interval for graded scores"
        )
    return share_interval(successes, n, "wilson", ALPHA)


def mean_interval(
    values: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    weigh: Weigh = "turn",
    bounded: bool | None = None,
) -> tuple[float, float]:
    """95 % interval of the mean: Wilson where all values are 0 or 1, else Gaffke's (`means`). (0, 1) for no values.

    `groups`, `weigh`, `bounded`: as in `paired_gain`. Raises ConfigError for values that are no finite numbers.
    """
    _check_finite(values)
    if not values:
        return (0.0, 1.0)
    names = [""] * len(values) if groups is None else groups
    within = are_bounded(values, bounded)
    # A reach is counted from zero, and losses lie anywhere: so from the middle of what was seen.
    middle = 0.0 if within else (max(values) + min(values)) / 2.0
    units, largest = units_in([value - middle for value in values], names, weigh)
    # Rows of one group are no independent draws, so a share of them is not binomial.
    if _are_binary(values) and len(units) == len(values):
        return wilson(math.fsum(values) / len(values), len(values))
    from promptopt.stats.means import interval

    if within:
        low, high = interval(units, 0.0, largest, ALPHA)
        # A group above the mean size counts more than 1, so the end may lie beyond what a mean can be.
        return (low, min(1.0, high))
    # Half a spread from the middle to the ends of what was seen, and UNSEEN spreads beyond them.
    reach = largest * reach_of([], values, len(units)) * (0.5 + UNSEEN)
    low, high = interval(units, -reach, reach, ALPHA)
    return (middle + low, middle + high)


def _are_binary(values: Sequence[float]) -> bool:
    return all(value in (0.0, 1.0) for value in values)


def are_bounded(values: Sequence[float], bounded: bool | None) -> bool:
    """Whether scores lie in [0, 1]; `bounded`: as in `paired_gain`."""
    return all(0.0 <= value <= 1.0 for value in values) and bounded is not False


def _check_scores(values: Sequence[float]) -> None:
    _check_finite([value for value in values if value != -math.inf])


def _check_finite(values: Sequence[float]) -> None:
    for value in values:
        if not math.isfinite(value):
            raise ConfigError(f"a score is {value}: scores are finite numbers")
