"""What a task file may say: every key with its type, held against a whole file before anything is made of it.

The one place, beside the settings of methods, that uses pydantic; imported when a file is loaded.
"""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, Strict, StringConstraints, TypeAdapter, ValidationError, with_config

# pydantic brings it, and before Python 3.12 reads no other TypedDict.
from typing_extensions import TypedDict, get_type_hints, is_typeddict

from promptopt.errors import ConfigError, UnknownName

# Strict: "3" is no number and a text no list of letters.
_strict = with_config(ConfigDict(strict=True, extra="forbid"))

# The text beside each type is what a person would call its values.
_Text = Annotated[str, "a text"]
_Filled = Annotated[str, StringConstraints(pattern=r"\S"), "a text that is not empty"]
_Name = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", max_length=200),
    "a name of one line, of at most 200 characters",
]
_Path = Annotated[str, StringConstraints(pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"), "the name of a file"]
_Texts = Annotated[list[_Filled], "a list of texts, none of them empty"]
_Count = Annotated[int, Field(ge=1, le=10**9), "a whole number of 1 or more"]
_Seed = Annotated[int, Field(ge=0, le=2**63), "a whole number of 0 or more"]
_Names = Annotated[_Filled | Annotated[list[_Filled], Field(min_length=1)], "texts: a column's name, or a list of them"]
_Margin = Annotated[float, Field(ge=0, le=1), Strict(False), "a number from 0 to 1"]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$"), "a sha256: 64 hexadecimal digits"]


@_strict
class _Splits(TypedDict, total=False):
    train: _Count
    dev: _Count
    test: _Count


@_strict
class _Files(TypedDict, total=False):
    train: _Filled
    dev: _Filled
    test: _Filled


@_strict
class _Hub(_Files):
    base: _Text


@_strict
class _Digests(TypedDict, total=False):
    train: _Sha256
    dev: _Sha256
    test: _Sha256


@_strict
class _Solution(TypedDict, total=False):
    column: _Filled
    without: _Text
    end: _Text


@_strict
class _Data(TypedDict, total=False):
    file: _Path
    home: _Files
    hub: _Hub
    sha256: _Digests
    seeds: Annotated[list[_Seed], Field(min_length=1), "a list of whole numbers"]
    generator: _Filled
    count: Annotated[int, Field(ge=1, le=100_000), "a whole number from 1 to 100,000"]
    input: Annotated[
        _Names | Annotated[dict[str, _Names], Field(min_length=1)],
        "a column's name, a list of them, or a table from fields to columns",
    ]
    target: _Filled
    classes: Annotated[
        dict[str, _Filled], Field(min_length=1), "a table from what is in the column to the word a model answers"
    ]
    target_after: _Filled
    rejected: _Names
    options: _Text
    solution: Annotated[_Filled | _Solution, "texts: a column's name, or a table of column, without and end"]
    drop: _Texts
    group: _Filled
    slice: _Filled
    demands: _Filled
    turns: Literal["last", "all", "weighted"]
    variables: _Texts


@_strict
class _SimulationTable(TypedDict, total=False):
    scenarios: typing.Required[_Path]
    turns: Annotated[int, Field(ge=1, le=50), "a whole number from 1 to 50"]
    model: _Filled
    variables: _Texts
    calls: Annotated[int, Field(ge=1, le=50), "a whole number from 1 to 50"]
    tools: Annotated[list[dict[str, Any]], "a list of schemas: [[simulation.tools]] tables"]
    results: Annotated[list[dict[str, Any]], "a list of results: [[simulation.results]] tables"]


@_strict
class _Turn(TypedDict, total=False):
    user: _Filled
    assistant: _Filled


_MessageTable = Annotated[
    tuple[Literal["system", "developer", "user", "assistant"], _Text],
    # TOML has lists only.
    Strict(False),
    "[role, pattern], the role one of system, user, assistant",
]


@_strict
class _LayoutTable(TypedDict, total=False):
    name: typing.Required[_Filled]
    messages: Annotated[list[_MessageTable], "a list of messages, each [role, pattern]"]
    text: _Text
    demo: _Text
    demos: Annotated[
        Literal["turns"] | Annotated[_Turn, Field(min_length=1)],
        '"turns" or a table of the patterns user and assistant',
    ]


@_strict
class _ContractTable(TypedDict, total=False):
    frozen: _Texts
    must_contain: _Texts
    must_not_contain: _Texts
    max_tokens: _Count
    template: bool
    pattern: _Text
    output_schema: Annotated[_Filled | dict[str, Any], "a JSON Schema, or the name of its file"]
    must_pass: _Path
    largest_loss: Annotated[_Margin | dict[str, _Margin], "a number from 0 to 1, or a table of such by slice"]


_Scale = Annotated[int, Field(ge=-100, le=100), "a whole number from -100 to 100"]
_Weight = Annotated[float, Field(ge=0, le=10**9), Strict(False), "a number of 0 or more"]
_Items = Annotated[list[_Filled], Field(min_length=1), "a list of questions, none of them empty"]


@_strict
class _RubricTable(TypedDict, total=False):
    criteria: _Filled
    file: _Path
    levels: _Texts
    low: _Scale
    high: _Scale
    score_by: Literal["auto", "expected", "written"]
    reference: bool
    reasons: bool
    draws: _Count
    max_tokens: _Count


@_strict
class _ChecklistTable(TypedDict, total=False):
    items: _Items
    weights: Annotated[list[_Weight], "a list of numbers, one for each item"]
    critical: Annotated[list[_Count], "a list of the numbers of items, from 1"]
    reference: bool
    max_tokens: _Count


@_strict
class _ClausesTable(TypedDict, total=False):
    must_contain: _Texts
    must_not_contain: _Texts
    pattern: _Text
    max_words: _Count


@_strict
class _WeightsTable(TypedDict, total=False):
    rubric: _Weight
    checklist: _Weight
    metric: _Weight
    clauses: _Weight


@_strict
class _JudgeTable(_RubricTable, total=False):
    evaluator: Literal["generation", "rubric", "checklist", "versus", "equivalence", "panel", "weighted"]
    items: _Items
    weights: Annotated[list[_Weight], "a list of numbers, one for each item"] | _WeightsTable
    critical: Annotated[list[_Count], "a list of the numbers of items, from 1"]
    by: Literal["rubric", "checklist"]
    size: Annotated[int, Field(ge=2, le=5), "a whole number from 2 to 5"]
    rubric: _RubricTable
    checklist: _ChecklistTable
    clauses: _ClausesTable


@_strict
class TaskTable(TypedDict, total=False):
    """A task file, or one member of a family with what it inherits."""

    name: _Name
    description: _Text
    labels: _Texts
    metric: _Filled
    answer: _Filled
    max_tokens: _Count
    stop: _Texts
    instruction: typing.Required[_Filled]
    editable: Annotated[
        _Filled | Annotated[list[_Filled], Field(min_length=1)], "texts: a part's name, or a list of them"
    ]
    parts: Annotated[dict[_Filled, _Text], "a table of texts"]
    splits: _Splits
    demands: Annotated[list[dict[str, Any]], "a list of demands: [[demands]] tables"]
    data: _Data
    simulation: _SimulationTable
    layouts: Annotated[list[_LayoutTable], "a list of layouts: [[layouts]] tables"]
    contract: _ContractTable
    judge: _JudgeTable
    settings: Annotated[dict[str, dict[str, Any]], "a table of tables, by method or evaluator"]


def check_table(path: Path, table: Mapping[str, Any]) -> None:
    """Raise ConfigError for a key that nobody reads, that is missing, or that holds something else than it should."""
    try:
        _adapter().validate_python(table)
    except ValidationError as cause:
        found = [_Fault.of(table, error["type"], error["loc"]) for error in cause.errors(include_url=False)]
        raise _first(found).sentence(path) from None


_adapter = cache(lambda: TypeAdapter(TaskTable))  # some 20 ms


class _Fault(typing.NamedTuple):
    """One thing that is wrong: `keys` lead to `value`, which should be `hint`; `parent` is the type that it is in."""

    kind: str
    keys: tuple[str | int, ...]
    value: object
    hint: Any
    parent: Any

    @classmethod
    def of(cls, table: Mapping[str, Any], kind: str, place: tuple[str | int, ...]) -> _Fault:
        """`place`: as pydantic gives it, the names of tried forms between the keys."""
        keys: list[str | int] = []
        value: Any = table
        hint = parent = cast("Any", TaskTable)
        for step in place:
            # What is no key is the name of one of the forms that pydantic tried.
            if step in _keys(value):
                parent, hint, value = hint, _below(hint, value, step), value[step]
                keys.append(step)
        if kind == "missing":
            keys.append(place[-1])
            hint, value = _below(hint, {place[-1]: None}, place[-1]), None
        return cls(kind, tuple(keys), value, hint, parent)

    def sentence(self, path: Path) -> ConfigError:
        """The error that tells it."""
        if self.kind == "extra_forbidden":
            owner = next((str(key) for key in reversed(self.keys[:-1]) if isinstance(key, str)), "")
            noun = _NOUNS.get(owner, f"{owner} key".strip())
            return ConfigError(f"{path}: {UnknownName(noun, str(self.keys[-1]), _known(self.parent))}")
        found = "missing" if self.kind == "missing" else _shorten.repr(self.value)
        return ConfigError(
            f"{path}: {_written(self.keys)} is {found}, expected {_in_words(self.hint)}; correct it there"
        )


def _first(found: Sequence[_Fault]) -> _Fault:
    """The fault to tell: a key that is misspelt says more than that the right one is missing."""
    # Of the forms that a key may have, the one is meant that the file comes nearest to.
    deepest = max(len(fault.keys) for fault in found)
    near = [fault for fault in found if len(fault.keys) == deepest]
    missing = [str(fault.keys[-1]) for fault in near if fault.kind == "missing"]
    misspelt = [
        fault for fault in near if fault.kind == "extra_forbidden" and get_close_matches(str(fault.keys[-1]), missing)
    ]
    return [*misspelt, *near][0]


_NOUNS = {"contract": "contract clause", "splits": "split", "home": "split", "hub": "split", "sha256": "split",
          "layouts": "layout key", "demos": "turn"}  # fmt: skip
_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 80


def _keys(value: Any) -> Collection[str | int]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value)
    return range(len(cast("list[object]", value))) if isinstance(value, list) else ()


def _bare(hint: Any) -> Any:
    """A type without what is said beside it."""
    while typing.get_origin(hint) in (Annotated, typing.Required):
        hint = typing.get_args(hint)[0]
    return hint


def _arms(hint: Any) -> tuple[Any, ...]:
    bare = _bare(hint)
    return typing.get_args(bare) if typing.get_origin(bare) in (types.UnionType, typing.Union) else (bare,)


def _below(hint: Any, value: object, key: str | int) -> Any:
    """What stands under `key` of a value of this type."""
    for arm in map(_bare, _arms(hint)):
        held = typing.get_args(arm)
        if isinstance(value, Mapping) and is_typeddict(arm):
            return get_type_hints(arm, include_extras=True).get(str(key), Any)
        if isinstance(value, Mapping) and typing.get_origin(arm) is dict:
            return held[1]
        if isinstance(value, list) and typing.get_origin(arm) is list:
            return held[0]
        if isinstance(value, list) and typing.get_origin(arm) is tuple and isinstance(key, int):
            return held[key]
    return hint


def _known(hint: Any) -> list[str]:
    return [key for arm in map(_bare, _arms(hint)) if is_typeddict(arm) for key in get_type_hints(arm)]


def _written(keys: tuple[str | int, ...]) -> str:
    """Keys as a reader finds them in the file: `[data] home.train`, `layouts[0].demos`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return f"[data] {text[5:]}" if text.startswith("data.") else text


def _in_words(hint: Any) -> str:
    while typing.get_origin(hint) is typing.Required:
        hint = typing.get_args(hint)[0]
    said = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, str)]
    if said:
        return said[-1]
    bare = _bare(hint)
    if is_typeddict(bare):
        return f"a table of {', '.join(get_type_hints(bare))}"
    if typing.get_origin(bare) is Literal:
        return " or ".join(map(repr, typing.get_args(bare)))
    return "a table"
