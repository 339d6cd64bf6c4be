"""Who is a parent, and who lives on."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from promptopt.optimizers.promptquine.history import PrunedPrompt


def survivors(children: Sequence[PrunedPrompt], population: Sequence[PrunedPrompt], size: int) -> list[PrunedPrompt]:
    """The fittest children; no parent survives, unless there are too few children to fill the population."""
    # Regularised evolution (paper): with parents among them, populations converged too soon.
    fittest = sorted(children, key=lambda each: -each.fitness)[:size]
    return [*fittest, *sorted(population, key=lambda each: -each.fitness)[: size - len(fittest)]]


def tournament(rng: random.Random, pool: Sequence[PrunedPrompt], share: float) -> PrunedPrompt:
    """The fittest of max(1, floor(share * pool)) drawn with replacement; ties to the first drawn."""
    # A tenth of a millionth: 0.2 * 35 is a little more than 7, and shares can as well come out a little below.
    drawn = rng.choices(pool, k=max(1, math.floor(share * len(pool) + 1e-7)))
    return max(drawn, key=lambda each: each.fitness)
