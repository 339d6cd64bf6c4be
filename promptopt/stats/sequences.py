"""A gain that is looked at again and again while items come in: intervals that hold at all looks together. Pure.

A test of a fixed size that is looked at many times calls a gain that is not there far more often than it says. These
do not, however often and whenever they are looked at, and so a test may stop once it has decided.

Scores of 0 and 1: of the items on which the prompts differ w are won and l lost. Where each is won with probability p,

    E(p) = B(5 + w, 5 + l) / B(5, 5) / (p**w * (1 - p)**l)

is what a gambler has who began with 1 in a fair game. It ever reaches 1 / alpha with probability alpha at most (Ville
1939), so the p with E(p) < 1 / alpha are an interval that holds at all times (Robbins 1970, Annals of Mathematical
Statistics 41:1397-1409). At p = 1/2 that is the bet on a gain at all. The share of items that differ has the same kind
of interval. Both are joined as in `shares.binary_interval`.

Other scores: the asymptotic confidence sequence of Waudby-Smith et al. (arXiv:2103.06476), after t items

    mean ± s * sqrt(2 * (t * q + 1) / (t**2 * q) * log(sqrt(t * q + 1) / alpha))
    q = (-2 * log(alpha) + log(1 - 2 * log(alpha))) / TUNED

It holds for many items. Ours: s counts IMAGINED more, as far from the mean as an item can be. Without them a prompt
that loses all of one item in twenty is taken for one that loses less than that in two trials of five: the first items
show no loss, and so no spread (benchmarks/results/judges-looks.md).
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from promptopt.errors import ConfigError
from promptopt.stats import (
    ALPHA,
    EACH_ONCE,
    IMPOSSIBLE,
    ROUNDING,
    Gain,
    are_bounded,
    clipped,
    differences_of,
    halved,
    losses_and_wins,
    reach_of,
    units_in,
)
from promptopt.stats.shares import joined_interval
from promptopt.types import Weigh, mean_of

PRIOR = 5.0
"""Of the mixture: the bet is on shares around a half, as prompts that are compared mostly differ little."""
RARE = 0.5
"""The same for the share of items that differ, which is mostly small (Krichevsky and Trofimov 1981)."""
TUNED = 200
"""Items at which the sequence is narrowest."""
IMAGINED = 3
"""Items beyond those seen, in the spread. With one of them 9 % of such trials go wrong, with three 4 %. Ours."""
BET = "mixture bet on the items that differ"
SEQUENCE = "confidence sequence of the mean"


def running_gain(
    before: Sequence[float],
    after: Sequence[float],
    *,
    alpha: float = ALPHA,
    groups: Sequence[str] | None = None,
    weigh: Weigh = "turn",
    preferences: bool = False,
) -> Gain:
    """As `paired_gain`, of the items so far: right at every look, whenever it is taken, and wider for that.

    p_value: what it was at this look may be below alpha at any look with probability alpha at most. Of groups, all
    items have to be there. Raises ConfigError for no items.
    """
    if not before or len(before) != len(after):
        raise ConfigError(f"{len(before)} scores before and {len(after)} after: give those of the same items")
    if preferences:
        return halved(running_gain(*losses_and_wins(after), alpha=alpha, groups=groups, weigh=weigh))
    names = [""] * len(before) if groups is None else groups
    differences, binary, test = differences_of(before, after)
    reach = 1.0 if test == IMPOSSIBLE or are_bounded([*before, *after], None) else math.inf
    units, largest = units_in(differences, names, weigh)
    mean = mean_of(differences, names, weigh)
    if binary and all(abs(abs(unit) - largest) < ROUNDING or abs(unit) < ROUNDING for unit in units):
        wins, losses = (sum(sign * unit > ROUNDING for unit in units) for sign in (1, -1))
        ends = [_binary(wins, losses, len(units), level, largest) for level in (ALPHA, alpha)]
        p_value, test = min(1.0, math.exp(-_log_wealth(wins, losses, 0.5, PRIOR))), BET
    else:
        farthest = reach if math.isfinite(reach) else reach_of(differences, [*before, *after], len(units))
        ends = [_around(units, largest * farthest, level) for level in (ALPHA, alpha)]
        p_value, test = _level_at_zero(units, largest * farthest), SEQUENCE
    return Gain(
        mean=mean,
        ci95=clipped(ends[0], reach),
        p_value=p_value,
        test=f"{test}{EACH_ONCE}" if weigh == "conversation" and len(units) < len(before) else test,
        n=len(before),
        units=len(units),
        alpha=alpha,
        interval=clipped(ends[1], reach),
    )


def _binary(wins: int, losses: int, n: int, alpha: float, largest: float) -> tuple[float, float]:
    differing = share_sequence(wins + losses, n, alpha, RARE)
    won = share_sequence(wins, wins + losses, alpha, PRIOR)
    low, high = joined_interval(wins, losses, n, differing, won)
    return (low * largest, high * largest)


def _log_wealth(wins: int, losses: int, share: float, prior: float) -> float:
    """The logarithm of E(share)."""
    from scipy.special import betaln

    mixed = float(betaln(prior + wins, prior + losses) - betaln(prior, prior))
    # Nothing is bet on what did not happen, and 0 * -inf is no number.
    told = [(wins, share), (losses, 1.0 - share)]
    return mixed - sum(count * (math.log(each) if each > 0.0 else -math.inf) for count, each in told if count)


@lru_cache(maxsize=1024)
def share_sequence(successes: int, n: int, alpha: float, prior: float) -> tuple[float, float]:
    """The interval of a share, of level 1 - alpha at all looks together; (0, 1) for none."""
    from scipy.optimize import root_scalar

    if not n:
        return (0.0, 1.0)

    def excess(share: float) -> float:
        # Bounded, for a root is looked for at the ends, where it is infinite.
        return min(1e6, _log_wealth(successes, n - successes, share, prior) + math.log(alpha))

    # E is least at the share that was seen, and there it is below 1.
    seen = successes / n
    low = float(root_scalar(excess, bracket=(0.0, seen)).root) if successes else 0.0
    high = float(root_scalar(excess, bracket=(seen, 1.0)).root) if successes < n else 1.0
    return (low, high)


def _spread(units: Sequence[float], reach: float) -> tuple[float, float]:
    """Mean, and standard deviation with IMAGINED items more."""
    mean = math.fsum(units) / len(units)
    squares = math.fsum((unit - mean) ** 2 for unit in units)
    return mean, math.sqrt((squares + IMAGINED * reach**2) / (len(units) + IMAGINED))


def _tuning(alpha: float) -> float:
    return (-2.0 * math.log(alpha) + math.log(1.0 - 2.0 * math.log(alpha))) / TUNED


def _around(units: Sequence[float], reach: float, alpha: float) -> tuple[float, float]:
    if math.isinf(reach):
        return (-math.inf, math.inf)
    count, q, (mean, spread) = len(units), _tuning(alpha), _spread(units, reach)
    width = math.sqrt(2.0 * (count * q + 1.0) / (count**2 * q) * math.log(math.sqrt(count * q + 1.0) / alpha))
    return (mean - spread * width, mean + spread * width)


def _level_at_zero(units: Sequence[float], reach: float) -> float:
    """The level at which the sequence tuned for ALPHA just holds zero: an inversion of `_around` there."""
    if math.isinf(reach):
        return 1.0
    count, q, (mean, spread) = len(units), _tuning(ALPHA), _spread(units, reach)
    root = math.sqrt(count * q + 1.0)
    return min(1.0, root * math.exp(-((mean * count / (spread * root)) ** 2) * q / 2.0))
