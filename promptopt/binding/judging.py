"""What a user should know of the judge that was bound: before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptopt.evaluators.giveaway import given_away
from promptopt.protocols import Evaluator, Judging, Model, Role, Task


def remarks_on_judge(
    evaluators: Sequence[Evaluator], task: Task, models: Mapping[Role, Model], check: Model
) -> list[str]:
    """A sentence on each thing that is wrong with the judge of these evaluators, none where none asks one.

    `check`: the model that the verdict is on.
    """
    judging = [each for each in evaluators if isinstance(each, Judging) and each.judges]
    said: dict[str, None] = {}
    answering = (models["task"].name, check.name) if judging else ()
    for evaluator in judging:
        for role in evaluator.judges:
            judge = models.get(role)
            if judge is not None and judge.name in answering:
                said[
                    f"the judge is the task model, {judge.name!r}, and models prefer what they write themselves; name "
                    f"one of another family with --judge"
                ] = None
        found = given_away(evaluator.questions, (*task.train, *task.dev, *task.test), task.labels)
        if found:
            said[found] = None
    return list(said)
