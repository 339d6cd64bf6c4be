"""Demands as data and task files hold them: read strictly, and given to the examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.json_members import read_json
from promptopt.tasks.splits import Pool
from promptopt.text import Regex, shorten
from promptopt.types import Demand, DemandKind, Example, canonical, tool_names

_DEMAND_KINDS: tuple[DemandKind, ...] = (
    "says", "number", "matches", "calls", "words_at_least", "never_says", "never_matches", "never_calls",
    "numbers_among", "words_at_most", "sentences_at_most",
)  # fmt: skip
_DEMAND_SETTINGS = ("with", "weight", "critical", "name")
DEMANDS = "demands"
"""The member of logs that `promptopt init bot` takes them from."""
MOST_DEMANDS = 200
"""Demands of one reply: more is a mistake in the data."""


def are_demands(value: object) -> bool:
    """Whether this can be meant as demands: a list with a table in it that has one of their kinds."""
    try:
        listed = _parsed_cell(value, "")
    except DataError:
        return False
    entries = cast("list[object]", listed) if isinstance(listed, list) else []
    tables = [cast("dict[str, object]", each) for each in entries if isinstance(each, dict)]
    return any(kind in table for table in tables for kind in _DEMAND_KINDS)


def demands_of(given: object, where: str) -> tuple[Demand, ...]:
    """The demands that a cell of a file, or a value in Python, holds: a list of tables and texts, or one of them.

    A text is what a reply has to say; in a cell that holds texts only, a list or a table stands as JSON. `where`: how
    errors begin. Raises DataError, in a sentence, for what is no demand.
    """
    value = _parsed_cell(given, where)
    # An empty cell of a data frame is NaN.
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return ()
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    if len(listed) > MOST_DEMANDS:
        raise DataError(f"{where}: {len(listed):,} demands on one reply; give {MOST_DEMANDS} at most")
    return tuple(
        _demand(entry, f"{where}, demand {number}" if len(listed) > 1 else where)
        for number, entry in enumerate(listed, start=1)
    )


def common_demands(path: Path, table: Mapping[str, object]) -> tuple[Demand, ...]:
    """Those of a task file for every reply, its `[[demands]]`. Raises ConfigError for what is no demand."""
    try:
        return demands_of(table.get("demands"), f"{path}: [[demands]]")
    except DataError as cause:
        raise ConfigError(str(cause)) from cause


def with_demands(pool: Pool, common: Sequence[Demand]) -> Pool:
    """The pool with `common` behind each example's own demands. Raises DataError for a tool that is not on offer."""
    parts = [tuple(_added(example, common) for example in part) for part in (pool.rows, pool.dev, pool.test)]
    return replace(pool, rows=parts[0], dev=parts[1], test=parts[2])


def _added(example: Example, common: Sequence[Demand]) -> Example:
    offered = tool_names(example.tools)
    every = (*example.demands, *common)
    for demand in every:
        name = demand.texts[0] if demand.kind == "calls" else ""
        if name and name not in offered:
            # By its id nobody finds an example in his data.
            asked = shorten(" ".join(value for _, value in example.fields), 60)
            raise DataError(f"the reply to {asked!r}: the demand calls {name!r}: {UnknownName('tool', name, offered)}")
    # The same object where nothing changes: its id is worked out once.
    return replace(example, demands=every) if common else example


def _parsed_cell(given: object, where: str) -> object:
    if not isinstance(given, str) or given.lstrip()[:1] not in ("[", "{"):
        return given.strip() if isinstance(given, str) else given
    try:
        return read_json(given)
    except (ValueError, RecursionError) as cause:
        raise DataError(f"{where}: the demands {shorten(given, 60)!r} are not JSON ({cause}); mend the cell") from cause


