"""Task files: TOML in, `Task` out. Strict: a key that nobody reads is an error that offers the nearest one.

name, description, labels, metric, answer, max_tokens, stop, instruction
[parts]       further prompt parts, frozen: `answer_format`, `system`
[splits]      train, dev, test: default sizes
[data]        where the examples are and which column is what (`Source` below)
[[layouts]]   name, messages or text; the first is the default. Demonstrations: `demos`, "turns" or a table of the
              patterns `user` and `assistant`, makes them turns of the chat; `demo`, a pattern, puts them into the text
[contract]    frozen, must_contain, must_not_contain, max_tokens
[tasks.NAME]  a family: each such table overrides the file's own keys for the task `<file>/NAME`
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.prompt_text import around, in_one_spelling, remarks
from promptopt.tasks.reading.columns import ColumnRoles, Solution, names_of
from promptopt.tasks.reading.files import FileContents, examples_from, read_rows
from promptopt.tasks.reading.hub import locate
from promptopt.tasks.reading.tables import saved_splits
from promptopt.tasks.several import several_right
from promptopt.tasks.splits import DEFAULT_SPLITS, Pool, Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Sampling

Table = Mapping[str, Any]

_KEYS = ("name", "description", "labels", "metric", "answer", "max_tokens", "stop", "instruction", "parts", "splits",
         "data", "layouts", "contract", "settings")  # fmt: skip
_SOLUTION_KEYS = tuple(entry.name for entry in fields(Solution))


@dataclass(frozen=True, slots=True)
class Source:
    """The `[data]` table. One of `file`, `home` and `generator` says where the examples are.

    `file`: beside the task file. `home`: for each split a path in the data home; `hub`: a `base` address at a pinned
    revision, and for each split what follows it; `{seed}` in both becomes one of `seeds`. `generator`:
    `module:function`, called with (`count`, 0). `input`: a column, a list of columns, or a table from field to column
    (or to a list of names it may have). `rejected`: a column or a list of them. `solution`: a column, or a table of
    `column`, `without` and `end`. These and the others: as in `tasks.reading.columns.ColumnRoles` and `Solution`.
    """

    file: str = ""
    home: Mapping[str, str] = field(default_factory=dict[str, str])
    hub: Mapping[str, str] = field(default_factory=dict[str, str])
    seeds: Sequence[int] = ()
    generator: str = ""
    count: int = 0
    input: str | Sequence[str] | Mapping[str, str | Sequence[str]] = "text"
    target: str | None = "target"
    classes: Mapping[str, str] | None = None
    target_after: str | None = None
    rejected: str | Sequence[str] = ()
    options: str = ""
    solution: str | Mapping[str, str] | None = None
    drop: Sequence[str] = ()
    group: str | None = None

    def columns(self) -> ColumnRoles:
        """Which columns become what. Raises ConfigError for what does not go together."""
        given = self.input if isinstance(self.input, Mapping) else {name: name for name in names_of(self.input)}
        solution = {"column": self.solution} if isinstance(self.solution, str) else self.solution
        return ColumnRoles(
            tuple((name, names_of(column)) for name, column in given.items()),
            self.target,
            self.classes,
            self.target_after,
            names_of(self.rejected),
            self.options,
            None if solution is None else Solution(**solution),
            tuple(self.drop),
            self.group,
        )


def load_task_file(
    path: str | Path, *, member: str = "", data: str | Path | None = None, splits: Splits = DEFAULT_SPLITS
) -> Task:
    """The task that a TOML file describes; `member` names one of a family. `data` replaces its examples.

    Raises DataError where a file is missing or unreadable, ConfigError for what the TOML says.
    """
    path = Path(path)
    table = read_table(path)
    family = cast("Mapping[str, Table]", table.pop("tasks", {}))
    if member:
        if member not in family:
            raise UnknownName("task", f"{path.stem}/{member}", (f"{path.stem}/{name}" for name in family))
        table = _merged(table, family[member])
    elif family:
        raise ConfigError(f"{path} describes several tasks; name one, such as '{path.stem}/{next(iter(family))}'")
    _only(path, "key", table, _KEYS)
    source = _source(path, table)
    pool = _pool(path, source, splits.seed) if data is None else _own_data(Path(data), source, splits.seed)
    return _task(path, table, pool, splits)


def read_table(path: Path) -> dict[str, Any]:
    """The TOML of a file. Raises DataError where there is none to be read, ConfigError where it is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as cause:
        raise DataError(f"the task file {path} cannot be read: {cause.strerror}; check the path") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise ConfigError(f"the task file {path} is not valid TOML: {cause}; repair it there") from cause


