"""Rows of separated values, CSV and TSV: with any of four separators, below notes, quoted as programs quote them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from promptopt.errors import DataError
from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.encoding import read_lines
from promptopt.tasks.reading.tables import check_header
from promptopt.text import counted

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLED_LINES = 200
"""Lines that the separator is found by. Ours."""
_TITLE_LINES = 10
"""Lines that a title may take, with blank ones. Ours."""
_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*"')
_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
_LARGEST = 2**31 - 1
"""Characters of a cell, where the csv module allows 131,072; the most that fits a C long everywhere."""


def separated(path: Path) -> Iterator[Row]:
    """The rows of values apart by comma, semicolon, tab or bar, whichever the head of the file shows."""
    return (row for _, row in separated_rows(path))


def separated_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The same, each with its number as spreadsheets count: what stands above the header counts, and blank lines."""
    csv.field_size_limit(_LARGEST)
    lines = read_lines(path)
    head = list(islice(lines, _SAMPLED_LINES))
    separator, skipped = _said_or_found(head, "\t" if path.suffix.lower() == ".tsv" else ",")
    head = head[skipped:]
    quote = _quote(head, separator)
    escaped = _escapes_quotes(head, separator, quote)
    record: list[str] = []

    def fed() -> Iterator[str]:
        for line in chain(head, lines):
            line = line.replace(f"\\{quote}", quote * 2) if escaped else line
            record.append(line)
            yield line

    form = _form_of(head, separator, quote)
    reader = csv.reader(fed(), **form)
    try:
        # Signs of no width, as pages and some editors leave them, would make another name.
        header = [name.strip("\u200b\ufeff").strip() for name in next(reader, list[str]())]
        # Spreadsheets leave empty columns at the end.
        while len(header) > 1 and not header[-1]:
            header.pop()
        check_header(path, header)
        width = len(header)
        record.clear()
        last: list[str] = []
        # As a spreadsheet numbers them: without notes above it the header is row 1.
        for number, values in enumerate(reader, start=skipped + 2):
            # The lines of the last record: a quotation mark may hold it open.
            last = record.copy()
            record.clear()
            if len(values) > width and not any(value.strip() for value in values[width:]):
                del values[width:]
            if len(values) == width:
                yield number, dict(zip(header, map(_text_in, values), strict=True))
            # A blank line is no row.
            elif values:
                _check_closed(last, form)
                where = f"row {number} (it ends on line {reader.line_num + skipped})"
                raise DataError(f"{path}: {where} has {_other_width(values, header, separator)}")
        _check_closed(last, form)
    except csv.Error as cause:
        raise DataError(
            f"{path}, line {reader.line_num + skipped}: {cause}; look for a quotation mark that is never closed"
        ) from cause


def _said_or_found(head: list[str], usual: str) -> tuple[str, int]:
    """The separator, and how many lines stand above the header: blank ones, notes, and Excel's own way to say it."""
    # A tab may be the separator that is named, so the line keeps its blanks.
    first = head[0].strip('\r\n"').lower() if head else ""
    said = first.startswith("sep=") and len(first) == 5
    skipped = 0
    while skipped < len(head) and (not head[skipped].strip() or (said and not skipped)):
        skipped += 1
    if said:
        return first[-1], skipped
    separator = usual if first == "sep=" else _separator(head[skipped:], usual)
    notes = _notes_above(head[skipped:], separator)
    return (_separator(head[skipped + notes :], usual), skipped + notes) if notes else (separator, skipped)


def _notes_above(head: list[str], separator: str) -> int:
    """How many lines stand above a header of several columns: notes that begin with "#", or a title, and no separator.

    A line without "#" is a title where a blank line follows, and then nothing but whole rows. So are lines of one
    value and empty cells behind it, as spreadsheets write a title, above a row in which every cell is full.
    """
    cells = list(csv.reader(head[:_TITLE_LINES], delimiter=separator))
    wide = next((place for place, row in enumerate(cells) if sum(map(bool, map(str.strip, row))) > 1), 0)
    # A quotation mark may hold several lines together.
    plain = all('"' not in line for line in head[:wide])
    even = all(len(row) == len(cells[wide]) for row in cells[:wide])
    # A header of an index without a name, ",text", has its value in another cell.
    first = not any(value.strip() for row in cells[:wide] for value in row[1:])
    if wide and plain and even and first and all(map(str.strip, cells[wide])):
        return wide
    notes = next((place for place, line in enumerate(head) if not line.startswith("#")), 0)
    alone = all(separator not in line for line in head[:notes])
    if notes and alone and _width(head[notes:]) > 1:
        return notes
    title = next((place for place, line in enumerate(head) if not line.strip()), 0)
    begins = next((place for place, line in enumerate(head) if place > title and line.strip()), 0)
    if not title or not begins or any(mark in line for line in head[:title] for mark in _SEPARATORS):
        return 0
    below = head[begins:]
    widths = {len(row) for row in csv.reader(below, delimiter=_separator(below, separator)) if row}
    return begins if len(widths) == 1 and widths.pop() > 1 else 0


