"""Where an entry of a file stands, as messages about it say."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

TABLES = (".csv", ".tsv", ".xlsx")
"""Endings of files that begin with a header, and whose cells hold lists as JSON."""


def row_at(path: Path, number: int) -> int:
    """The row of a file that its `number`-th entry (from 1) stands in, as spreadsheets count: a header is row 1.

    Excel files are read once more for it, as titles and empty rows count too.
    """
    if path.suffix.lower() not in TABLES:
        return number
    if path.suffix.lower() != ".xlsx" or not path.is_file():
        return number + 1
    rows = _in_sheet(path, path.stat().st_mtime_ns)
    return rows[number - 1] if number <= len(rows) else number + 1


@lru_cache(maxsize=4)
def _in_sheet(path: Path, changed: int) -> tuple[int, ...]:
    """Where the rows of an Excel file stand in their sheet; `changed`: when it was written, in nanoseconds."""
    from promptopt.tasks.reading.workbooks import numbered

    return tuple(number for number, _ in numbered(path))


def where_is(path: Path, number: int) -> str:
    """`FILE, row N`, for the `number`-th entry (from 1) of a file."""
    return f"{path}, row {row_at(path, number)}"
