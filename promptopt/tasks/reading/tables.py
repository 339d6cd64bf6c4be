"""Rows of files that are tables: separated values, Parquet and Arrow, and folders that `datasets` saves.

What a library is needed for is imported when such a file is read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.encoding import read_lines
from promptopt.tasks.reading.features import named, names_in, names_of
from promptopt.text import counted

_SEPARATORS = (",", ";", "\t", "|")
_SHOWN = 200
"""Lines that the separator is found by."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_LARGEST = 2**31 - 1
"""Characters of a cell, where the csv module allows 131,072; the most that fits a C long everywhere."""
_SPLITS = {"validation": "dev", "valid": "dev", "val": "dev", "dev": "dev", "test": "test", "train": "train"}
"""What public data sets call their splits."""


def separated(path: Path) -> Iterator[Row]:
    """The rows of values apart by comma, semicolon, tab or bar, whichever the head of the file shows."""
    csv.field_size_limit(_LARGEST)
    lines = read_lines(path)
    head = list(islice(lines, _SHOWN))
    separator, skipped = _said_or_found(head, "\t" if path.suffix.lower() == ".tsv" else ",")
    head = head[skipped:]
    escaped = _escapes_quotes(head, separator)
    record: list[str] = []

    def fed() -> Iterator[str]:
        for line in chain(head, lines):
            line = line.replace('\\"', '""') if escaped else line
            record.append(line)
            yield line

    form = _form_of(head, separator)
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
        # As a spreadsheet numbers them: the header is row 1.
        for number, values in enumerate(reader, start=2):
            # The lines of the last record: a quotation mark may hold it open.
            last = record.copy()
            record.clear()
            if len(values) > width and not any(value.strip() for value in values[width:]):
                del values[width:]
            if len(values) == width:
                yield dict(zip(header, values, strict=True))
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
    """How many lines stand above a header of several columns that begin with "#" and have no separator."""
    notes = next((place for place, line in enumerate(head) if not line.startswith("#")), 0)
    alone = all(separator not in line for line in head[:notes])
    return notes if notes and alone and _width(head[notes:]) > 1 else 0


def _width(lines: list[str]) -> int:
    return max((len(next(csv.reader(lines, delimiter=each), list[str]())) for each in _SEPARATORS), default=0)


def _quotes_after_space(head: list[str], separator: str) -> bool:
    """Whether quotation marks stand behind a space: `"a, b", "c"`. They would else be a part of the value."""
    # The first value stands behind no separator.
    values = [value for row in csv.reader(head, delimiter=separator) for value in row[1:]]
    return any(value[:1] == " " and value.lstrip(" ")[:1] == '"' for value in values)


def _escapes_quotes(head: list[str], separator: str) -> bool:
    r"""Whether a backslash stands before quotation marks inside of quoted values, as databases write them.

    Before the end of a value it may be a backslash of its own: `"C:\\"`.
    """
    return any(re.search(rf'\\"(?!"|{re.escape(separator)}|\s*$)', line) for line in head)


def _has_bare_quotes(head: list[str], separator: str) -> bool:
    """Whether quotation marks are a part of the values: in tables by tabs, which need none, they mostly are.

    So it is where every line is a whole row, and some value begins with a mark and does not end as a quoted one does.
    Read as quotes they would be lost, and hold rows together.
    """
    rows = [line.rstrip("\r\n").split(separator) for line in head if line.strip()]
    if separator != "\t" or not rows or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return False
    return any(value.startswith('"') and not _QUOTED.fullmatch(value) for row in rows for value in row)


def _separator(head: list[str], usual: str) -> str:
    """The usual one where it makes a table; else the one that does, with the most columns; else the header's."""
    tables: list[tuple[int, str]] = []
    headers: list[tuple[int, str]] = []
    for separator in (usual, *(each for each in _SEPARATORS if each != usual)):
        widths = [len(values) for values in csv.reader(head, delimiter=separator) if values]
        if len(head) == _SHOWN:
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
        f"put quotes around a text that holds the separator ({_named(separator)})"
        if len(values) > len(header)
        else f"write all of them, with {_named(separator)} beside an empty one, and quotes around a text that holds a "
        f"line break"
    )
    found = counted(len(values), "value")
    return f"{found} where the header has {len(header)} ({', '.join(header)}); {advice}"


