"""A comparison as a folder that another person can check and run again: its design, rows, numbers, tasks and calls."""

from __future__ import annotations

import json
import math
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from promptopt.comparison.cells import Row, TableCell, row_from
from promptopt.comparison.compare import compared
from promptopt.comparison.table import Comparison
from promptopt.errors import DataError
from promptopt.places import write_whole
from promptopt.store.copies import copy_runs
from promptopt.store.runs import Store
from promptopt.text import lines_of
from promptopt.types.identity import without_surrogates

FORMAT = 1
DESIGN = "comparison.json"
ROWS = "cells.jsonl"
STORE = "store.db"
TABLE = "table.txt"


@dataclass(frozen=True, slots=True)
class CommandDesign:
    """What was asked for: the options of the command line that all runs share, and the task that each name means.

    `config`: empty where the comparison was made from Python, which can be checked but not run again from here.
    """

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tasks: Mapping[str, str] = field(default_factory=dict[str, str])


def save(folder: Path, design: CommandDesign, found: Comparison, store: Store | None) -> None:
    """Write the folder, making it where it is missing. Raises OSError.

    `store`: where the runs are; their calls are copied, so that running them again asks no model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {name: _task_copied(folder, name, task) for name, task in design.tasks.items()}
    config = dict(design.config)
    if "data" in config:
        # Relative, so that the folder can be moved or sent.
        config["data"] = _copied(folder / "data", Path(config["data"])).relative_to(folder).as_posix()
    cells = [asdict(row.cell) for row in found.rows]
    said = {"format": FORMAT, "config": config, "tasks": tasks, "cells": cells, "result": found.to_json()}
    _write_text(folder / DESIGN, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    _write_text(folder / ROWS, "".join(json.dumps(row.to_json(), ensure_ascii=False) + "\n" for row in found.rows))
    _write_text(folder / TABLE, f"{found}\n")
    if store is not None:
        with Store(folder / STORE) as target:
            copy_runs(store, target, [row.run_id for row in found.rows if row.run_id])


def load(folder: Path) -> tuple[CommandDesign, Comparison]:
    """What `save` wrote; every number is computed anew from the rows, and held against those written.

    Raises DataError for a folder that is none of ours, of a newer version, or whose numbers do not follow.
    """
    try:
        said: Any = json.loads((folder / DESIGN).read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise DataError(f"{folder} was written by another version (format {said['format']}); upgrade promptopt")
        lines = lines_of((folder / ROWS).read_text(encoding="utf-8"))
        rows = [row_from(json.loads(line)) for line in lines if line]
        design = CommandDesign(said["config"], said["tasks"])
        found = compared([TableCell(**each) for each in said["cells"]], rows)
    except OSError as cause:
        raise DataError(
            f"{folder} holds no comparison ({cause.strerror}: {Path(str(cause.filename)).name}); name a folder that "
            f"`promptopt compare --out` wrote"
        ) from cause
    except (ValueError, KeyError, TypeError) as cause:
        raise DataError(
            f"the comparison in {folder} is damaged ({type(cause).__name__}: {cause}); make it again with "
            f"`promptopt compare --out`"
        ) from cause
    # Through JSON, as those written were: tuples are lists there.
    wrong = next(_differences("", said["result"], json.loads(json.dumps(found.to_json()))), None)
    if wrong is not None:
        raise DataError(f"the numbers in {folder / DESIGN} do not follow from {ROWS}: {wrong}; one of them was changed")
    return design, found


def differences(first: Row, second: Row) -> list[str]:
    """What two executions of one cell do not agree in; what each paid and how long it took may differ."""
    one, other = ({**row.to_json(), "paid": None, "seconds": None} for row in (first, second))
    return list(_differences("", json.loads(json.dumps(one)), json.loads(json.dumps(other))))


def _differences(place: str, first: Any, second: Any) -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        one, other = cast("dict[str, Any]", first), cast("dict[str, Any]", second)
        for name in dict.fromkeys([*one, *other]):
            if name not in one or name not in other:
                # Where there is no place before it, the name stands without a dot.
                yield f"{place}.{name} is missing"[1:] if not place else f"{place}.{name} is missing"
            else:
                yield from _differences(f"{place}.{name}" if place else name, one[name], other[name])
    elif isinstance(first, list) and isinstance(second, list):
        left, right = cast("list[Any]", first), cast("list[Any]", second)
        if len(left) != len(right):
            yield f"{place} has {len(left)} and {len(right)} entries"
            return
        for number, (old, new) in enumerate(zip(left, right, strict=True)):
            yield from _differences(f"{place}[{number}]", old, new)
    elif isinstance(first, float) and isinstance(second, float):
        # The last digits of a sum may differ between machines.
        if not math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{place} is {first} and {second}"
    elif first != second:
        yield f"{place} is {first!r} and {second!r}"


def _task_copied(folder: Path, name: str, task: str) -> str:
    """The task as the folder names it: a built-in one by its name, a file by its copy, its data beside it."""
    path = Path(task)
    if not task.endswith(".toml"):
        return task
    copy = _copied(folder / "tasks" / name, path)
    data: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("data", {})
    file: object = cast("dict[str, object]", data).get("file") if isinstance(data, dict) else None
    if isinstance(file, str) and (path.parent / file).is_file():
        held = copy.parent / Path(file).name
        shutil.copyfile(path.parent / file, held)
        if Path(file).name != file:
            # It stood elsewhere, and stands beside the file now.
            # In the text itself: a writer of TOML would lose the user's comments.
            _write_text(copy, path.read_text(encoding="utf-8").replace(f'"{file}"', f'"{Path(file).name}"'))
    return copy.relative_to(folder).as_posix()


def _copied(folder: Path, file: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    if target.resolve() != file.resolve():
        shutil.copyfile(file, target)
    return target


def _write_text(path: Path, text: str) -> None:
    write_whole(path, without_surrogates(text))


def rerun_cells(found: Comparison) -> Sequence[TableCell]:
    """The cells that came to a result, which their calls can reproduce."""
    return [row.cell for row in found.rows if row.run_id and row.measured]
