"""What a user should know of the judge that was bound: before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.binding.models import OpenModels
from promptopt.evaluators.giveaway import given_away
from promptopt.protocols import Evaluator, Judging, Task


def asks_judge(evaluator: Evaluator) -> bool:
    """Whether a score is a judge's word, in whole or in part."""
    return isinstance(evaluator, Judging) and bool(evaluator.judges)


def remarks_on_judge(evaluators: Sequence[Evaluator], task: Task, models: OpenModels) -> list[str]:
    """A sentence on each thing that is wrong with the judge of these evaluators, none where none asks one."""
    judging = [each for each in dict.fromkeys(evaluators) if isinstance(each, Judging) and each.judges]
    said: dict[str, None] = {}
    answering = {models.by_role["task"].name: None, models.check.name: None}
    for evaluator in judging:
        for role in evaluator.judges:
            judge = models.by_role.get(role)
            if judge is not None and judge.name in answering:
                said[
                    f"the judge is the task model, {judge.name!r}, and models prefer what they write themselves; name "
                    f"one of another family with --judge"
                ] = None
        found = given_away(evaluator.questions, (*task.train, *task.dev, *task.test), task.labels)
        if found:
            said[found] = None
    return list(said)
