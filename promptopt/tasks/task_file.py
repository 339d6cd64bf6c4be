"""Task files: TOML in, `Task` out. Strict: a key that nobody reads is an error that offers the nearest one.

A file is data: what it would import or download needs the user's consent (`tasks/trust.py`), and generators come from
the registry alone.

name, description, labels, metric, answer, max_tokens, stop, instruction
weigh         what counts once in a mean: `turn` (each example, the default), or `conversation` (each group of them)
editable      the part that is edited, or a list of them; `instruction`, if not given
[parts]       further prompt parts: `answer_format`, `system`; frozen where `editable` does not name them
[splits]      train, dev, test: default sizes
[data]        where the examples are and which column is what (`tasks/data_table.py`)
[[demands]]   what every reply has to say, to do or to leave out, for the metric `demands` (`tasks/demands.py`)
[[layouts]]   name, messages or text; the first is the default. Demonstrations: `demos`, "turns" or a table of the
              patterns `user` and `assistant`, makes them turns of the chat; `demo`, a pattern, puts them into the text
[simulation]  in the place of [data]: users whom a model plays (`tasks/simulation.py`)
[judge]       the evaluator that asks a judge, and what it asks (`tasks/judge_table.py`)
[contract]    what no prompt may lose, and what has to hold before it is shipped (`tasks/clauses.py`)
[tasks.NAME]  a family: each such table overrides the file's own keys for the task `<file>/NAME`
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError, UnknownName
from promptopt.protocols import Metric
from promptopt.tasks.clauses import contract_of, gate_of
from promptopt.tasks.companions import file_bytes
from promptopt.tasks.data_table import Source, must_pass_contents, own_data, pool_from, source_of
from promptopt.tasks.demands import common_demands, with_demands
from promptopt.tasks.judge_table import judge_of
from promptopt.tasks.layout import RESERVED, Layout, Turns
from promptopt.tasks.own_metric import content_of, module_beside, own_metric
from promptopt.tasks.prompt_text import around, chat_layouts, in_one_spelling, remarks
from promptopt.tasks.several_answers import several_right
from promptopt.tasks.simulation import judged_simulation, one_of_both
from promptopt.tasks.splits import DEFAULT_SPLITS, Pool, Splits
from promptopt.tasks.task import Task
from promptopt.tasks.trust import check_trusted, deeds
from promptopt.text import Regex, shorten
from promptopt.types import Example, Prompt, Sampling

Table = Mapping[str, Any]
LARGEST_BYTES = 1 << 24
"""Of a task file; its examples stand elsewhere. Ours."""
_LONG_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){1000}""")
"""A thousand names with a dot behind each."""
MOST_DIGITS = 3_000
"""Of a whole number: Python shows none of more than 4,300, and TOML knows 19."""


def load_task_file(
    path: str | Path,
    *,
    member: str = "",
    data: str | Path | None = None,
    splits: Splits = DEFAULT_SPLITS,
    trust: bool = False,
    own_user: bool = False,
) -> Task:
    """The task that a TOML file describes; `member` names one of a family. `data` replaces its examples.

    `trust`, `own_user`: as in `load_task`. Raises DataError where a file is missing or unreadable, ConfigError for what
    the TOML says or was not trusted with.
    """
    return _loaded(Path(path), member, data, splits, partial(check_trusted, trust=trust), own_user)


def load_shipped(path: Path, member: str, data: str | Path | None, splits: Splits) -> Task:
    """As `load_task_file`, of a file that comes with the package and needs no trust."""
    return _loaded(path, member, data, splits, None)


def _loaded(
    path: Path,
    member: str,
    data: str | Path | None,
    splits: Splits,
    consent: Callable[[Path, Sequence[bytes], Sequence[str]], None] | None,
    own_user: bool = False,
) -> Task:
    from promptopt.tasks.schema import check_table

    content = _task_file_bytes(path)
    table = _parsed(path, content)
    family: object = table.pop("tasks", {})
    if not isinstance(family, dict) or not all(isinstance(own, dict) for own in cast("Table", family).values()):
        raise ConfigError(f"{path}: tasks is {family!r:.80}, expected tables [tasks.NAME]; correct it there")
    family = cast("Mapping[str, Table]", family)
    if member:
        if member not in family:
            raise UnknownName("task", f"{path.stem}/{member}", (f"{path.stem}/{name}" for name in family))
        table = _merged(table, family[member])
    elif family:
        raise ConfigError(f"{path} describes several tasks; name one, such as '{path.stem}/{next(iter(family))}'")
    check_table(path, table)
    one_of_both(path, table)
    source, metric = source_of(path, table), str(table.get("metric", ""))
    # The bytes are read once: what was agreed to is what is run, also if the file changes meanwhile.
    module = module_beside(path, metric)
    beside = b"" if module is None else content_of(module)
    if consent is not None:
        wanted = deeds(path, table, own_data=data is not None, own_user=own_user, beside=module)
        consent(path, [content] if module is None else [content, beside], wanted)
    pool = pool_from(path, source, splits.seed) if data is None else own_data(Path(data), source, splits.seed)
    try:
        made = None if module is None else own_metric(module, beside, metric)
        return _task(path, table, pool, source, splits, made)
    except ConfigError as cause:
        # What a task refuses does not know which file it is from.
        raise cause if str(path) in str(cause) else ConfigError(f"{path}: {cause}") from cause


def read_table(path: Path) -> dict[str, Any]:
    """The TOML of a file. Raises DataError where there is none to be read, ConfigError where it is not TOML."""
    return _parsed(path, _task_file_bytes(path))


