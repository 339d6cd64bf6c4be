"""A gain by the labels of people and the word of a judge together: right whatever the judge, narrower for a good one.

Prediction-powered inference (Angelopoulos et al. 2023, arXiv:2301.09633) with the free weight of PPI++ (2023,
arXiv:2311.01453). People labelled n items, drawn at random, and N more only the judge saw. D is the people's difference
of the two prompts on an item, F the judge's:

    gain = mean_n(D) + l * (mean_N(F) - mean_n(F))
    variance = s2_n(D - l F) / n + l**2 * s2_N(F) / N
    l = cov_n(D, F) / ((1 + n / N) * s2_{n+N}(F)), cut to [0, 1]

Departures: the quantile is Student's with n - 1 degrees, and variances divide by n - 1: with the normal quantile and n
the interval is too narrow below 50 labels (`benchmarks/judges.py`). Items of one group count as one, and all of these
are then ratios of sums. Where labels are too few for it (`LEAST_LABELS`, `DIFFERING`), people alone are
counted, exactly.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.stats import ALPHA, ROUNDING, Gain, paired_gain
from promptopt.types import Weigh

LEAST_LABELS = 50
"""Labels below which people alone are counted: t covers 94 to 96 % from there on (`benchmarks/judges.py`)."""
DIFFERING = 10
"""Labelled items on which the prompts differ, below which people alone are counted."""
TEST = "PPI++ with Student's t"
"""What the test is called where the judge counts beside people."""

LabelBasis = Literal["labels", "labels + judge"]


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled item: the worth that people gave to both replies, and the judge's difference.

    `start`, `winner`: in [0, 1]; of a preference 0.5 for the start, and 1, 0.5 or 0 for the winner.
    """

    start: float
    winner: float
    judge: float
    group: str = ""

    @property
    def people(self) -> float:
        """What people say that the winner gains here."""
        return self.winner - self.start


@dataclass(frozen=True, slots=True)
class Powered:
    """What the winner gains. `judged`: items that only the judge saw and that count; `weight`: l.

    `worth`: by how many labels one label counts, n / (1 - r**2 N / (n + N)) / n with r the correlation of D and F.
    """

    gain: Gain
    basis: LabelBasis
    labelled: int
    judged: int
    weight: float
    worth: float


@dataclass(frozen=True, slots=True)
class _Unit:
    """What was drawn at once: the sums of D and F over its items, and how many these are."""

    people: float
    judge: float
    size: int


def powered_gain(
    labelled: Sequence[Item],
    rest: Sequence[tuple[float, str]],
    *,
    alpha: float = ALPHA,
    weigh: Weigh = "turn",
    least: int = LEAST_LABELS,
    differing: int = DIFFERING,
) -> Powered:
    """What people say that the winner gains on the start, with the help of a judge.

    `rest`: the judge's difference and the group of each item without a label; those of a labelled group are left out.
    `alpha`: the two-sided level of the verdict. `weigh`: whether the gain is the mean over items, or over their groups.
    `least`, `differing`: see `LEAST_LABELS`, `DIFFERING`. Raises ConfigError without a label.
    """
    if not labelled:
        raise ConfigError("there are no labels; fill in the sheet that `promptopt label` wrote")
    known = {item.group for item in labelled if item.group}
    others = [(value, group) for value, group in rest if group not in known]
    units = _units(((item.group, item.people, item.judge) for item in labelled), weigh)
    free = _units(((group, 0.0, value) for value, group in others), weigh)
    # Where few differ the mean is a sum of few wins: at 20 labels t held the truth in 47 % of trials, and the exact
    # test of people alone in all (benchmarks/results/judges.md).
    moved = sum(abs(item.people) > ROUNDING for item in labelled)
    # A variance needs two units on either side.
    if len(labelled) < least or moved < differing or len(free) < 2 or len(units) < 2:
        return Powered(
            gain=_people_alone(labelled, alpha, weigh),
            basis="labels",
            labelled=len(labelled),
            judged=0,
            weight=0.0,
            worth=1.0,
        )
    # In the order of the module's equations: l, the gain, and the root of the variance.
    weight = _weight(units, free)
    shared = _weighted_mean(free, 0.0, 1.0) - _weighted_mean(units, 0.0, 1.0)
    mean = _weighted_mean(units, 1.0, 0.0) + weight * shared
    error = math.sqrt(_variance(units, 1.0, -weight) + _variance(free, 0.0, weight))
    gain = _tested(mean, error, len(units), len(labelled), alpha)
    share = len(free) / (len(units) + len(free))
    worth = 1.0 / max(ROUNDING, 1.0 - _correlation(units) ** 2 * share) if weight else 1.0
    return Powered(
        gain=gain, basis="labels + judge", labelled=len(labelled), judged=len(others), weight=weight, worth=worth
    )


