"""What counts once in a mean: every turn, or every conversation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Weigh = Literal["turn", "conversation"]
"""`turn`: each example counts once. `conversation`: each group of examples does, however many it has."""


def grouped(values: Sequence[float], groups: Sequence[str]) -> list[list[float]]:
    """The values of each group, in the order they came up; an example without one ("") is a group of its own."""
    held: dict[str | int, list[float]] = {}
    for place, (value, name) in enumerate(zip(values, groups, strict=True)):
        held.setdefault(name if name else place, []).append(value)
    return list(held.values())


def group_means(values: Sequence[float], groups: Sequence[str]) -> list[float]:
    """The mean of each group, in the order of `grouped`."""
    return [math.fsum(each) / len(each) for each in grouped(values, groups)]


def mean_of(values: Sequence[float], groups: Sequence[str], weigh: Weigh) -> float:
    """The mean of at least one value, each of whose `groups` counts once where conversations are weighed."""
    counted = group_means(values, groups) if weigh == "conversation" else values
    return sum(counted) / len(counted)
