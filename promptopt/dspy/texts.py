"""A value of a DSPy field as a text, the same one in every process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from promptopt.dspy.untyped import serialized
from promptopt.programs.outputs import without_addresses

DEEPEST = 8
"""Values within values that are looked into; what lies deeper is told as Python tells it. Ours."""


def value_as_text(value: Any) -> str:
    """A text as it is, else JSON, else what it says of itself."""
    if isinstance(value, str):
        return value
    try:
        # Sorted: equal values are one text, in whatever order they were made.
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError):
        return _json_or_text(_as_json_value(value, DEEPEST)) if varies(value) else repr(value)


def plain(value: Any) -> Any:
    """The value in what JSON knows, as DSPy writes it into a request; where that varies by process, `as_text`."""
    # Most values are texts, which need none of DSPy's machinery.
    if isinstance(value, str | int | float | None):
        return value
    return value_as_text(value) if varies(value) else serialized(value)


def value_as_shown(value: Any) -> str:
    """What DSPy shows of a value; where that is another text in every process, `as_text`."""
    found = plain(value)
    return json.dumps(found, ensure_ascii=False) if isinstance(found, dict | list) else str(found)


def varies(value: Any, depth: int = DEEPEST) -> bool:
    """Whether Python tells a value otherwise in every process: by where it lies in memory, or as a set, by hashes."""
    if isinstance(value, str | int | float | None):
        return False
    if isinstance(value, set | frozenset):
        return True
    if isinstance(value, Mapping | list | tuple) and depth:
        table = cast("Mapping[Any, Any] | list[Any] | tuple[Any, ...]", value)
        return any(varies(each, depth - 1) for each in (table.values() if isinstance(table, Mapping) else table))
    said = repr(cast("Any", value))
    return said != without_addresses(said)


def _as_json_value(value: Any, depth: int) -> Any:
    """The value in what JSON knows: sets in order, objects as what they hold."""
    if isinstance(value, str | int | float | None) or not depth:
        return value if depth else without_addresses(repr(value))
    if isinstance(value, Mapping):
        table = cast("Mapping[Any, Any]", value)
        return {str(name): _as_json_value(each, depth - 1) for name, each in table.items()}
    if isinstance(value, list | tuple | set | frozenset):
        held = [_as_json_value(each, depth - 1) for each in cast("list[Any]", value)]
        return sorted(held, key=_json_or_text) if isinstance(value, set | frozenset) else held
    said = repr(value)
    plain = without_addresses(said)
    if plain == said or not hasattr(value, "__dict__"):
        return plain
    held_by = cast("dict[str, Any]", vars(value))
    return {"is": type(value).__qualname__, **{name: _as_json_value(each, depth - 1) for name, each in held_by.items()}}


def _json_or_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