def _form_of(head: list[str], separator: str) -> dict[str, Any]:
    """How values are set apart and quoted, as the csv module is told."""
    return {
        "delimiter": separator,
        "skipinitialspace": _quotes_after_space(head, separator),
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


def _named(separator: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}.get(separator, repr(separator))


def check_header(path: Path, header: list[str]) -> None:
    """Raises DataError where two columns have one name."""
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise DataError(f"{path}: the header names the column {repeated[0]!r} twice; rename one of them")


def parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file."""
    library = needed("pyarrow.parquet", "pyarrow", path)
    try:
        stored = library.ParquetFile(path)
        check_header(path, stored.schema_arrow.names)
        for batch in stored.iter_batches(batch_size=4096):
            yield from _rows_of(batch)
    except DataError:
        raise
    except (ValueError, OSError, NotImplementedError) as cause:
        _check_system(cause)
        raise DataError(f"{path} is no readable Parquet file ({cause}); write it again") from cause


def arrow(path: Path) -> Iterator[Row]:
    """The rows of an Arrow file, as `datasets` and Feather write it: a stream, or a file with random access."""
    ipc = needed("pyarrow.ipc", "pyarrow", path)
    try:
        with path.open("rb") as source:
            # So a file with random access begins; a stream has no mark.
            whole = source.read(6) == b"ARROW1"
            source.seek(0)
            if whole:
                stored = ipc.open_file(source)
                batches = (stored.get_batch(number) for number in range(stored.num_record_batches))
            else:
                batches = iter(ipc.open_stream(source))
            for batch in batches:
                check_header(path, batch.schema.names)
                yield from _rows_of(batch)
    except DataError:
        raise
    except (ValueError, OSError, NotImplementedError) as cause:
        _check_system(cause)
        raise DataError(f"{path} is no readable Arrow file ({cause}); write it again") from cause


def _check_system(cause: Exception) -> None:
    """Raise what the operating system said; some of pyarrow's own errors are of its kind in name only."""
    if isinstance(cause, OSError) and cause.errno is not None:
        raise cause


def _rows_of(batch: Any) -> Iterator[Row]:
    """The rows of a batch. Times to the nanosecond, which Python has no type for, are texts."""
    library: Any = import_module("pyarrow")
    for place, field in enumerate(batch.schema):
        if str(field.type).startswith("timestamp[ns"):
            batch = batch.set_column(place, field.name, batch.column(place).cast(library.string()))
        elif str(field.type) == "duration[ns]":
            batch = batch.set_column(place, field.name, batch.column(place).cast(library.duration("us"), safe=False))
    names = names_in(batch.schema.metadata)
    for row in map(_plain, batch.to_pylist()):
        yield named(row, names) if names else row


def _plain(row: Mapping[str, Any]) -> Row:
    return {name: _plain_cell(value) for name, value in row.items()}


def _plain_cell(value: Any) -> object:
    """A cell of Parquet or Arrow as JSON would have it: text that is stored as bytes, times and decimals as texts."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value  # an error only where the column is used
    if isinstance(value, date | time | timedelta | Decimal | UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain_cell(each) for each in cast("Sequence[Any]", value)]
    if isinstance(value, dict):
        return {str(name): _plain_cell(each) for name, each in cast("dict[Any, Any]", value).items()}
    return value


def saved_splits(path: Path) -> Mapping[str, Path]:
    """For `train`, `dev` and `test` what is read: folders of a saved `DatasetDict`; anything else is all `train`.

    Splits of other names are read after `train`, as more of it, where there is none of that name.
    """
    listed = path / "dataset_dict.json"
    if not listed.is_file():
        return {"train": path}
    names = cast("list[str]", _json_of(listed).get("splits", []))
    found = {_SPLITS.get(name, name): path / name for name in names}
    if "train" not in found:
        first = next((name for name in found if name not in ("dev", "test")), next(iter(found), ""))
        if not first:
            raise DataError(f"{path} is a saved data set without a split; save it again with `save_to_disk`")
        found["train"] = found.pop(first)
    return {name: found[name] for name in ("train", "dev", "test") if name in found}


def saved(path: Path) -> Iterator[Row]:
    """The rows of a folder that `save_to_disk` wrote, all its splits in turn, or that holds Arrow or Parquet files."""
    for folder in saved_splits(path).values():
        yield from _saved_rows(folder)


def _saved_rows(path: Path) -> Iterator[Row]:
    state = path / "state.json"
    entries = cast("list[dict[str, str]]", _json_of(state).get("_data_files", [])) if state.is_file() else []
    files = [path / entry["filename"] for entry in entries]
    if not files:
        files = sorted((*path.glob("*.arrow"), *path.glob("*.parquet")))
    if not files:
        raise DataError(
            f"{path} is a folder without Arrow or Parquet files; name a data file{_data_files(path)}, or a saved data "
            f"set"
        )
    described = path / "dataset_info.json"
    names = names_of(_json_of(described) if described.is_file() else None)
    for file in files:
        if not file.is_file():
            raise DataError(
                f"{path} lacks {file.name}, a part of the data set; copy the whole folder, or save it again"
            )
        for row in (parquet if file.suffix == ".parquet" else arrow)(file):
            yield named(row, names) if names else row


def _data_files(path: Path) -> str:
    """The tables in a folder, as half a sentence."""
    names = sorted(
        each.name for each in path.iterdir() if each.suffix.lower() in (".csv", ".tsv", ".jsonl", ".json", ".xlsx")
    )
    return f" in it, such as {' or '.join(names[:2])}" if names else ""


def _json_of(path: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as cause:
        raise DataError(f"{path} cannot be read ({cause}); save the data set again with `save_to_disk`") from cause
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def needed(module: str, package: str, path: Path) -> Any:
    """The library that reads `path`. Raises ConfigError where it is not installed."""
    # A file that is not there needs no library.
    path.stat()
    try:
        return import_module(module)
    except ImportError as cause:
        raise ConfigError(
            f"reading {path} needs {package}; install it with `pip install {package}`, or convert the file to CSV"
        ) from cause