def _merged(base: Table, own: Table) -> dict[str, Any]:
    """`base` with the keys of `own` on top, table by table."""
    merged = dict(base)
    for key, value in own.items():
        below = base.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(cast("Table", below), cast("Table", value)) if both else value
    return merged


def _task(path: Path, table: Table, pool: Pool, splits: Splits) -> Task:
    parts = cast("dict[str, str]", table.get("parts", {}))
    initial = Prompt((("instruction", _required(path, table, "instruction")), *parts.items()))
    names = tuple(name for name, _ in pool.rows[0].fields) if pool.rows else ()
    layouts = tuple(_layout(path, entry) for entry in cast("list[Table]", table.get("layouts", [])))
    initial, layouts, marks = in_one_spelling(initial, layouts, names)
    if not layouts:
        initial, layouts = around(initial, names)
    said = remarks(initial, layouts, names, marks)
    labels = tuple(cast("list[str]", table.get("labels", [])))
    metric = str(table.get("metric", "exact"))
    pool = several_right(pool, metric)
    pool = replace(pool, warnings=(*pool.warnings, *said))
    clauses = cast("dict[str, Any]", table.get("contract", {}))
    _only(path, "contract clause", clauses, ("frozen", "must_contain", "must_not_contain", "max_tokens"))
    default = cast("dict[str, int]", table.get("splits", {}))
    _only(path, "split", default, ("train", "dev", "test"))
    task = Task(
        name=str(table.get("name", path.stem)),
        description=str(table.get("description", "")),
        initial=initial,
        layouts=layouts,
        marks=marks,
        labels=labels,
        metric=metric,
        answer=str(table.get("answer", "label" if labels else "text")),
        sampling=Sampling(max_tokens=int(table.get("max_tokens", 256)), stop=tuple(table.get("stop", ()))),
        contract=Contract(
            placeholders=names,
            frozen=tuple(clauses.get("frozen", ())),
            must_contain=tuple(clauses.get("must_contain", ())),
            must_not_contain=tuple(clauses.get("must_not_contain", ())),
            max_tokens=clauses.get("max_tokens"),
            frozen_parts=tuple(parts),
        ),
        pool=pool,
        settings=cast("dict[str, Table]", table.get("settings", {})),
    )
    wanted = {name: getattr(splits, name) for name in ("train", "dev", "test")}
    chosen = {name: default.get(name) if size is None else size for name, size in wanted.items()}
    return task.with_splits(chosen["train"], chosen["dev"], chosen["test"], splits.seed)


def _layout(path: Path, entry: Table) -> Layout:
    _only(path, "layout key", entry, ("name", "messages", "text", "demo", "demos"))
    messages = cast("list[list[str]]", entry.get("messages", []))
    for message in messages:
        if len(message) != 2 or message[0] not in ("system", "user", "assistant"):
            raise ConfigError(
                f"{path}: a message is {message!r}, expected [role, pattern], role one of system, user, …"
            )
    name, demos = _required(path, entry, "name"), _turns(path, entry)
    try:
        return Layout(
            name=name,
            messages=tuple((cast("Any", role), pattern) for role, pattern in messages),
            text=str(entry.get("text", "")),
            demo=str(entry.get("demo", "")),
            demos=demos,
        )
    except ConfigError as cause:
        raise ConfigError(f"{path}: {cause}") from cause


