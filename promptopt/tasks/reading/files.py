"""Rows from a user's file: CSV, TSV, Excel, JSON, JSON Lines, Parquet, Arrow, OpenAI-Evals samples.

Files are read as streams; of very long ones a seeded sample is kept, so memory does not grow with the file. Every
complaint names the file, the row or line, what was found, and what to do.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import cast

from promptopt.errors import ConfigError, DataError
from promptopt.json_members import NamedTwice, read_json
from promptopt.tasks.reading.chat_exports import exported
from promptopt.tasks.reading.chat_messages import is_message
from promptopt.tasks.reading.chat_platforms import is_list_of_turns, is_whole
from promptopt.tasks.reading.chat_rows import conversations_of
from promptopt.tasks.reading.columns import ColumnRoles, Columns, Row, listed_columns, row_calls_a_tool
from promptopt.tasks.reading.encoding import read_lines
from promptopt.tasks.reading.evals import fold_sample, is_sample
from promptopt.tasks.reading.headers import looks_like_data, without_header
from promptopt.tasks.reading.json_tables import rows_in
from promptopt.tasks.reading.missing_columns import why_missing
from promptopt.tasks.reading.row_numbers import TABLES, row_at
from promptopt.tasks.reading.separated import separated
from promptopt.tasks.reading.tables import arrow, parquet, saved
from promptopt.tasks.reading.transcripts import turn_columns
from promptopt.tasks.reading.whatsapp import LINES_LOOKED_AT, exchanged, is_exported
from promptopt.tasks.reading.workbooks import spreadsheet, without_results
from promptopt.text import counted
from promptopt.types import Example
from promptopt.types.identity import object_in

_UNPACKED = {".gz": "gunzip -k", ".zip": "unzip", ".bz2": "bunzip2 -k", ".xz": "unxz -k", ".zst": "unzstd"}
_TEXT_SUFFIXES = (".txt", ".log", ".md")
ROWS_KEPT = 50_000
"""The most rows kept of one file. Ours."""


@dataclass(frozen=True, slots=True)
class FileContents:
    """What a file held. `prompt`: the system message that all OpenAI-Evals samples share, if there is one."""

    examples: tuple[Example, ...]
    prompt: str | None = None
    warnings: tuple[str, ...] = ()


def read_examples(path: Path, columns: Columns, *, seed: int = 0, most: int = ROWS_KEPT) -> FileContents:
    """The examples in a file. Without an input column, the file has to hold OpenAI-Evals samples.

    Raises DataError for what is wrong with the file, ConfigError when it is not said which column is the input.
    """
    if columns.input is not None:
        roles = ColumnRoles.of(columns.input, columns.target, columns.rejected, columns.solution, columns.group)
        return examples_from(path, read_rows(path), roles, seed=seed, most=most)
    rows = read_rows(path)
    first = next(rows)
    if not is_sample(first) or any(each is not None for each in (columns.rejected, columns.solution, columns.group)):
        raise ConfigError(
            f"which column of {path} is the input? it has {listed_columns(first)}; say "
            f"columns=Columns(input='…', target='…')"
        )
    samples = [row for _, row in _reservoir(chain([first], rows), most, seed)[0]]
    folded = [fold_sample(path, sample) for sample in samples]
    systems = {system: None for system, _ in folded}
    if len(systems) == 1:
        prompt = next(iter(systems))
        return FileContents(tuple(example for _, example in folded), prompt if prompt else None)
    # Samples of several system messages have no one prompt to start from: each keeps its own in its input.
    whole = (Example((("input", f"{s}\n\n{e['input']}".strip()),), e.target, e.accepted) for s, e in folded)
    return FileContents(tuple(whole))


def examples_from(
    path: Path, rows: Iterator[Row], columns: ColumnRoles, *, seed: int = 0, most: int = ROWS_KEPT
) -> FileContents:
    """`rows` as examples, a seeded sample of `most` of them. Rows with a blank input are left out, with a warning.

    Raises DataError for a column that is not there, a row without a target, and whatever `ColumnRoles.example` refuses.
    """
    kept, total = _reservoir(rows, most, seed)
    if not kept:
        raise DataError(f"{path} has no rows; it needs at least one below its header")
    # JSON leaves out what is empty, so a row alone does not say which columns there are.
    settled = _settled_roles(path, columns, kept)
    read = [(number, settled.example(path, number, row)) for number, row in kept]
    examples = [
        (number, example) for number, example in read if example is not None and example.target not in columns.drop
    ]
    unlabelled = [example for _, example in examples if not example.target]
    if unlabelled and columns.target is not None:
        field, text = unlabelled[0].fields[0]
        raise DataError(
            f"{len(unlabelled)} of {counted(len(kept), 'row')} of {path} have nothing in the target column "
            f"{columns.target!r}, "
            f"such as the one with {field} {text[:60]!r}; fill them in or remove them{without_results(path)}"
        )
    warnings = _said_of_header(path, settled, [row for _, row in kept])
    blank = sum(example is None for _, example in read)
    if blank:
        warnings.append(f"{path.name}: {blank} row(s) with a blank input left out{without_results(path)}")
    unmatched = [number for number, example in examples if columns.options and not example.rejected]
    if unmatched:
        warnings.append(
            f"{path.name}: in {len(unmatched)} row(s), such as row {row_at(path, unmatched[0])}, {columns.options!r} "
            f"does not find the target and another option in the input: nothing is rejected there"
        )
    listed = path.suffix.lower() in TABLES
    calling = sum(row_calls_a_tool(row, settled, listed=listed) for _, row in kept)
    if calling:
        warnings.append(
            f"{path.name}: in {counted(calling, 'row')} a message calls a tool; it is written as name(arguments)"
        )
    if total > len(kept):
        warnings.append(
            f"{path.name} has {counted(total, 'row')}; a random {len(kept):,} of them (by the seed) are used"
        )
    return FileContents(tuple(example for _, example in examples), None, tuple(warnings))


_UNSAID = "target"
"""The column of the right answers where nobody names one."""


def _settled_roles(path: Path, columns: ColumnRoles, kept: Sequence[tuple[int, Row]]) -> ColumnRoles:
    rows = [row for _, row in kept]
    named = {name: None for row in rows for name in row}
    try:
        return columns.settled(path, named)
    except DataError as cause:
        wanted = (columns.target, *(names[0] for _, names in columns.inputs))
        lacking = [name for name in wanted if name is not None and name not in named]
        why = why_missing(path, lacking, kept) if lacking else ""
        if why:
            raise DataError(f"{path}: no column is named {lacking[0]!r}: {why}") from cause
        if lacking == [_UNSAID] and not looks_like_data(path, named):
            raise DataError(
                f"{str(cause).rstrip('.')}; name the column of the right answers as target under [data], or, where "
                f"there are none, give the task a [judge] table (docs/judges.md)"
            ) from cause
        headless = without_header(path, rows, tuple(named))
        if not headless and not looks_like_data(path, named):
            raise
        raise DataError(
            f"{cause}; the first row looks like data and not like names: write one with names above it"
        ) from cause


def _said_of_header(path: Path, columns: ColumnRoles, rows: Sequence[Row]) -> list[str]:
    """A sentence where the first row of a table seems to be one of its rows. `columns`: as they are settled."""
    used = (*(names[0] for _, names in columns.inputs), *(() if columns.target is None else (columns.target,)))
    headless = without_header(path, rows, used)
    if not headless:
        return []
    return [f"{path.name}: {headless}; if the first row is data, write a row of names above it: it is left out now"]


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, one mapping each, as a stream. Raises DataError where it cannot be read or is empty."""
    readers = {".csv": separated, ".tsv": separated, ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_rows,
               ".parquet": parquet, ".arrow": arrow, ".feather": arrow, ".xlsx": spreadsheet,
               # The Bot Framework's emulator saves its activities as JSON under this name.
               ".transcript": _json_rows}  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None and path.is_dir():
        reader = saved
    if reader is None and path.suffix.lower() == ".txt" and path.is_file():
        with _file_errors(path):
            reader = _whatsapp if is_exported(islice(read_lines(path), LINES_LOOKED_AT)) else None
    if reader is None:
        if path.suffix.lower() in (".gz", ".zip", ".bz2", ".xz", ".zst"):
            raise DataError(
                f"{path} is packed; unpack it, for example with `{_UNPACKED[path.suffix.lower()]} {path.name}`"
            )
        if path.suffix.lower() in _TEXT_SUFFIXES:
            raise DataError(
                f"{path} is a text, and not rows; where it holds a table, name it .csv or .tsv; where it holds chats, "
                f"make a .csv of a column 'transcript', with a chat in each row and its turns as lines such as "
                f"'Customer: …' and 'Agent: …'"
            )
        what = f"files ending in {path.suffix!r}" if path.suffix else "files without an ending"
        raise DataError(f"{path}: {what} are not read; convert it to one of {', '.join(readers)}")
    empty = True
    with _file_errors(path):
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A pipe may never say anything, and a device never end.
            raise DataError(f"{path} is a pipe or a device, and no file; name a file with the rows in it")
        for row in reader(path):
            empty = False
            yield row
    if empty:
        raise DataError(f"{path} has a header and no rows, or nothing at all; it needs at least one row of data")