def _width(lines: list[str]) -> int:
    return max((len(next(csv.reader(lines, delimiter=each), list[str]())) for each in _SEPARATORS), default=0)


def _quote(head: list[str], separator: str) -> str:
    """The quotation mark: `'` where no value has a `"` around it, and in some column all but the header have a `'`.

    A text that only begins with one, "'Tis", or that has one around a word of it, is not quoted.
    """
    if any(line.lstrip().startswith('"') or f'{separator}"' in line for line in head):
        return '"'
    apart = re.escape(separator)
    value = re.compile(rf"(?:^|(?<={apart}))\s*(?P<quoted>'(?:[^'\\]|\\.|'')*'\s*(?={apart}|$))?[^{apart}]*")
    # Where all are shown, the last row may go on after it.
    rows = [
        value.finditer(line.rstrip())
        for line in (head[1:-1] if len(head) == _SAMPLED_LINES else head[1:])
        if line.strip()
    ]
    quoted = [{place for place, found in enumerate(row) if found["quoted"]} for row in rows]
    return "'" if quoted and set[int].intersection(*quoted) else '"'


def _quotes_after_space(head: list[str], separator: str, quote: str) -> bool:
    """Whether quotation marks stand behind a space: `"a, b", "c"`. They would else be a part of the value."""
    # The first value stands behind no separator.
    values = [value for row in csv.reader(head, delimiter=separator, quotechar=quote) for value in row[1:]]
    return any(value[:1] == " " and value.lstrip(" ")[:1] == quote for value in values)


def _escapes_quotes(head: list[str], separator: str, quote: str) -> bool:
    r"""Whether a backslash stands before quotation marks inside of quoted values, as databases write them.

    Before the end of a value it may be a backslash of its own: `"C:\\"`.
    """
    return any(re.search(rf"\\{quote}(?!{quote}|{re.escape(separator)}|\s*$)", line) for line in head)


def _has_bare_quotes(head: list[str], separator: str) -> bool:
    """Whether quotation marks are a part of the values: in tables by tabs, which need none, they mostly are.

    So it is where every line is a whole row, and some value begins with a mark and does not end as a quoted one does.
    Read as quotes they would be lost, and hold rows together.
    """
    rows = [line.rstrip("\r\n").split(separator) for line in head if line.strip()]
    if separator != "\t" or not rows or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return False
    return any(value.startswith('"') and not _QUOTED_CELL.fullmatch(value) for row in rows for value in row)


def _separator(head: list[str], usual: str) -> str:
    """The usual one where it makes a table; else the one that does, with the most columns; else the header's."""
    tables: list[tuple[int, str]] = []
    headers: list[tuple[int, str]] = []
    for separator in (usual, *(each for each in _SEPARATORS if each != usual)):
        widths = [len(values) for values in csv.reader(head, delimiter=separator) if values]
        if len(head) == _SAMPLED_LINES:
            # The last row may go on after what is shown.
            widths = widths[:-1] if len(widths) > 2 else widths
        if widths and widths[0] > 1:
            headers.append((widths[0], separator))
            if len(set(widths)) == 1:
                tables.append((widths[0], separator))
    for found in (tables, headers):
        if any(separator == usual for _, separator in found):
            return usual
        if found:
            return max(found, key=lambda each: each[0])[1]
    return usual


def _other_width(values: list[str], header: list[str], separator: str) -> str:
    advice = (
        f"put quotes around a text that holds the separator ({_separator_name(separator)})"
        if len(values) > len(header)
        else f"write all of them, with {_separator_name(separator)} beside an empty one, and quotes around a text that "
        f"holds a line break"
    )
    found = counted(len(values), "value")
    return f"{found} where the header has {len(header)} ({', '.join(header)}); {advice}"


def _form_of(head: list[str], separator: str, quote: str) -> dict[str, Any]:
    """How values are set apart and quoted, as the csv module is told."""
    return {
        "delimiter": separator,
        "quotechar": quote,
        "skipinitialspace": _quotes_after_space(head, separator, quote),
        "quoting": csv.QUOTE_NONE if _has_bare_quotes(head, separator) else csv.QUOTE_MINIMAL,
    }


def _check_closed(lines: list[str], form: dict[str, Any]) -> None:
    """Raises csv.Error where the last record of the file is one that a quotation mark holds open."""
    try:
        for _ in csv.reader(lines, strict=True, **form):
            pass
    except csv.Error as cause:
        # The csv module has no class of its own for this: its words tell it from other faults.
        if "unexpected end" in str(cause):
            raise


def _text_in(value: str) -> str:
    """A value without what keeps Excel from reading it as a number or a date: `="0012"`."""
    kept = _TEXT_FORMULA.fullmatch(value) if value.startswith('="') else None
    return value if kept is None else kept[1].replace('""', '"')


def _separator_name(separator: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}.get(separator, repr(separator))
