"""Why a column is not found, where the file shows it: its name lies in one piece, a later row, a column, a sheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.row_numbers import TABLES, row_at
from promptopt.tasks.reading.workbooks import sheets_beside

_LOOKED_AT = 5
"""Rows below the header in which its names may stand. Ours."""
_DEPTH = 6
"""Lists and objects within a column that are looked into. Ours."""
_APART = re.compile(r"[^\w]|_")


def why_missing(path: Path, wanted: Sequence[str], rows: Sequence[tuple[int, Row]]) -> str:
    """A sentence where the file shows why it lacks the column `wanted[0]`; else empty.

    `wanted`: all columns that were named. `rows`: the first rows, with their numbers from 1.
    """
    if not rows:
        return ""
    if path.suffix.lower() not in TABLES:
        return _deeper(wanted[0].rpartition(".")[2], rows[0][1])
    names = list(rows[0][1])
    # Around names in quotes a foreign mark leaves some of these: text^"mood".
    whole = names[0].replace('"', "") if len(names) == 1 else ""
    begins = whole.find(wanted[0])
    mark = (whole[begins - 1 : begins] or whole[len(wanted[0]) : len(wanted[0]) + 1]) if begins >= 0 else ""
    if mark and _APART.fullmatch(mark):
        if mark in ",;\t|":
            return f"the header and its rows stand in quotation marks as a whole ({whole!r}); take these marks off"
        return f"it has one column, {whole!r}, whose parts stand apart by {mark!r}; write commas in its place"
    for number, row in rows[:_LOOKED_AT]:
        if set(wanted) <= {str(value).strip() for value in row.values()}:
            return f"the names stand in row {row_at(path, number)}; take out what stands above"
    sheet = sheets_beside(path, wanted[0]) if path.suffix.lower() == ".xlsx" else ""
    return f"the sheet {sheet!r} has it; save that sheet as a file of its own" if sheet else ""


def _deeper(name: str, row: Row) -> str:
    """A sentence where a member of that name lies within a column of the row."""
    column = next((column for column, value in row.items() if _holds(name, value, _DEPTH)), None)
    if column is None:
        return ""
    return f"it stands within {column!r}; write a file with a row for each example and {name!r} as a column of its own"


def _holds(name: str, value: object, depth: int) -> bool:
    if isinstance(value, list):
        return depth > 0 and any(_holds(name, each, depth - 1) for each in cast("list[object]", value))
    if not isinstance(value, dict) or depth == 0:
        return False
    table = cast("dict[str, object]", value)
    return name in table or any(_holds(name, each, depth - 1) for each in table.values())