def _turns(path: Path, entry: Table) -> Turns | None:
    given: object = entry.get("demos")
    if given is None or given == "turns":
        return None if given is None else Turns()
    patterns: Table = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    _only(path, "turn", patterns, ("user", "assistant"))
    if not patterns or not all(isinstance(pattern, str) and pattern for pattern in patterns.values()):
        raise ConfigError(
            f'{path}: demos of layout {entry.get("name")!r} is {given!r}, expected "turns" or a table of the patterns '
            f"user and assistant"
        )
    return Turns(**patterns)


def _source(path: Path, table: Table) -> Source:
    data = cast("dict[str, Any]", table.get("data", {}))
    _only(path, "data key", data, tuple(entry.name for entry in fields(Source)))
    solution: object = data.get("solution")
    _only(path, "solution key", cast("Table", solution) if isinstance(solution, dict) else {}, _SOLUTION_KEYS)
    _check_texts(path, data)
    source = Source(**data)
    try:
        source.columns()
    except ConfigError as cause:
        raise ConfigError(f"{path}: [data] {cause}") from cause
    if bool(source.file) + bool(source.home) + bool(source.generator) != 1:
        raise ConfigError(f"{path}: [data] needs exactly one of file, home and generator to say where the examples are")
    return source


def _check_texts(path: Path, data: Table) -> None:
    """Raises ConfigError where a key of `[data]` on other outputs holds something else than texts."""
    rejected, solution = data.get("rejected", []), data.get("solution", {})
    held: dict[str, object] = {
        "rejected": rejected if isinstance(rejected, list) else [rejected],
        "options": [data.get("options", "")],
        "solution": list(cast("Table", solution).values()) if isinstance(solution, dict) else [solution],
    }
    for key, values in held.items():
        if not all(isinstance(value, str) for value in cast("list[object]", values)):
            raise ConfigError(f"{path}: [data] {key} is {data[key]!r}, expected texts; see the tutorial for its forms")


def _pool(path: Path, source: Source, seed: int) -> Pool:
    if source.generator:
        return Pool(_generated(path, source))
    if source.file:
        folders = saved_splits(path.parent / source.file)
        return _pool_of(path, {split: _read(each, source, seed) for split, each in folders.items()})
    folder = str(source.seeds[seed % len(source.seeds)]) if source.seeds else ""
    parts: dict[str, FileContents] = {}
    for split, relative in source.home.items():
        url = source.hub["base"] + source.hub[split].replace("{seed}", folder) if split in source.hub else None
        file = locate(relative.replace("{seed}", folder), url)
        parts[split] = _read(file, source, seed)
    return _pool_of(path, parts)


def _pool_of(path: Path, parts: Mapping[str, FileContents]) -> Pool:
    _only(path, "split", parts, ("train", "dev", "test"))
    nothing = FileContents(())
    dev, test = parts.get("dev", nothing), parts.get("test", nothing)
    warnings = tuple(warning for found in parts.values() for warning in found.warnings)
    return Pool(parts.get("train", nothing).examples, dev.examples, test.examples, warnings)


def _own_data(path: Path, source: Source, seed: int) -> Pool:
    """A user's file in place of the task's own: columns named as the task's source names them, or as its fields."""
    columns = source.columns()
    inputs = tuple((field, (*names, field)) for field, names in columns.inputs)
    found = examples_from(path, read_rows(path), replace(columns, inputs=inputs, drop=()), seed=seed)
    return Pool(found.examples, warnings=found.warnings)


def _read(path: Path, source: Source, seed: int) -> FileContents:
    return examples_from(path, read_rows(path), source.columns(), seed=seed)


def _generated(path: Path, source: Source) -> tuple[Example, ...]:
    module, _, function = source.generator.partition(":")
    try:
        generate = getattr(import_module(module), function)
    except (ImportError, AttributeError) as cause:
        raise ConfigError(f"{path}: the generator {source.generator!r} cannot be imported: {cause}; name it as "
                          f"'module:function'") from cause  # fmt: skip
    # The stories stay the same; the run's seed only splits them.
    return tuple(generate(source.count, 0))


def _required(path: Path, table: Table, key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f'{path}: {key} is {value!r}, expected a text; write {key} = "…"')
    return value


def _only(path: Path, kind: str, table: Mapping[str, object], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}: {UnknownName(kind, key, known)}")
