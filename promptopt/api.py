"""`optimize`: what the command line and Python programs call to search."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from promptopt.binding.evaluator import bind_evaluator, rebound, recast, verdict_evaluator, without_misfits
from promptopt.binding.identity import bind_optimizer, identity_of, method_name, run_id, versions
from promptopt.binding.models import Models, open_models, price_for, prices
from promptopt.binding.plan import allocate_for, room_for, too_little
from promptopt.binding.session import Session, opened, stopping
from promptopt.binding.task import bind_task
from promptopt.errors import ConfigError, StoreError
from promptopt.outcome.criterion import Criterion
from promptopt.outcome.result import Result
from promptopt.outcome.trial import Trial, conduct
from promptopt.protocols import Evaluator, Model, Optimizer, Planning, Task
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.door import Door
from promptopt.run.events import Planned
from promptopt.stats import smallest_detectable
from promptopt.store.runs import Store
from promptopt.tasks.crowding import crowded
from promptopt.tasks.sealing import without_test

UNWATCHED = Session()


def optimize(
    task: str | Path | Task,
    optimizer: str | Optimizer = "auto",
    *,
    model: str | Model | Models = "embedded",
    evaluator: str | Evaluator | None = None,
    check_evaluator: str | Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    session: Session = UNWATCHED,
) -> Result:
    """Search for a better prompt and return a verdict on sealed data.

    `task`: a name, a task file, or a Task. `optimizer`: a name or an Optimizer. `model` answers; `Models` says who
    writes prompts, who judges, and what the prompt is for, where that is not the same. `evaluator` guides the search:
    the method's own choice, if None, which for most is generation with the task's metric. `check_evaluator` is what the
    final choice and the sealed test are by: the same, if None, but the task's metric where the search went by a loss.
    `store`: where calls are kept, by default under `PROMPTOPT_HOME`. `session`: who looks on, and how it is stopped.

    The same call again replays what was done at no cost and goes on from there. Raises ConfigError, DataError and
    EvaluatorError for mistakes, StoreError when the store cannot be used; weather (a dead server, the clock, Ctrl-C)
    ends in a Result whose status is `suspended`.
    """
    begun = time.monotonic()
    budget = Budget() if budget is None else budget
    given, optimizer = bind_task(task, seed), bind_optimizer(optimizer)
    task = recast(given, optimizer)
    evaluator, check_evaluator = (rebound(each, given, task) for each in (evaluator, check_evaluator))
    search = bind_evaluator(evaluator, task, optimizer)
    with opened(store) as store:
        models = open_models(model)
        check = verdict_evaluator(search, check_evaluator, task, models.check)
        refused = crowded(task, task.initial, models.by_role["task"])
        if refused is not None:
            raise ConfigError(refused)
        task, misfits = without_misfits(task, [search, check], models.by_role["task"])
        fingerprint: dict[str, Any] = {
            "task": task.fingerprint(),
            "method": identity_of(optimizer),
            "models": {role: each.name for role, each in models.by_role.items()},
            "evaluator": search.fingerprint(),
            "seed": seed,
        }
        if models.check is not models.by_role["task"] or check is not search:
            fingerprint["check"] = {"model": models.check.name, "evaluator": check.fingerprint()}
        criterion = Criterion(check, models.check, price_for(models.check))
        allocation = allocate_for(budget, task, criterion, prices(models.by_role))
        room = room_for(allocation, task, search)
        if isinstance(optimizer, Planning):
            # A plan that differs is another search; one that is equal under a larger cap goes on.
            fingerprint["plan"] = identity_of(optimizer.plan(room))
        name = run_id(fingerprint)
        journal = store.journal(name)
        door = Door(
            models=models.by_role,
            prices=prices(models.by_role),
            cache=store.cache,
            journal=journal,
            limits=allocation.search,
            seed=seed,
            stopping=stopping(budget, begun, session.interrupt),
            warn=lambda message: run.warn(message),
        )
        # From here on nobody but the trial holds the test examples.
        test, whole, task = task.test, task, without_test(task)
        guide, judged_by = (cast("Evaluator", rebound(each, whole, task)) for each in (search, check))
        run = Run(
            task=task,
            evaluator=guide,
            door=door,
            seed=seed,
            observers=session.observers,
            final_journal=lambda: store.final_journal(name),
            room=room,
        )
        searched = Criterion(guide, models.by_role["task"], None)
        criterion = replace(criterion, evaluator=guide if check is search else judged_by)
        trial = Trial(name, method_name(optimizer), run, door, allocation, test, searched, criterion)
        store.begin(name, fingerprint={**fingerprint, "versions": versions()}, config=session.config)
        if session.watch is not None:
            session.watch(run)
        run.tell(Planned(name, allocation, smallest_detectable(allocation.test), journal.recorded))
        _warn_of_versions(run, store, name)
        for said in (misfits, too_little(optimizer, room)):
            if said:
                run.warn(said)
        result = conduct(trial, optimizer, begun)
        # A disk that is full has no room for this either; what was paid for is stored, and the next execution says it.
        with suppress(StoreError) if result.status == "suspended" else nullcontext():
            store.end(name, status=result.status, result=result.to_json())
        return result


def _warn_of_versions(run: Run, store: Store, name: str) -> None:
    recorded = store.find(name).fingerprint.get("versions", {})
    for what, now in versions().items():
        if recorded.get(what, now) != now:
            run.warn(
                f"this run began under {what} {recorded[what]} and goes on under {now}; if it diverges, start afresh"
            )
