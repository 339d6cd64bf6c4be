"""How large a generation is and how deep it looks, by the evaluations that a whole search is granted.

The constants are the best of planted searches at 200 to 20,000 evaluations, and flat there: half or twice of each costs
one to four points.
"""

from __future__ import annotations

import math

KEEP = 2
"""Prompts that go on to the next generation. Ours."""
LEAST_DEPTH = 3.0
"""Mean examples an arm, at least: 7 and more are worse (`benchmarks/results/peers-diagnosis.md`)."""
SHALLOW = 0.8
"""Factor of the mean depth, the best too where calls are capped, and a child costs one beside its evaluations. Ours."""


def generation_size(evaluations: int) -> int:
    """Children of a generation: max(4, round(0.7 S^(1/3))) for a search of S evaluations."""
    return max(4, round(0.7 * evaluations ** (1 / 3)))


def mean_depth(evaluations: int) -> float:
    """Mean examples an arm over a whole search of S evaluations: max(3, 0.8 S^(1/4))."""
    return max(LEAST_DEPTH, SHALLOW * evaluations**0.25)


def rounds_of(evaluations: float, arms: float, mean: float) -> int:
    """Rounds of so many arms at a depth that grows as `depth_at` says, at least one.

    More than at the mean depth throughout: the mean of 1 / depth over a search is log(4) / 1.2 of 1 / mean.
    """
    return max(1, round(math.log(4.0) / 1.2 * evaluations / (mean * arms)))


def depth_at(mean: float, share: float) -> float:
    """Mean examples an arm when `share` (0 to 1) of the search is spent: from 0.4 to 1.6 of the whole search's."""
    # Early prompts differ much and few examples tell them apart; late ones differ little.
    return mean * (1 + 0.6 * (2 * min(1.0, max(0.0, share)) - 1))