_OF_OTHER_LINES = {
    "[": "; a file that is one JSON list has a name that ends in .json",
    "{": "; `jq -c . FILE > lines.jsonl` makes them of objects that stand in several",
}
"""By how a line begins that is no object, and holds nothing else."""


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                value = read_json(line)
            except json.JSONDecodeError as cause:
                raise DataError(
                    f"{path}, line {number}: not valid JSON ({cause.msg} at column {cause.colno}); each line has to be "
                    f"one whole JSON object{_OF_OTHER_LINES.get(line.strip(), '')}"
                ) from cause
            except (ValueError, RecursionError) as cause:
                raise DataError(f"{path}, line {number}: {_json_fault(cause)}") from cause
            yield _row_of_value(path, f"line {number}", value)


def _whatsapp(path: Path) -> Iterator[Row]:
    yield from exchanged(read_lines(path))


def _json_rows(path: Path) -> Iterator[Row]:
    text = "".join(read_lines(path))
    try:
        # An empty file is one without rows, and `read_rows` says so.
        value = read_json(text or "[]")
    except json.JSONDecodeError as cause:
        if cause.msg == "Extra data" and object_in(text.lstrip().partition("\n")[0]) is not None:
            # `datasets` and pandas write JSON Lines under this name.
            yield from _json_lines(path)
            return
        several = cause.msg == "Extra data" and text.lstrip().startswith("{")
        advice = "write one list, [{…}, {…}], or one whole object a line" if several else "repair it there"
        raise DataError(f"{path}, line {cause.lineno}: not valid JSON ({cause.msg}); {advice}") from cause
    except (ValueError, RecursionError) as cause:
        raise DataError(f"{path}: {_json_fault(cause)}") from cause
    rows = [value] if is_list_of_turns(value) else rows_in(value)
    if isinstance(value, dict) and rows and _is_one_chat(cast("Row", value), rows):
        rows = [cast("object", value)]
    if rows is None:
        members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        lists = [name for name, each in members.items() if isinstance(each, list)]
        several = f", and several lists: {', '.join(map(repr, lists[:4]))}" if len(lists) > 1 else ""
        raise DataError(
            f"{path} holds no list of rows{several}; write a JSON array of objects, or an object with one such array"
        )
    for number, entry in enumerate(rows, start=1):
        yield _row_of_value(path, f"row {number}", entry)


