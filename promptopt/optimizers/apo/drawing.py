"""What APO draws: sets of mistakes for its critics, and which children stay."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

from promptopt.operators.reflect import Mistake

_Drawn = TypeVar("_Drawn")


def mistake_groups(rng: random.Random, errors: Sequence[Mistake], count: int, size: int) -> list[list[Mistake]]:
    """Up to `count` different sets of `size` mistakes, or of fewer where that many cannot be told apart otherwise."""
    size = min(size, len(errors))
    if size == 0:
        return []
    # Of sizes that give enough sets the largest; where none does, the one that gives most.
    ways = {each: min(count, math.comb(len(errors), each)) for each in range(size, 0, -1)}
    size = max(ways, key=ways.__getitem__)
    # In the code groups are drawn apart, and few mistakes make equal ones, which get equal criticism.
    drawn: dict[tuple[int, ...], list[Mistake]] = {}
    while len(drawn) < ways[size]:
        group = rng.sample(range(len(errors)), size)
        drawn.setdefault(tuple(sorted(group)), [errors[index] for index in group])
    return list(drawn.values())


def some_of(rng: random.Random, items: Sequence[_Drawn], most: int) -> list[_Drawn]:
    """At most `most` of the items, at random, in the order they came."""
    if len(items) <= most:
        return list(items)
    return [items[index] for index in sorted(rng.sample(range(len(items)), most))]
