"""Settings that must lie within a range: one sentence for each that does not."""

from __future__ import annotations

import math

from promptopt.errors import ConfigError


def within(settings: object, group: str = "", /, **ranges: tuple[float, float]) -> None:
    """Raise ConfigError for the first field of `settings` that is outside its (lowest, highest) range, or NaN.

    A field that is None was not set, and passes. `group`: where the settings stand among those of a method, as `size`.
    """
    for name, (low, high) in ranges.items():
        value: float | None = getattr(settings, name)
        # `True` is a number to Python, and a string compared with one would raise: neither is a setting in a range.
        # Whole numbers of other libraries have `__index__`.
        counts = not isinstance(value, bool) and (isinstance(value, float) or hasattr(value, "__index__"))
        # NaN compares with nothing, so that it fails here without a test of its own.
        if value is not None and not (counts and low <= value <= high):
            bounds = f"{low} or more" if high == math.inf else f"a value from {low} to {high}"
            called = f"{group}.{name}" if group else name
            raise ConfigError(f"the setting {called!r} is {value!r}; set it to {bounds}")
