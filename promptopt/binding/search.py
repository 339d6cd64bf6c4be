"""A search as it was asked for, as objects; and what tells it from another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.binding.evaluator import bind_evaluator, rebound, recast, suited, verdict_evaluator, without_misfits
from promptopt.binding.identity import bind_optimizer, identity_of
from promptopt.binding.models import Models, OpenModels, names_user, open_models
from promptopt.binding.task import bind_task
from promptopt.errors import ConfigError
from promptopt.programs import ProgramEvaluator
from promptopt.protocols import ANSWERING, ChoosesLayout, Evaluator, Model, Optimizer, Planning, Task
from promptopt.run.budget import Limits
from promptopt.tasks.crowding import crowded
from promptopt.tasks.inline import run_by_program
from promptopt.tasks.layouts import layouts_said
from promptopt.types import Room


@dataclass(frozen=True, slots=True)
class BoundSearch:
    """What a search was asked for, as objects.

    `task`: without the examples that cannot be scored, on which `misfits` is a sentence. `whole`: with them, as the
    evaluators hold it.
    """

    task: Task
    whole: Task
    optimizer: Optimizer
    models: OpenModels
    evaluator: Evaluator
    check: Evaluator
    seed: int
    misfits: str | None

    def fingerprint(self, room: Room, caps: Limits) -> dict[str, Any]:
        """JSON that tells the run from others: all that was asked, and the plan that the room allows.

        `caps`: of the search.
        """
        models = self.models
        said: dict[str, Any] = {
            "task": self.task.fingerprint(),
            "method": identity_of(self.optimizer),
            "models": {role: each.name for role, each in models.by_role.items()},
            "evaluator": self.evaluator.fingerprint(),
            "seed": self.seed,
        }
        if models.check is not models.by_role["task"] or self.check is not self.evaluator:
            said["check"] = {"model": models.check.name, "evaluator": self.check.fingerprint()}
        if isinstance(self.optimizer, ChoosesLayout) and self.optimizer.layouts:
            said["layouts"] = layouts_said(self.task)
        if isinstance(self.optimizer, Planning):
            # A plan that differs is another search; one that is equal under a larger cap goes on.
            plan, unlimited = (identity_of(self.optimizer.plan(each)) for each in (room, room.unlimited()))
            said["plan"] = plan
            counted = {"evaluations": caps.evaluations, "calls": caps.calls}
            # Such a plan spreads its looks over what these leave, though another cap is what it is made by.
            if caps.metered and plan != unlimited and any(each is not None for each in counted.values()):
                said["counted"] = counted
        return said


def bind_search(
    named: str | Path | Task,
    optimizer: str | Optimizer,
    model: str | Model | Models,
    evaluators: tuple[str | Evaluator | None, str | Evaluator | None],
    seed: int,
) -> BoundSearch:
    """The objects of a search. `evaluators`: what guides it, and what the verdict is by.

    Raises ConfigError for what does not fit together, before anything is asked.
    """
    given, optimizer = bind_task(named, seed, own_user=names_user(model)), bind_optimizer(optimizer)
    task = recast(given, optimizer)
    evaluator, check_evaluator = (rebound(each, given, task) for each in evaluators)
    guide = bind_evaluator(evaluator, task, optimizer)
    if task.initial != given.initial and any(isinstance(each, ProgramEvaluator) for each in (guide, check_evaluator)):
        # A program reads the parts of the prompt that it was written for, and those are gone.
        raise run_by_program(given)
    models = open_models(model, guide, check_evaluator)
    answering = [models.by_role[role] for role in ANSWERING if role in models.by_role]
    search = suited(guide, answering[0])
    # Of several models all have to tell what one of them can.
    if any(suited(guide, each).fingerprint() != search.fingerprint() for each in answering[1:]):
        search = guide
    check = verdict_evaluator(search, check_evaluator, task, models.check)
    # Before anything is asked: a start that leaves the input no room fails on every example.
    for each in answering:
        if (refused := crowded(task, task.initial, each)) is not None:
            raise ConfigError(refused)
    fitting, misfits = without_misfits(task, [search, check], models.by_role["task"])
    return BoundSearch(
        task=fitting,
        whole=task,
        optimizer=optimizer,
        models=models,
        evaluator=search,
        check=check,
        seed=seed,
        misfits=misfits,
    )
