"""Where an entry of a file stands, as messages about it say."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

Where = Callable[[], str]
"""Says where a row stands, once something is wrong with it: tables are read once more for that."""
TABLES = (".csv", ".tsv", ".xlsx")
"""Endings of files that begin with a header, and whose cells hold lists as JSON."""


def row_at(path: Path, number: int) -> int:
    """The row of a file that its `number`-th entry (from 1) stands in, as spreadsheets count: a header is row 1.

    Tables are read once more for it, as titles, notes and empty rows count too.
    """
    if path.suffix.lower() not in TABLES:
        return number
    rows = _in_table(path, path.stat().st_mtime_ns) if path.is_file() else ()
    return rows[number - 1] if number <= len(rows) else number + 1


@lru_cache(maxsize=4)
def _in_table(path: Path, changed: int) -> array[int]:
    """Where the rows of a table stand in it; `changed`: when it was written, in nanoseconds."""
    # A module for each kind: one of them needs a library.
    from promptopt.tasks.reading.separated import separated_rows
    from promptopt.tasks.reading.workbooks import numbered

    return array("Q", (number for number, _ in (numbered if path.suffix.lower() == ".xlsx" else separated_rows)(path)))


def where_is(path: Path, number: int) -> str:
    """`FILE, row N`, for the `number`-th entry (from 1) of a file."""
    return f"{path}, row {row_at(path, number)}"
