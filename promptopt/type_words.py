"""What a person calls the values of a type: "a whole number", "'ucb' or 'halving'"."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

IN_PYTHON: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
    type(None): "None",
}
"""Plain types as they are written in Python."""
IN_FILES: Mapping[Any, str] = {**IN_PYTHON, bool: "true or false", type(None): "none"}
"""Plain types as they are written in TOML and on the command line."""


def callable_name(thing: object) -> str:
    """What a person calls a function, or an object that is called as one: the object by its class; a text is a name."""
    return thing if isinstance(thing, str) else str(getattr(thing, "__qualname__", type(thing).__name__))


def in_words(hint: Any, plain: Mapping[Any, str], otherwise: Callable[[Any], str]) -> str:
    """The values of a type in words. `otherwise` names what is neither plain, nor a Literal, nor one of several types.

    What `otherwise` says of the arms of a union stands beside the others: "a text or a list".
    """
    if hint in plain:
        return plain[hint]
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(map(repr, arms))
    if origin in (types.UnionType, typing.Union):
        # Each once: two tables of a union are both "a table".
        return " or ".join(dict.fromkeys(in_words(arm, plain, otherwise) for arm in arms))
    return otherwise(hint)
