"""Rows of Excel files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import chain
from pathlib import Path
from typing import Any

from promptopt.errors import DataError
from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.tables import check_header, needed


def spreadsheet(path: Path) -> Iterator[Row]:
    """The rows of the first sheet that shows a table of two columns or more, else of the first that holds anything.

    Its header is below what stands alone in a row, a title. Cells that are merged have one value.
    """
    calamine = needed("python_calamine", "python-calamine", path)
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        shown = [each.name for each in book.sheets_metadata if each.visible == calamine.SheetVisibleEnum.Visible]
        sheets = (_table(book.get_sheet_by_name(name)) for name in shown)
        filled = (rows for rows in sheets if rows)
        first = next(filled, list[list[Any]]())
        rows = next((each for each in chain([first], filled) if len(each) > 1 and _width(each[0]) > 1), first)
    except (calamine.CalamineError, ValueError) as cause:
        raise DataError(f"{path} is no readable Excel file ({cause}); save it again, or as CSV") from cause
    header = [str(_cell(name)).strip() for name in rows[0]] if rows else []
    while header and not header[-1]:
        header.pop()
    check_header(path, [name for name in header if name])
    for row in rows[1:]:
        values = [_cell(value) for value in row[: len(header)]]
        if any(value != "" for value in values):
            # A row may end before the header does.
            yield dict(zip(header, values, strict=False))


def _table(sheet: Any) -> list[list[Any]]:
    """The rows of a sheet from its header on."""
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
    return rows[header:]


def _width(row: list[Any]) -> int:
    return sum(value != "" for value in row)


def _cell(value: Any) -> object:
    """A value as JSON has it. A spreadsheet keeps every number as one with a fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat() if isinstance(value, date | datetime | time) else value
