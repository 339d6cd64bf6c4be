"""What a test of so many items can show at all: the smallest difference that is likely to be found."""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from promptopt.stats import ALPHA, DISAGREEMENT, FEWEST_ONE_WAY

POWER = 0.8
"""The probability with which a gain is to be found: the usual one."""


@lru_cache(maxsize=64)
def smallest_detectable(n: int, disagreement: float = DISAGREEMENT, alpha: float = ALPHA, among: int = 1) -> float:
    """The smallest true gain that the exact McNemar test on `n` items finds with probability 0.8.

    among: so many tests of `n` items each have to find it, all of them, by Holm's correction at the level `alpha`.

    disagreement: share of items, in (0, 1], on which the two prompts differ in truth (one right, the other wrong); a
    larger gain than that raises it. The power is exact: binomial over the number of discordant items, and over the
    wins among them. Infinite where not even a gain of 1 is found with that probability.
    """
    from scipy.optimize import root_scalar

    if n < FEWEST_ONE_WAY or _power_of_all(n, 1.0, disagreement, alpha, among) < POWER:
        return math.inf

    def missing(gain: float) -> float:
        return _power_of_all(n, gain, disagreement, alpha, among) - POWER

    # The test's discreteness makes no difference here: given the gain, its power is smooth and grows with it.
    return float(root_scalar(missing, bracket=(0.0, 1.0), xtol=1e-6).root)


def _power_of_all(n: int, gain: float, disagreement: float, alpha: float, among: int) -> float:
    """The chance that Holm's correction finds the gain in each of `among` independent tests.

    It does where for each j the j smallest p-values are below alpha / (among - j + 1) (Holm 1979).
    """
    levels = [alpha / (among - found) for found in range(among)]
    below = [_power(n, gain, disagreement, level) for level in levels]
    # By how many tests have a p-value below the level at hand; too few of them end it.
    chances = {0: 1.0}
    for place, chance in enumerate(below):
        step = chance - (below[place - 1] if place else 0.0)
        further: dict[int, float] = {}
        for found, known in chances.items():
            for more in range(max(0, place + 1 - found), among - found + 1):
                ways = math.comb(among - found, more) * step**more
                further[found + more] = further.get(found + more, 0.0) + known * ways
        chances = further
    return chances.get(among, 0.0)


def _power(n: int, gain: float, disagreement: float, alpha: float) -> float:
    import numpy
    from scipy.stats import binom

    share = max(disagreement, gain)
    discordant, needed, chances = _discordant(n, share, alpha)
    # The chance that a discordant item is a win: wins less losses come to `gain` / `share` of them.
    found = binom.sf(needed - 1, discordant, (1 + gain / share) / 2)
    return float(numpy.sum(chances * found))


@lru_cache(maxsize=8)
def _discordant(n: int, share: float, alpha: float) -> tuple[Any, Any, Any]:
    """Numbers of discordant items, the fewest wins among each that the test calls better, and their probabilities."""
    import numpy
    from scipy.stats import binom

    # All numbers of discordant items but for a billionth of the probability at either end.
    likely = binom.ppf((1e-9, 1 - 1e-9), n, share)
    discordant = numpy.arange(likely[0], likely[1] + 1)
    # The fewest wins among m discordant items whose two-sided p is below alpha.
    return discordant, binom.isf(alpha / 2, discordant, 0.5) + 1, binom.pmf(discordant, n, share)