def _demand(entry: object, where: str) -> Demand:
    if isinstance(entry, str):
        return Demand("says", _demanded_texts(entry, "says", where))
    if not isinstance(entry, dict):
        raise DataError(
            f'{where} is {shortened_repr(entry)}; write a table, such as {{"says": "within 30 days"}}, or a text'
        )
    table = cast("Mapping[str, object]", entry)
    for key in table:
        if key not in (*_DEMAND_KINDS, *_DEMAND_SETTINGS):
            raise DataError(f"{where}: {UnknownName('demand', key, (*_DEMAND_KINDS, *_DEMAND_SETTINGS))}")
    kinds: list[DemandKind] = [kind for kind in _DEMAND_KINDS if kind in table]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else "none"
        raise DataError(
            f"{where} has {found} of {', '.join(_DEMAND_KINDS)}; give exactly one, and the others as further ones"
        )
    kind = kinds[0]
    if "with" in table and kind != "calls":
        raise DataError(f"{where}: with stands beside calls, and this demand is {kind}; remove it")
    weight = table.get("weight", 1)
    critical = table.get("critical", False)
    name = table.get("name", "")
    if not _is_number(weight) or not 0.0 <= float(cast("float", weight)) <= 1e9:
        raise DataError(f"{where}: weight is {shortened_repr(weight)}; give a number of 0 or more")
    if not isinstance(critical, bool):
        raise DataError(f"{where}: critical is {shortened_repr(critical)}; give true or false")
    if not isinstance(name, str) or len(name.splitlines()) > 1 or len(name) > 100:
        raise DataError(f"{where}: name is {shortened_repr(name)}; give a text of one line, of at most 100 characters")
    made = _held(kind, table[kind], where)
    arguments = _canonical_arguments(table["with"], where) if "with" in table else ""
    return replace(made, arguments=arguments, weight=float(cast("float", weight)), critical=critical, name=name.strip())


def _held(kind: DemandKind, value: object, where: str) -> Demand:
    if kind == "number":
        if not _is_number(value):
            raise DataError(
                f"{where}: number is {shortened_repr(value)}; give a number, such as 4.9, or a text under says"
            )
        return Demand(kind, number=float(cast("float", value)))
    if kind in ("words_at_least", "words_at_most", "sentences_at_most"):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**6:
            raise DataError(f"{where}: {kind} is {shortened_repr(value)}; give a whole number of 1 or more")
        return Demand(kind, number=float(value))
    if kind == "numbers_among":
        listed: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
        if not all(map(_is_number, listed)):
            raise DataError(
                f"{where}: numbers_among is {shortened_repr(cast('object', value))}; give a list of numbers"
            )
        # As texts, which a demand holds; `repr` of a float is read back as the same number.
        return Demand(kind, tuple(dict.fromkeys(repr(float(cast("float", each))) for each in listed)))
    texts = _demanded_texts(value, kind, where)
    first, *others = texts
    if kind in ("matches", "never_matches", "calls") and others:
        raise DataError(f"{where}: {kind} is a list of {len(texts)}; give one text, and the others as further demands")
    if kind in ("matches", "never_matches"):
        try:
            Regex.of(first)
        except ConfigError as cause:
            raise DataError(f"{where}: {kind}: {cause}; correct it") from cause
    return Demand(kind, texts)


def _demanded_texts(value: object, kind: str, where: str) -> tuple[str, ...]:
    listed: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
    if not listed or not all(isinstance(each, str) and each.strip() for each in listed):
        raise DataError(
            f"{where}: {kind} is {shortened_repr(cast('object', value))}; give a text, or a list of texts, "
            f"none of them empty"
        )
    return tuple(dict.fromkeys(str(each).strip() for each in listed))


def _canonical_arguments(value: object, where: str) -> str:
    if not isinstance(value, dict):
        raise DataError(
            f'{where}: with is {shortened_repr(value)}; give a table of arguments, such as {{"order": "H1"}}, '
            f"or leave it out"
        )
    return canonical(value)


def _is_number(value: object) -> bool:
    # Not `isfinite`, which fails on whole numbers of hundreds of digits.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def shortened_repr(value: object) -> str:
    """A value in a sentence about it."""
    return shorten(repr(value), 60)
