"""Rows of Excel files."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

from promptopt.errors import DataError
from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.tables import check_header, needed

_UNSAVED = re.compile(rb"(?:</f>|<f[^<>]{0,200}/>)\s{0,9}(?:<v\s?/>|<v></v>)?\s{0,9}</c>")
"""A formula without a value behind it."""


def spreadsheet(path: Path) -> Iterator[Row]:
    """The rows of the first sheet that shows a table of two columns or more, else of the first that holds anything.

    Its header is below what stands alone in a row, a title. Cells that are merged have one value.
    """
    return (row for _, row in numbered(path))


def numbered(path: Path) -> Iterator[tuple[int, Row]]:
    """The same, each with its number in the sheet."""
    calamine = needed("python_calamine", "python-calamine", path)
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        shown = [each.name for each in book.sheets_metadata if each.visible == calamine.SheetVisibleEnum.Visible]
        sheets = (_sheet_rows(book.get_sheet_by_name(name)) for name in shown)
        filled = (rows for rows in sheets if rows)
        first = next(filled, dict[int, list[Any]]())
        rows = next((each for each in chain([first], filled) if len(each) > 1 and _width(_top(each)) > 1), first)
    except (calamine.CalamineError, ValueError) as cause:
        raise DataError(f"{path} is no readable Excel file ({cause}); save it again, or as CSV") from cause
    header = [str(_json_value(name)).strip() for name in _top(rows)]
    while header and not header[-1]:
        header.pop()
    check_header(path, [name for name in header if name])
    for number, row in islice(rows.items(), 1, None):
        values = [_json_value(value) for value in row[: len(header)]]
        if any(value != "" for value in values):
            # A row may end before the header does.
            yield number, dict(zip(header, values, strict=False))


def sheets_beside(path: Path, column: str) -> str:
    """The first visible sheet whose table has `column`; empty where none has."""
    calamine = needed("python_calamine", "python-calamine", path)
    book = calamine.CalamineWorkbook.from_path(str(path))
    for each in book.sheets_metadata:
        if each.visible == calamine.SheetVisibleEnum.Visible:
            header = _top(_sheet_rows(book.get_sheet_by_name(each.name)))
            if column in [str(_json_value(name)).strip() for name in header]:
                return str(each.name)
    return ""


def without_results(path: Path) -> str:
    """Half a sentence where formulas of an Excel file have no results in it, as programs write them; else empty."""
    if path.suffix.lower() != ".xlsx" or not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as packed:
        sheets = [name for name in packed.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        unsaved = any(_UNSAVED.search(packed.read(name)) for name in sheets)
    return "; formulas in it have no saved results: save it once in a spreadsheet program" if unsaved else ""


def _sheet_rows(sheet: Any) -> dict[int, list[Any]]:
    """The rows of a sheet from its header on, by their numbers."""
    # A table may begin below the first row, or beside the first column.
    rows: list[list[Any]] = sheet.to_python(skip_empty_area=True)
    header = next((place for place, row in enumerate(rows) if _width(row) > 1), 0)
    # Calamine before 0.4 says nothing of merged cells.
    merged = getattr(sheet, "merged_cell_ranges", None) or ()
    top, left = sheet.start or (0, 0)
    for (first, begin), (last, end) in merged:
        # A title that is merged over its table names no column.
        for row in rows[first - top : last - top + 1] if first - top >= header else ():
            row[begin - left : end - left + 1] = [rows[first - top][begin - left]] * (end - begin + 1)
    return dict(enumerate(rows[header:], start=top + header + 1))


def _top(rows: dict[int, list[Any]]) -> list[Any]:
    return next(iter(rows.values()), list[Any]())


def _width(row: list[Any]) -> int:
    return sum(value != "" for value in row)


def _json_value(value: Any) -> object:
    """A value as JSON has it. A spreadsheet keeps every number as one with a fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, timedelta):
        # As [h]:mm:ss shows it, the format in which spreadsheets keep hours beyond a day.
        seconds = round(abs(value).total_seconds())
        hours = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return f"-{hours}" if value < timedelta() else hours
    return value.isoformat() if isinstance(value, date | datetime | time) else value
