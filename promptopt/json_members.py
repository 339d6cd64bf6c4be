"""JSON in which no object names a member twice: of two, Python keeps the last and says nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial

from promptopt.text import shorten

_SHOWN_CHARACTERS = 40
"""Of each of two values in a sentence."""


class NamedTwice(ValueError):
    """An object has two values for one member, `name`."""

    def __init__(self, name: str, first: object, last: object) -> None:
        """`first`, `last`: the values."""
        one, other = (shorten(repr(each), _SHOWN_CHARACTERS) for each in (first, last))
        super().__init__(f"an object names {name!r} twice, with {one} and {other}; take one of them out")
        self.name = name


def read_json(text: str | bytes, but: Collection[str] = ()) -> object:
    """What the text writes. Raises NamedTwice where an object names a member twice, with two values.

    `but`: members of which the last value may count.
    """
    return json.loads(text, object_pairs_hook=partial(named_once, but=but) if but else named_once)


def named_once(pairs: Sequence[tuple[str, object]], but: Collection[str] = ()) -> dict[str, object]:
    """A JSON object of these members, for a decoder. Raises NamedTwice."""
    table = dict(pairs)
    if len(table) < len(pairs):
        for name, value in pairs:
            if table[name] != value and name not in but:
                raise NamedTwice(name, value, table[name])
    return table
