"""The `[data]` table of a task file: where the examples are, and the examples that are there."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptopt import registry
from promptopt.errors import ConfigError, UnknownName
from promptopt.tasks.reading.chat_turns import ScoredTurns, read_chats
from promptopt.tasks.reading.columns import ColumnRoles, Solution, as_names
from promptopt.tasks.reading.files import FileContents, examples_from, read_rows
from promptopt.tasks.reading.hub import hub_files
from promptopt.tasks.reading.scenarios import read_scenarios
from promptopt.tasks.reading.tables import saved_splits
from promptopt.tasks.splits import Pool

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """The `[data]` table. One of `file`, `home` and `generator` says where the examples are.

    `file`: beside the task file. `home`: for each split a path in the data home; `hub`: a `base` address at a pinned
    revision, and for each split what follows it; `{seed}` in both becomes one of `seeds`. `sha256`: for each split
    what its file must be. `generator`: a registered name, called with (`count`, 0). `input`: a column, a list of
    columns, or a table from field to column (or to a list of names it may have). `rejected`: a column or a list of
    them. `solution`: a column, or a table of `column`, `without` and `end`. These and the others: as in
    `tasks.reading.columns.ColumnRoles` and `Solution`. `demands`: of a log of chats, the member of rows and messages.
    `turns`: the file is a log of chats, and which replies in it are scored; `variables`: the members of its rows that
    are inputs beside the conversation. `scenarios`, `tools`, `results`: of `[simulation]`, in the place of all others.
    """

    file: str = ""
    home: Mapping[str, str] = field(default_factory=dict[str, str])
    hub: Mapping[str, str] = field(default_factory=dict[str, str])
    sha256: Mapping[str, str] = field(default_factory=dict[str, str])
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
    slice: str | None = None
    demands: str | None = None
    turns: ScoredTurns | None = None
    variables: Sequence[str] = ()
    scenarios: str = ""
    tools: Sequence[object] = ()
    results: Sequence[object] = ()

    def columns(self) -> ColumnRoles:
        """Which columns become what. Raises ConfigError for what does not go together."""
        given = self.input if isinstance(self.input, Mapping) else {name: name for name in as_names(self.input)}
        solution = {"column": self.solution} if isinstance(self.solution, str) else self.solution
        return ColumnRoles(
            inputs=tuple((name, as_names(column)) for name, column in given.items()),
            target=self.target,
            classes=self.classes,
            target_after=self.target_after,
            rejected=as_names(self.rejected),
            options=self.options,
            solution=None if solution is None else Solution(**solution),
            drop=tuple(self.drop),
            group=self.group,
            slice=self.slice,
            demands=self.demands,
        )


def source_of(path: Path, table: Table) -> Source:
    """What the table says, or in its place `[simulation]`. Raises ConfigError for what does not go together."""
    if "simulation" in table:
        played = table["simulation"]
        kept = ("scenarios", "variables", "tools", "results")
        return Source(target=None, **{name: played[name] for name in kept if name in played})
    # A judge needs no right answers: a task of one has targets where it names their column.
    given: dict[str, Any] = {"target": None, **table["data"]} if "judge" in table else table["data"]
    source = Source(**given)
    try:
        source.columns()
        if source.generator and source.generator not in registry.names("generators"):
            raise UnknownName("generator", source.generator, registry.names("generators"))
    except ConfigError as cause:
        raise ConfigError(f"{path}: [data] {cause}") from cause
    if bool(source.file) + bool(source.home) + bool(source.generator) != 1:
        raise ConfigError(f"{path}: [data] needs exactly one of file, home and generator to say where the examples are")
    if bool(source.generator) != bool(source.count):
        raise ConfigError(f"{path}: [data] generator and count go together: a name, and how many examples it makes")
    for split in {**source.hub, **source.sha256}:
        if split not in source.home and split != "base":
            raise ConfigError(f"{path}: [data] says how to fetch {split}, and home does not say where it is kept")
    return source


def pool_from(path: Path, source: Source, seed: int) -> Pool:
    """The examples that a task file at `path` names; what has to be fetched is."""
    if source.generator:
        # The stories stay the same; the run's seed only splits them.
        return Pool(tuple(registry.load("generators", source.generator)(source.count, 0)))
    if source.scenarios:
        return _pool_of(path, {"train": file_contents(path.parent / source.scenarios, source, seed)})
    if source.file:
        folders = saved_splits(path.parent / source.file)
        return _pool_of(path, {split: file_contents(each, source, seed) for split, each in folders.items()})
    folder = str(source.seeds[seed % len(source.seeds)]) if source.seeds else ""
    parts: dict[str, FileContents] = {}
    for split, relative in source.home.items():
        url = source.hub["base"] + source.hub[split].replace("{seed}", folder) if split in source.hub else None
        file = hub_files(relative.replace("{seed}", folder), url, source.sha256.get(split))
        parts[split] = file_contents(file, source, seed)
    return _pool_of(path, parts)


def _pool_of(path: Path, parts: Mapping[str, FileContents]) -> Pool:
    nothing = FileContents(())
    train, dev, test = (parts.get(split, nothing).examples for split in ("train", "dev", "test"))
    return Pool(train, dev, test, tuple(warning for found in parts.values() for warning in found.warnings))


def own_data(path: Path, source: Source, seed: int) -> Pool:
    """A user's file in place of the task's own: columns named as the task's source names them, or as its fields."""
    if source.turns is not None or source.scenarios:
        found = file_contents(path, source, seed)
        return Pool(found.examples, warnings=found.warnings)
    columns = source.columns()
    inputs = tuple((field, (*names, field)) for field, names in columns.inputs)
    found = examples_from(path, read_rows(path), replace(columns, inputs=inputs, drop=()), seed=seed)
    return Pool(found.examples, warnings=found.warnings)


def file_contents(path: Path, source: Source, seed: int) -> FileContents:
    """The examples of one file. Raises DataError for what cannot be read so."""
    if source.scenarios:
        found, said = read_scenarios(path, read_rows(path), source.variables, source.tools, source.results)
        return FileContents(found, None, said)
    if source.turns is not None:
        asked = (source.variables, source.turns, seed, source.slice, source.demands)
        examples, warnings = read_chats(path, read_rows(path), *asked)
        return FileContents(examples, None, warnings)
    return examples_from(path, read_rows(path), source.columns(), seed=seed)


def must_pass_contents(path: Path, source: Source, seed: int) -> Pool:
    """The examples that must pass: read as the task's data, which may say of a row what slice and group it is of.

    They need not: each decides for itself. Raises DataError for what cannot be read so.
    """
    if not source.scenarios:
        # Of chats a row need not have what another has.
        rows = read_rows(path) if source.turns is not None else itertools.islice(read_rows(path), 1)
        known = {name for row in rows for name in row}
        names = ("slice", "group") if source.turns is None else ("slice",)
        source = replace(source, **{name: None for name in names if getattr(source, name) not in known})
    found = file_contents(path, source, seed)
    return Pool(found.examples, warnings=found.warnings)
