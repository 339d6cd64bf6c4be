"""JSON in which no object names a member twice: of two, Python keeps the last and says nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

from promptopt.text import shorten

_SHOWN_CHARACTERS = 40
"""Of each of two values in a sentence."""


class NamedTwice(ValueError):
    """An object has two values for one member."""


def read_json(text: str) -> object:
    """What the text writes. Raises NamedTwice where an object names a member twice, with two values."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        for name, value in pairs:
            if table[name] != value:
                first, last = (shorten(repr(each), _SHOWN_CHARACTERS) for each in (value, table[name]))
                raise NamedTwice(f"an object names {name!r} twice, with {first} and {last}; take one of them out")
    return table
