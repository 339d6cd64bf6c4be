"""How far raters agree beyond chance: Cohen's kappa, plain and weighted, and Krippendorff's alpha. Pure.

Each is None, "undefined", where all that was said is the same: there is nothing to agree about.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

Metric = Literal["nominal", "interval"]


def agreement(pairs: Sequence[tuple[float, float]]) -> float:
    """The share of items on which two raters say the same. NaN for none."""
    return sum(one == other for one, other in pairs) / len(pairs) if pairs else math.nan


def kappa(pairs: Sequence[tuple[float, float]], *, weighted: bool = False) -> float | None:
    """Cohen's kappa, 1 - observed / expected disagreement; `weighted`: by the square of the distance.

    Cohen 1960 and 1968. None where both say the same of all.
    """
    if not pairs:
        return None
    weight: Callable[[float, float], float] = _squared if weighted else _differs
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    observed = math.fsum(weight(one, other) for one, other in pairs) / len(pairs)
    # What two raters would disagree by who keep to their own shares, each item by itself.
    expected = math.fsum(
        weight(one, other) * count * times for one, count in first.items() for other, times in second.items()
    ) / len(pairs) ** 2  # fmt: skip
    return None if expected == 0.0 else 1.0 - observed / expected


def alpha(items: Sequence[Sequence[float]], metric: Metric = "nominal") -> float | None:
    """Krippendorff's alpha over the values that raters gave to each item; an item with one value does not count.

    Krippendorff 2004: 1 - observed / expected disagreement, by value pairs within and across items.
    """
    weight = _differs if metric == "nominal" else _squared
    counts = [Counter(values) for values in items if len(values) > 1]
    total = Counter[float]()
    for each in counts:
        total += each
    number = total.total()
    if number < 2:
        return None
    # An item's pairs weigh together as much as it has values, so that a value counts alike wherever it stands.
    observed = math.fsum(_disagreement_within(each, weight) / (each.total() - 1) for each in counts) / number
    expected = _disagreement_within(total, weight) / (number * (number - 1))
    return None if expected == 0.0 else 1.0 - observed / expected


def _disagreement_within(values: Counter[float], weight: Callable[[float, float], float]) -> float:
    """The disagreement of all ordered pairs of values."""
    return math.fsum(
        weight(one, other) * count * times for one, count in values.items() for other, times in values.items()
    )


def _differs(one: float, other: float) -> float:
    return float(one != other)


def _squared(one: float, other: float) -> float:
    return (one - other) ** 2
