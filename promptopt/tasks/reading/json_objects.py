"""Tables (JSON objects) out of what a file holds, which may be anything."""

from __future__ import annotations

from typing import cast


def table_of(value: object) -> dict[str, object]:
    """The value where it is a table, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def tables_among(value: object) -> list[dict[str, object]]:
    """The tables of a list, without whatever else is in it; none where the value is no list."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]


def list_of_tables(value: object) -> list[dict[str, object]]:
    """The list where all that is in it are tables; else an empty one."""
    tables = tables_among(value)
    return tables if isinstance(value, list) and len(tables) == len(cast("list[object]", value)) else []
