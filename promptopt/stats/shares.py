"""Shares of items, and wins against losses: exact tests and intervals. Pure; scipy does the statistics."""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal


@lru_cache(maxsize=1024)
def binary_interval(wins: int, losses: int, n: int, alpha: float) -> tuple[float, float]:
    """Interval of (wins - losses) / n, level 1 - alpha, which excludes zero exactly where the sign test has p < alpha.

    The difference is a product: (2 * share of wins among the discordant - 1) * share of discordant items. The first
    factor has the exact interval (Clopper-Pearson, the dual of the sign test: it decides the sign), the second
    Wilson's; the two are joined as in MOVER (Zou and Donner 2008): the extremes of the product over the quarter
    ellipses between the ends of both. By simulation it covers the true difference in at least 95.5 % of trials (n
    = 200; 2,000 trials for each share of discordant items from 0.02 to 0.5 and each gain up to all of them). Tango's
    score interval covers 93 to 97 %, is 4 % narrower, but contradicts the exact test for some outcomes; Clopper-Pearson
    scaled by the observed discordant share covers as little as 40 %. Checked in tests/test_stats.py.
    """
    discordant = wins + losses
    differing = share_interval(discordant, n, "wilson", alpha)
    won = share_interval(wins, discordant, "exact", alpha) if discordant else (0.0, 1.0)
    return joined_interval(wins, losses, n, differing, won)


def joined_interval(
    wins: int, losses: int, n: int, differing: tuple[float, float], won: tuple[float, float]
) -> tuple[float, float]:
    """The interval of (wins - losses) / n from that of the share of items that differ, and of the share won of these.

    It excludes zero exactly where the latter excludes a half (`binary_interval`).
    """
    import numpy

    discordant = wins + losses
    least, most = differing
    if not discordant:
        return (-most, most)
    # Every half degree of the ellipses, both ends included.
    angle = numpy.linspace(0.0, 2.0 * math.pi, 721)
    low, high = (2.0 * end - 1.0 for end in won)
    sided = _between((wins - losses) / discordant, low, high, numpy.cos(angle))
    products = sided * _between(discordant / n, least, most, numpy.sin(angle))
    return (float(products.min()), float(products.max()))


def _between(middle: float, low: float, high: float, reach: Any) -> Any:
    import numpy

    return middle + numpy.where(reach > 0.0, reach * (high - middle), reach * (middle - low))


@lru_cache(maxsize=1024)
def share_interval(successes: int, n: int, method: Literal["wilson", "exact"], alpha: float) -> tuple[float, float]:
    """Interval of the share `successes / n`, level 1 - alpha: Wilson's, or the exact one of Clopper and Pearson."""
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(1.0 - alpha, method=method)
    return (float(interval.low), float(interval.high))


@lru_cache(maxsize=1024)
def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value of so many wins and losses, where both are as likely; 1 without any of them."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
