"""What a task file may say: every key with its type, held against a whole file before anything is made of it.

The one place, beside the settings of methods, that uses pydantic; imported when a file is loaded.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Strict, StringConstraints, TypeAdapter, ValidationError, with_config

# pydantic brings it, and before Python 3.12 reads no other TypedDict.
from typing_extensions import TypedDict

from promptopt.tasks.schema_faults import Fault, first

# Strict: "3" is no number and a text no list of letters.
_strict = with_config(ConfigDict(strict=True, extra="forbid"))

# The text beside each type is what a person would call its values.
_Text = Annotated[str, "a text"]
_Filled = Annotated[str, StringConstraints(pattern=r"\S"), "a text that is not empty"]
# No control characters, and at least one sign that is not blank.
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
# Not strict: TOML writes 1 for 1.0.
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
    draws: Annotated[int, Field(ge=1, le=20), "a whole number from 1 to 20"]
    passes: Annotated[float, Field(gt=0, le=1), Strict(False), "a number above 0, up to 1"]
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
    may_contain: _Texts
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
    show_system: bool
    share_rubric: bool


@_strict
class _ChecklistTable(TypedDict, total=False):
    items: _Items
    weights: Annotated[list[_Weight], "a list of numbers, one for each item"]
    critical: Annotated[list[_Count], "a list of the numbers of items, from 1"]
    reference: bool
    max_tokens: _Count
    show_system: bool
    share_rubric: bool


@_strict
class _VersusTable(TypedDict, total=False):
    criteria: _Filled
    file: _Path
    reference: bool
    max_tokens: _Count
    show_system: bool


@_strict
class _PanelTable(TypedDict, total=False):
    by: Literal["rubric", "checklist"]
    size: Annotated[int, Field(ge=2, le=5), "a whole number from 2 to 5"]


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
class _JudgeTable(_RubricTable, _PanelTable, total=False):
    evaluator: Literal["generation", "rubric", "checklist", "versus", "equivalence", "panel", "weighted"]
    items: _Items
    weights: Annotated[list[_Weight], "a list of numbers, one for each item"] | _WeightsTable
    critical: Annotated[list[_Count], "a list of the numbers of items, from 1"]
    rubric: _RubricTable
    checklist: _ChecklistTable
    versus: _VersusTable
    panel: _PanelTable
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
    instruction: typing.Required[_Text]
    editable: Annotated[
        _Filled | Annotated[list[_Filled], Field(min_length=1)], "texts: a part's name, or a list of them"
    ]
    parts: Annotated[dict[_Filled, _Text], "a table of texts"]
    splits: _Splits
    weigh: Literal["turn", "conversation"]
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
        found = [Fault.of(TaskTable, table, error["type"], error["loc"]) for error in cause.errors(include_url=False)]
        raise first(found).sentence(path) from None


_adapter = cache(lambda: TypeAdapter(TaskTable))  # some 20 ms
