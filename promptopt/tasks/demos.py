"""Demonstrations as JSON: what results and exported prompts keep of them, and how they are read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from promptopt.errors import DataError
from promptopt.types import Example


def demo_to_json(demo: Example) -> dict[str, Any]:
    """The inputs by name beside the `target`.

    Where there is more than that, `{"fields": {…}, "target": …, "accepted": […], …}`. An input may have any name but
    `target`, and is always a text, so the two forms cannot be confused.
    """
    more = {"accepted": list(demo.accepted), "rejected": list(demo.rejected), "solution": demo.solution}
    if not any(more.values()):
        return {**dict(demo.fields), "target": demo.target}
    return {"fields": dict(demo.fields), "target": demo.target, **{name: kept for name, kept in more.items() if kept}}


def demo_from_json(given: object) -> Example:
    """The inverse of `demo_to_json`. Raises DataError for what is no demonstration, as a file of a user's may hold."""
    if not isinstance(given, Mapping):
        raise DataError(f"a demonstration is {given!r:.60}; write an object of its inputs and its 'target'")
    data = cast("Mapping[str, object]", given)
    if data.get("target") is None:
        raise DataError(f"a demonstration has only {', '.join(map(repr, data))}, and lacks its 'target'; add it")
    target, inputs = str(data["target"]), data.get("fields")
    if not isinstance(inputs, dict):
        return Example(tuple((name, str(value)) for name, value in data.items() if name != "target"), target)
    fields = tuple((name, str(value)) for name, value in cast("dict[str, object]", inputs).items())
    accepted, rejected = (_listed_texts(data, name) for name in ("accepted", "rejected"))
    return Example(fields, target, accepted, rejected, str(data.get("solution", "")))


def _listed_texts(data: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = data.get(name, [])
    listed = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(each, str) for each in listed):
        raise DataError(f"{name!r} of a demonstration is {value!r:.60}; write a list of texts")
    return tuple(map(str, listed))
