"""The mean of scores of any shape: a test and an interval that hold at small n, skewed as the scores may be. Pure.

Gaffke's bound (Gaffke 2005; Learned-Miller and Thomas, arXiv:1905.06208): the mean of values in [lowest, highest] is at
least m unless sum(E_i * (x_i - m)) + E_0 * (lowest - m) <= 0, where all E are independent exponentials. That is a
Bayesian bootstrap with one more item, as bad as an item can be. For values of two kinds it is Clopper and Pearson's
exact interval; for others its coverage is a conjecture that no simulation has broken (theirs, and
`benchmarks/promise.py`). Sign flips need symmetric differences, and the bootstrap needs many items. By that simulation
they call a prompt better in 11 to 13 % of trials where nothing changed, if many small gains pay for few large losses.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

NODES = 100
"""Points of the quadrature in `chance`; twice as many move no p-value by more than one part in a million."""
REACH = 8.0
"""The quadrature ends at sinh(8), about 1,500, standard deviations of the integrand."""
HALVINGS = 20
"""Halvings of the interval that holds the saddle point: any line through that interval is right, and near the point
the sum converges fastest."""
NARROW = 1e-12
"""A mean that is no further from the lowest value than this has its lower end there."""
NEAR = 1e-9
"""To what part of the widest interval its ends are found."""


def chance(values: Sequence[float], lowest: float, mean: float) -> float:
    """One-sided p-value against "the mean is `mean` or less", for values that are nowhere below `lowest`.

    The distribution of a weighted sum of exponentials at zero, by the inverse Laplace transform along the line through
    its saddle point. It is smooth and decays quickly there, so a sum over a few points is exact to rounding.
    """
    import numpy

    counts = Counter(value - mean for value in values)
    counts[lowest - mean] += 1
    # A value at the mean adds nothing to the sum, and has no pole.
    shifts = numpy.array([shift for shift in counts if shift])
    # No value lies lower, so no mean does: that one is ruled out.
    if lowest >= mean:
        return 0.0
    # Nothing seen lies above that mean, so nothing speaks against it.
    if not (shifts > 0.0).any():
        return 1.0
    weights = numpy.array([float(counts[shift]) for shift in counts if shift])
    # The probability that the sum is below zero does not depend on the unit, and the logarithms stay small in this one.
    scale = float(numpy.abs(shifts).max())
    shifts = shifts / scale

    # The saddle point lies between the pole nearest below zero, which is that of the lowest shift, and zero.
    left, right = 1.0 / float(shifts.min()), 0.0
    moments = weights * shifts
    for _ in range(HALVINGS):
        saddle = (left + right) / 2.0
        # The derivative of the integrand's logarithm, sum(-w log(1 - s x)) - log(-s), which only grows: its zero is the
        # saddle.
        slope = float(numpy.add.reduce(moments / (1.0 - saddle * shifts))) - 1.0 / saddle
        left, right = (left, saddle) if slope > 0.0 else (saddle, right)
    saddle = (left + right) / 2.0
    # By the second derivative there: the width of the integrand along the line.
    spread = 1.0 / math.sqrt(float((weights * (shifts / (1.0 - saddle * shifts)) ** 2).sum()) + 1.0 / saddle**2)
    step = REACH / NODES
    places = numpy.arange(NODES) * step
    # Of few values the integrand falls like a power only. By sinh the points lie dense at the saddle and reach far.
    along = saddle + 1j * spread * numpy.sinh(places)
    logs = -(weights[:, None] * numpy.log(1.0 - shifts[:, None] * along[None, :])).sum(axis=0)
    heights = numpy.real(numpy.exp(logs) / -along) * numpy.cosh(places) * spread * step
    # The trapezoid rule on one half of a line whose halves mirror each other: its end counts half.
    heights[0] /= 2.0
    return min(1.0, max(0.0, float(heights.sum()) / math.pi))


def interval(values: Sequence[float], lowest: float, highest: float, alpha: float) -> tuple[float, float]:
    """The interval of level 1 - `alpha` of the mean of values that lie in [`lowest`, `highest`].

    It excludes a mean exactly where `chance` of it, from one side or the other, is below `alpha` / 2. The ends are
    `lowest` and `highest` themselves where these are infinite.
    """
    low = lowest if math.isinf(lowest) else _lower_end(tuple(values), lowest, alpha / 2.0)
    # The upper end is the lower one of the mirrored values: one function for both, so they err alike.
    mirrored = tuple(-value for value in values)
    return low, highest if math.isinf(highest) else -_lower_end(mirrored, -highest, alpha / 2.0)


# A comparison asks for the same ends in its table, its pairs and its JSON.
@lru_cache(maxsize=256)
def _lower_end(values: tuple[float, ...], lowest: float, alpha: float) -> float:
    """The largest mean that `chance` calls too low."""
    from scipy.optimize import root_scalar

    middle = math.fsum(values) / len(values)
    if middle - lowest <= NARROW:
        return lowest

    def excess(mean: float) -> float:
        return chance(values, lowest, mean) - alpha

    return float(root_scalar(excess, bracket=(lowest, middle), xtol=NEAR * (middle - lowest)).root)


def predicted(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Where a further positive value of any of the groups falls in 95 % of cases, by Student's t of the logs.

    All groups are taken to vary alike within themselves (Hahn and Meeker 1991, Statistical Intervals, 4.7). With a
    value for each, nothing is known of that: then the least and the greatest of them.
    """
    # Counts: below one there is none, and zero has no logarithm.
    logs = [[math.log(max(value, 1.0)) for value in group] for group in groups if group]
    means = [math.fsum(group) / len(group) for group in logs]
    freedom, reach = sum(map(len, logs)) - len(logs), 0.0
    if freedom:
        from scipy.stats import t

        squares = math.fsum((value - mean) ** 2 for group, mean in zip(logs, means, strict=True) for value in group)
        # The smallest group knows its own mean least, and its width is taken for all.
        reach = float(t.ppf(0.975, freedom)) * math.sqrt(squares / freedom * (1 + 1 / min(map(len, logs))))
    return math.exp(min(means) - reach), math.exp(max(means) + reach)
