"""Rows of Parquet and Arrow files, and of folders that `datasets` saves.

What a library is needed for is imported when such a file is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.features import class_names_of, names_in, with_class_names
from promptopt.tasks.reading.json_objects import tables_among

_SPLITS = {"validation": "dev", "valid": "dev", "val": "dev", "dev": "dev", "test": "test", "train": "train"}
"""What public data sets call their splits."""


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
    for row in map(_plain_row, batch.to_pylist()):
        yield with_class_names(row, names) if names else row


def _plain_row(row: Mapping[str, Any]) -> Row:
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
    names = _json_of(listed).get("splits", [])
    found = {_SPLITS.get(name, name): path / name for name in _names_beside(listed, names)}
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
    # Not all that lies there: `datasets` leaves its caches (`cache-….arrow`) beside the data.
    entries = tables_among(_json_of(state).get("_data_files")) if state.is_file() else []
    files = [path / name for name in _names_beside(state, [entry.get("filename") for entry in entries])]
    if not files:
        files = sorted((*path.glob("*.arrow"), *path.glob("*.parquet")))
    if not files:
        raise DataError(
            f"{path} is a folder without Arrow or Parquet files; name a data file{_data_files(path)}, or a saved data "
            f"set"
        )
    described = path / "dataset_info.json"
    names = class_names_of(_json_of(described) if described.is_file() else None)
    for file in files:
        if not file.is_file():
            raise DataError(
                f"{path} lacks {file.name}, a part of the data set; copy the whole folder, or save it again"
            )
        for row in (parquet if file.suffix == ".parquet" else arrow)(file):
            yield with_class_names(row, names) if names else row


def _data_files(path: Path) -> str:
    """The tables in a folder, as half a sentence."""
    names = sorted(
        each.name for each in path.iterdir() if each.suffix.lower() in (".csv", ".tsv", ".jsonl", ".json", ".xlsx")
    )
    return f" in it, such as {' or '.join(names[:2])}" if names else ""


def _names_beside(path: Path, given: object) -> list[str]:
    """The names of files or folders that stand beside `path`, which gives them. Raises DataError for anything else."""
    names = cast("list[object]", given) if isinstance(given, list) else [given]
    for name in names:
        # A data set may be a stranger's, and other files are none of its business.
        if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
            raise DataError(
                f"{path} names a part {repr(name)[:60]}, which is none beside it; save the data set again with "
                f"`save_to_disk`"
            )
    return [str(name) for name in names]


def _json_of(path: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as cause:
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