def _task_file_bytes(path: Path) -> bytes:
    advice = "put examples into a file of their own, named under [data]"
    return file_bytes(path, f"the task file {path}", LARGEST_BYTES, advice)


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8-sig")
        # `tomllib` takes time by the square of such a key's length.
        if _LONG_KEY.search(text):
            raise RecursionError
        table = tomllib.loads(text)
        large = _holds_large_number(table)
    except RecursionError:
        raise ConfigError(f"the task file {path} is nested too deeply to be read; a task needs four levels") from None
    # TOML's whole numbers may have more digits than Python reads, which is a ValueError.
    except ValueError as cause:
        raise ConfigError(f"the task file {path} is not valid TOML: {cause}; repair it there") from cause
    if large:
        raise ConfigError(
            f"the task file {path} holds a number of more than {MOST_DIGITS:,} digits; give a smaller one"
        )
    return table


def _holds_large_number(value: object) -> bool:
    if isinstance(value, int):
        return value.bit_length() > MOST_DIGITS * math.log2(10)
    if not isinstance(value, dict | list):
        return False
    held = cast("dict[str, object] | list[object]", value)
    return any(map(_holds_large_number, held.values() if isinstance(held, dict) else held))


def _merged(base: Table, own: Table) -> dict[str, Any]:
    """`base` with the keys of `own` on top, table by table."""
    merged = dict(base)
    for key, value in own.items():
        below = base.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(cast("Table", below), cast("Table", value)) if both else value
    return merged


def _task(path: Path, table: Table, pool: Pool, source: Source, splits: Splits, own: Metric | None) -> Task:
    _check_values(path, table)
    parts = cast("dict[str, str]", table.get("parts", {}))
    initial = Prompt((("instruction", str(table["instruction"])), *parts.items()))
    names = tuple(name for name, _ in pool.rows[0].fields) if pool.rows else ()
    layouts = tuple(_layout(path, entry) for entry in cast("list[Table]", table.get("layouts", [])))
    initial, layouts, marks = in_one_spelling(initial, layouts, names)
    if not layouts and (source.turns or source.scenarios):
        layouts = chat_layouts()
    if not layouts:
        initial, layouts = around(initial, names)
    said = remarks(initial, layouts, names, marks)
    labels = tuple(cast("list[str]", table.get("labels", [])))
    metric = str(table.get("metric", "exact")) if own is None else own
    pool, demanded = several_right(pool, metric), common_demands(path, table)
    pool = with_demands(replace(pool, warnings=(*pool.warnings, *said)), demanded)

    def must_pass(file: Path) -> tuple[Example, ...]:
        # As the task's own, whatever is made of these: several right answers, demands of every reply.
        return with_demands(several_right(must_pass_contents(file, source, splits.seed), metric), demanded).rows

    named: str | list[str] = table.get("editable", "instruction")
    editable = cast("str", (named,) if isinstance(named, str) else tuple(named))
    clauses = cast("dict[str, Any]", table.get("contract", {}))
    default = cast("dict[str, int]", table.get("splits", {}))
    task = Task(
        name=str(table.get("name", path.stem)),
        description=str(table.get("description", "")),
        initial=initial,
        layouts=layouts,
        editable=editable,
        marks=marks,
        labels=labels,
        metric=metric,
        answer=str(table.get("answer", "label" if labels else "text")),
        sampling=Sampling(max_tokens=int(table.get("max_tokens", 256)), stop=tuple(table.get("stop", ()))),
        contract=contract_of(path, clauses, names, [part for part in ("instruction", *parts) if part not in editable]),
        gate=gate_of(path, clauses, must_pass),
        pool=pool,
        settings=cast("dict[str, Table]", table.get("settings", {})),
        judge=judged_simulation(table, judge_of(path, table.get("judge", {}))),
        weigh=table.get("weigh", "turn"),
    )
    wanted = {name: getattr(splits, name) for name in ("train", "dev", "test")}
    chosen = {name: default.get(name) if size is None else size for name, size in wanted.items()}
    return task.with_splits(chosen["train"], chosen["dev"], chosen["test"], splits.seed)


def _check_values(path: Path, table: Table) -> None:
    """Raise ConfigError for what keys hold that is of the right kind, and still cannot be."""
    part = next((part for part in table.get("parts", {}) if part in ("instruction", *RESERVED)), None)
    if part is not None:
        raise ConfigError(f"{path}: parts.{part} has the name of something else in a layout; rename it")
    names = [layout["name"] for layout in table.get("layouts", ())]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}: two layouts are named {twice!r}; rename one of them")
    answer = str(table.get("answer", ""))
    if answer.startswith("regex:"):
        try:
            Regex.of(answer.removeprefix("regex:"))
        except ConfigError as cause:
            raise ConfigError(f"{path}: answer is {shorten(answer, 80)!r}: {cause}; correct it there") from cause


def _layout(path: Path, entry: Table) -> Layout:
    demos: object = entry.get("demos")
    try:
        return Layout(
            name=str(entry["name"]),
            messages=tuple((role, pattern) for role, pattern in entry.get("messages", ())),
            text=str(entry.get("text", "")),
            demo=str(entry.get("demo", "")),
            demos=None if demos is None else Turns() if demos == "turns" else Turns(**cast("dict[str, str]", demos)),
        )
    except ConfigError as cause:
        raise ConfigError(f"{path}: {cause}") from cause
