"""Numbers and lists of array libraries as Python's own."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Real
from typing import Any, cast


def unboxed(given: object) -> object:
    """Python's number of a number of numpy's, or of a tensor of one and no axis (torch, JAX); all else as it is."""
    box = cast("Any", given)
    # By what they share: no such library needs to be there.
    if getattr(box, "ndim", None) == 0 and callable(getattr(box, "item", None)):
        return box.item()
    return given


def unlisted(given: object) -> object:
    """Python's list of an array of one axis (numpy, torch) or of a column (pandas); all else as it is."""
    column = cast("Any", given)
    if getattr(column, "ndim", None) == 1 and callable(getattr(column, "tolist", None)):
        return column.tolist()
    return given


def as_float(number: float | Real | Decimal) -> float:
    """The number; infinite where it has more digits than a float, NaN for a Decimal's signalling NaN."""
    try:
        return float(number)
    except OverflowError:
        return -math.inf if cast("Any", number) < 0 else math.inf
    except ValueError:
        return math.nan