def _is_one_chat(document: Row, rows: Sequence[object]) -> bool:
    """Whether a document is one conversation: its rows are messages, and do not say which conversation they are of."""
    if is_whole(document):
        return True
    turns, named = all(map(is_message, rows)), document.get("messages") is rows
    if (
        not (turns or named)
        or not isinstance(rows[0], dict)
        or turn_columns(exported(cast("Row", rows[0]))) is not None
    ):
        return False
    # A table of texts may be called messages, and one of duties have a role in each row.
    return (turns and named) or bool(conversations_of([(1, document)]).conversations)


def _json_fault(cause: ValueError | RecursionError) -> str:
    """What is wrong with JSON that is well formed, and more than Python reads."""
    if isinstance(cause, RecursionError):
        return "the JSON is nested too deeply to be read; write flat objects with named values"
    if isinstance(cause, NamedTwice):
        return str(cause)
    return f"the JSON holds a number that is too long ({cause}); write it as a text"


def _row_of_value(path: Path, where: str, value: object) -> Row:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    if listed and (all(map(is_message, listed)) or is_list_of_turns(listed)):
        # A conversation that is a list of messages, with nothing around it.
        return {"messages": listed}
    if not isinstance(value, dict):
        found = type(cast("object", value)).__name__
        lines = found == "list" and where.startswith("line")
        hint = "; a file that is one JSON list has a name that ends in .json" if lines else ""
        raise DataError(f"{path}, {where}: found {found}, expected an object with named values{hint}")
    return cast("dict[str, object]", value)


def _reservoir(rows: Iterable[Row], most: int, seed: int) -> tuple[list[tuple[int, Row]], int]:
    """At most `most` rows with their numbers (from 1), each equally likely (algorithm R), in the order of the file.

    And how many there were.
    """
    # A stream of its own, so that a longer file moves no split.
    rng = random.Random(f"{seed}/rows")
    kept: list[tuple[int, Row]] = []
    total = 0
    for index, row in enumerate(rows):
        total += 1
        if index < most:
            kept.append((index + 1, row))
        # Not `randrange`, whose draws may change with the version of Python.
        elif (place := int(rng.random() * total)) < most:
            kept[place] = (index + 1, row)
    return sorted(kept, key=lambda entry: entry[0]), total


@contextmanager
def _file_errors(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except FileNotFoundError as cause:
        # A path takes one of the two slashes for nothing.
        if re.match(r"(?:https?|s3|gs|hf):/", str(path)):
            raise DataError(f"{path} is an address; fetch the file, and give its path here") from cause
        raise DataError(f"there is no file {path} (looked in {path.absolute().parent}); check the path") from cause
    except OSError as cause:
        raise DataError(
            f"{path} cannot be read: {cause.strerror if cause.strerror else cause}; check that you may read it"
        ) from cause
