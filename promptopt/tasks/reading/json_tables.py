"""The rows of a JSON document: a list of objects, an object that holds one, or a table as pandas writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

DEPTH = 3
"""Objects that may lie around the list of rows. Ours."""


def rows_in(value: object) -> Sequence[object] | None:
    """The rows of a document; None where nothing in it is clearly the rows.

    An object may hold one list of objects, or one list of any kind; its columns as lists of one length, or by the
    numbers of rows (pandas: `to_json()`); its rows by number (`orient="index"`); `columns` and `data` (`"split"`).
    """
    if isinstance(value, list):
        return cast("list[object]", value)
    return _rows_of(cast("Mapping[str, object]", value), DEPTH) if isinstance(value, dict) else None


def _rows_of(value: Mapping[str, object], depth: int) -> Sequence[object] | None:
    split = _split(value)
    if split is not None:
        return split
    lists = [cast("list[object]", entry) for entry in value.values() if isinstance(entry, list)]
    tables = [entry for entry in lists if entry and all(isinstance(row, dict) for row in entry)]
    if len(tables) == 1:
        return tables[0]
    if len(lists) == len(value) > 1 and not tables and len({len(entry) for entry in lists}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    # LangGraph's states have an empty list of what comes next beside the messages, which lie deeper.
    filled = any(lists)
    if filled and len(lists) == 1:
        return lists[0]
    objects = [cast("Mapping[str, object]", entry) for entry in value.values() if isinstance(entry, dict)]
    if objects and len(objects) == len(value):
        names = set(objects[0])
        # By a name of each row: more rows than columns, and the same columns in all.
        by_name = 1 < len(names) < len(objects) and all(set(each) == names for each in objects)
        if all(map(str.isdigit, value)) or by_name:
            return objects
        if objects[0] and all(map(str.isdigit, objects[0])) and all(list(o) == list(objects[0]) for o in objects):
            return [{name: column[row] for name, column in zip(value, objects, strict=True)} for row in objects[0]]
    # A list that lies deeper: {"result": {"rows": […]}}.
    found = [rows for entry in objects if depth > 1 and (rows := _rows_of(entry, depth - 1)) is not None]
    if len(found) == 1 and not filled:
        return found[0]
    return lists[0] if len(lists) == 1 else None


def _split(value: Mapping[str, object]) -> Sequence[object] | None:
    names, rows = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    listed = [cast("list[object]", row) for row in cast("list[object]", rows) if isinstance(row, list)]
    width = len(cast("list[object]", names))
    if len(listed) != len(cast("list[object]", rows)) or any(len(row) != width for row in listed):
        return None
    return [dict(zip(map(str, cast("list[object]", names)), row, strict=True)) for row in listed]
