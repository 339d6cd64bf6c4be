"""The `[judge]` table of a task file: which evaluator asks a judge, and what it asks.

evaluator = "rubric"     or checklist, versus, equivalence, panel, weighted; by default the one whose settings are given
                         or "generation": the task goes by its metric, and asks a judge only where one is named
criteria, file, levels, low, high, reference, reasons, draws, score_by     of a rubric; `file` beside the task file
show_system                                                                 of all of them
share_rubric                                                                of a rubric and of a checklist
items, weights, critical                                                    of a checklist
by, size                                                                    of a panel
[judge.rubric] [judge.checklist] [judge.versus] [judge.panel]               the same, each in a table of its own
[judge.weights] [judge.clauses]                                             of a mix
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.companions import companion_text

_OF_CHECKLIST = ("items", "critical")
_OF_PANEL = ("by", "size")
_SHARED = ("reference", "max_tokens", "show_system", "share_rubric")
_PAIRWISE = ("criteria", "reference", "max_tokens", "show_system")


def judge_of(path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as evaluators read them. Raises DataError for a file that cannot be read.

    Raises ConfigError for a rubric said twice, and where what several evaluators ask is said, and not which is meant.
    """
    if not table:
        return {}
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    nested = {name: dict(cast("Mapping[str, Any]", value)) for name, value in table.items() if name not in plain}
    named = str(plain.pop("evaluator")) if "evaluator" in plain else _judge_kind(path, plain, nested)
    # A list of weights is a checklist's; as a table, those of a mix, they are among `nested`.
    checklist = {name: plain.pop(name) for name in (*_OF_CHECKLIST, "weights") if name in plain}
    panel = {**{name: plain.pop(name) for name in _OF_PANEL if name in plain}, **nested.pop("panel", {})}
    versus = _with_criteria(path, nested.pop("versus", {}))
    rubric = _with_criteria(path, {**plain, **nested.pop("rubric", {})})
    # Said once for the judge, whichever way it is asked.
    shared = {name: value for name, value in rubric.items() if name in _SHARED}
    found: dict[str, Any] = {"evaluator": named, **nested}
    found["rubric"] = rubric
    found["checklist"] = {**shared, **checklist, **nested.get("checklist", {})}
    pairwise = {name: rubric[name] for name in _PAIRWISE if name in rubric}
    found["versus"] = {**pairwise, **versus}
    found["panel"] = panel
    return {name: _frozen(value) for name, value in found.items()}


def _judge_kind(path: Path, plain: Mapping[str, Any], nested: Mapping[str, Any]) -> str:
    """The evaluator that is meant where none is named."""
    if "weights" in nested:
        return "weighted"
    if "clauses" in nested:
        raise ConfigError(f"{path}: [judge.clauses] count in a mix alone; say with [judge.weights] how much")
    given = {
        "rubric": "criteria" in plain or "file" in plain or "rubric" in nested,
        "checklist": "items" in plain or "checklist" in nested,
        "versus": "versus" in nested,
    }
    asked = [name for name, said in given.items() if said]
    # A panel says with `by` which of them its judges are asked.
    if "size" in plain or "by" in plain or "panel" in nested:
        return "panel"
    if len(asked) > 1:
        raise ConfigError(
            f"{path}: [judge] says what {' and '.join(asked)} ask, and not which is meant; add evaluator = "
            f'"{asked[0]}" or another, or mix them with [judge.weights]'
        )
    return asked[0] if asked else "rubric"


def _with_criteria(path: Path, rubric: dict[str, Any]) -> dict[str, Any]:
    if "file" not in rubric:
        return rubric
    if "criteria" in rubric:
        raise ConfigError(f"{path}: [judge] has both criteria and file; leave out one of them")
    source = path.parent / str(rubric.pop("file"))
    text = companion_text(source, f"{path}: the rubric {source} of [judge] file").strip()
    if not text:
        raise DataError(f"{path}: the rubric {source} is empty; write into it what a good reply is")
    return {**rubric, "criteria": text}


def _frozen(value: Any) -> Any:
    """Lists as tuples, as settings are held."""
    if isinstance(value, Mapping):
        return {name: _frozen(each) for name, each in cast("Mapping[str, Any]", value).items()}
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
