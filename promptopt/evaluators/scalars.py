"""Numbers of array libraries as Python's own."""

from __future__ import annotations

from typing import Any, cast


def unboxed(given: object) -> object:
    """Python's number of a number of numpy's, or of a tensor of one and no axis (torch, JAX); all else as it is."""
    box = cast("Any", given)
    # By what they share: no such library needs to be there.
    if getattr(box, "ndim", None) == 0 and callable(getattr(box, "item", None)):
        return box.item()
    return given
