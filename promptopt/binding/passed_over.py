"""What a task file says of its judge, and nothing goes by: another evaluator was named, or a method chose one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.equivalence import Equivalence
from promptopt.evaluators.own_judges import OWN_JUDGES, OwnJudges
from promptopt.evaluators.panel import Panel
from promptopt.evaluators.rubric import Rubric
from promptopt.evaluators.versus import Versus
from promptopt.evaluators.weighted import Weighted
from promptopt.outcome.criterion import name_of
from promptopt.protocols import Evaluator, JudgedTask, Task

_IN_WORDS = {
    "rubric": "the criteria of a rubric", "checklist": "the items of a checklist", "versus": "the criteria of versus",
    "panel": "what a panel is", "weights": "the weights of a mix", "clauses": "clauses",
}  # fmt: skip
_OF_ALL = frozenset({"reference", "max_tokens"})
"""Settings of every judge, whichever way it is asked."""
_OWN_PARTS: Mapping[str, frozenset[str]] = {
    "rubric": frozenset({"rubric"}), "checklist": frozenset({"checklist"}), "versus": frozenset({"versus", "rubric"}),
    "equivalence": frozenset({"versus", "rubric"}), "panel": frozenset({"panel", "rubric", "checklist"}),
    "weighted": frozenset({"weights", "rubric", "checklist", "clauses"}),
}  # fmt: skip


def passed_over(evaluators: Sequence[Evaluator], task: Task) -> list[str]:
    """A sentence for each `[judge]` of which some says what is asked, and none of `evaluators` asks that.

    What the table's own evaluator leaves out is its own business: that says which of several is meant.
    """
    if not isinstance(task, JudgedTask):
        return []
    tables = cast("Mapping[str, Mapping[str, Any]]", task.judge.get(OWN_JUDGES, {task.name: task.judge}))
    return [
        said
        for name, table in tables.items()
        if (said := _of_table(name, table, [_of(each, name) for each in evaluators]))
    ]


def _of(evaluator: Evaluator, task: str) -> Evaluator:
    """What scores the examples of this task."""
    return evaluator.of.get(task, evaluator) if isinstance(evaluator, OwnJudges) else evaluator


def _of_table(task: str, table: Mapping[str, Any], evaluators: Sequence[Evaluator]) -> str:
    meant, names = str(table.get("evaluator", "")), list(dict.fromkeys(map(name_of, evaluators)))
    if meant in names:
        return ""
    asked = frozenset[str]().union(*map(_asked_by, evaluators))
    left = [
        each for each in _IN_WORDS if each in _OWN_PARTS.get(meant, ()) and each not in asked and _says(table, each)
    ]
    if not left:
        return ""
    what = " and ".join(_IN_WORDS[each] for each in left)
    return (
        f"[judge] of task {task!r} says {what}, and nothing here goes by that: scores are by {' and '.join(names)}; "
        f"name {meant} with --evaluator to go by it"
    )


def _says(table: Mapping[str, Any], part: str) -> bool:
    held = cast("Mapping[str, Any]", table.get(part, {}))
    if part == "versus":
        # Criteria of the judge are those of versus too, and are told of as such.
        return held.get("criteria") != table.get("rubric", {}).get("criteria")
    return not _OF_ALL.issuperset(held)


def _asked_by(evaluator: Evaluator) -> frozenset[str]:
    """The parts of a `[judge]` that an evaluator goes by."""
    if isinstance(evaluator, Rubric):
        return frozenset({"rubric"})
    if isinstance(evaluator, Checklist):
        return frozenset({"checklist"})
    if isinstance(evaluator, Versus | Equivalence):
        return _OWN_PARTS["versus"]
    if isinstance(evaluator, Panel):
        return frozenset({"panel", evaluator.by})
    if isinstance(evaluator, Weighted):
        return frozenset({"weights", *evaluator.parts})
    return frozenset()