def _people_alone(labelled: Sequence[Item], alpha: float, weigh: Weigh) -> Gain:
    groups = [item.group for item in labelled]
    sides = [item.start for item in labelled], [item.winner for item in labelled]
    # Of several people a preference may be a mean of theirs, and no win or loss.
    preferences = all(item.start == 0.5 and item.winner in (0.0, 0.5, 1.0) for item in labelled)
    return paired_gain(*sides, alpha=alpha, groups=groups, weigh=weigh, bounded=True, preferences=preferences)


def _tested(mean: float, error: float, units: int, count: int, alpha: float) -> Gain:
    from scipy.stats import t

    freedom = units - 1
    first, shown = (float(t.isf(level / 2.0, freedom)) * error for level in (ALPHA, alpha))
    # Without any spread: certain where there is a gain at all.
    p_value = 2.0 * float(t.sf(abs(mean) / error, freedom)) if error > 0.0 else float(abs(mean) < ROUNDING)
    ends = (mean - first, mean + first), (mean - shown, mean + shown)
    return Gain(
        mean=mean, ci95=ends[0], p_value=p_value, test=TEST, n=count, units=units, alpha=alpha, interval=ends[1]
    )


def _units(items: Iterable[tuple[str, float, float]], weigh: Weigh) -> list[_Unit]:
    """Items without a group are units of their own; a group that counts once is one item, their mean."""
    found: dict[str | int, _Unit] = {}
    for place, (group, people, judge) in enumerate(items):
        name = group if group else place
        old = found.get(name, _Unit(0.0, 0.0, 0))
        found[name] = _Unit(old.people + people, old.judge + judge, old.size + 1)
    if weigh == "conversation":
        return [_Unit(each.people / each.size, each.judge / each.size, 1) for each in found.values()]
    return list(found.values())


def _weighted_mean(units: Sequence[_Unit], people: float, judge: float) -> float:
    """The mean over items of `people` * D + `judge` * F."""
    total = math.fsum(people * unit.people + judge * unit.judge for unit in units)
    return total / sum(unit.size for unit in units)


def _variance(units: Sequence[_Unit], people: float, judge: float) -> float:
    """The variance of `_weighted_mean`: of a ratio of sums over units, which is s2 / n where each unit is one item."""
    ratio, count = _weighted_mean(units, people, judge), len(units)
    squares = math.fsum((people * unit.people + judge * unit.judge - ratio * unit.size) ** 2 for unit in units)
    return count / (count - 1) * squares / sum(unit.size for unit in units) ** 2


def _weight(units: Sequence[_Unit], free: Sequence[_Unit]) -> float:
    """The weight of the judge, l; 0 where it says the same of all."""
    every = [*units, *free]
    size = sum(unit.size for unit in every) / len(every)
    ratio = _weighted_mean(every, 0.0, 1.0)
    # In units of one item, whatever the sizes of groups.
    spread = math.fsum((unit.judge - ratio * unit.size) ** 2 for unit in every) / (len(every) - 1) / size**2
    if spread <= ROUNDING:
        return 0.0
    mine = sum(unit.size for unit in units) / len(units)
    people, judge = _weighted_mean(units, 1.0, 0.0), _weighted_mean(units, 0.0, 1.0)
    together = math.fsum((unit.people - people * unit.size) * (unit.judge - judge * unit.size) for unit in units)
    covariance = together / (len(units) - 1) / mine**2
    # By any weight the gain is right: the weight decides only how narrow its interval is.
    return min(1.0, max(0.0, covariance / ((1.0 + len(units) / len(free)) * spread)))


def _correlation(units: Sequence[_Unit]) -> float:
    people, judge = _weighted_mean(units, 1.0, 0.0), _weighted_mean(units, 0.0, 1.0)
    pairs = [(unit.people - people * unit.size, unit.judge - judge * unit.size) for unit in units]
    scale = math.sqrt(math.fsum(one**2 for one, _ in pairs) * math.fsum(other**2 for _, other in pairs))
    return math.fsum(one * other for one, other in pairs) / scale if scale > ROUNDING else 0.0
