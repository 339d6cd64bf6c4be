"""What a user should know of the judge that was bound: before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptopt.evaluators.giveaway import given_away
from promptopt.protocols import Evaluator, Judging, Model, Role, Simulating, Task


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
    return [*said, *_remarks_on_user(evaluators, models)]


def _remarks_on_user(evaluators: Sequence[Evaluator], models: Mapping[Role, Model]) -> list[str]:
    """What a user should know of the model that plays users."""
    user = models.get("user")
    if user is None:
        return []
    if not any(isinstance(each, Simulating) for each in evaluators):
        return [f"the model {user.name!r} is named to play users, and this task has no scenarios: nobody asks it"]
    said = [
        f"the users are played by {user.name!r}, and what comes of that depends on who plays: have another model play "
        f"them too, with --user-model, before you rely on it"
    ]
    if user.name == models["task"].name:
        said.append(
            f"the model that plays the users is the task model, {user.name!r}, which is kind to itself; name one of "
            f"another family with --user-model"
        )
    return said
