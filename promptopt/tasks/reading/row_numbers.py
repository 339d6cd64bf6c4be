"""Where an entry of a file stands, as messages about it say."""

from __future__ import annotations

from pathlib import Path

TABLES = (".csv", ".tsv", ".xlsx")
"""Endings of files that begin with a header, and whose cells hold lists as JSON."""


def row_at(path: Path, number: int) -> int:
    """The row of a file that its `number`-th entry (from 1) stands in, as spreadsheets count: a header is row 1."""
    return number + 1 if path.suffix.lower() in TABLES else number


def where_is(path: Path, number: int) -> str:
    """`FILE, row N`, for the `number`-th entry (from 1) of a file."""
    return f"{path}, row {row_at(path, number)}"
