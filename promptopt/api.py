"""`optimize`: what the command line and Python programs call to search."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from promptopt.binding.evaluator import Criterion, bind_evaluator, rebound, recast, verdict_evaluator, without_misfits
from promptopt.binding.objects import (
    arrange,
    bind_optimizer,
    bind_task,
    describe,
    method_name,
    open_models,
    opened,
    price_for,
    prices,
    room_for,
    stopping,
    too_little,
    versions,
)
from promptopt.errors import BudgetSpent, ConfigError, ReplayDiverged, StoreError, Suspended
from promptopt.outcome.final import adopt_criterion, choose, contender, measured, scorable, sealed_test
from promptopt.outcome.result import Guide, Result, Status, front
from promptopt.protocols import Evaluator, Model, Planning, Task
from promptopt.run import Optimizer, Run, run_id
from promptopt.run.budget import Budget, Plan
from promptopt.run.door import Door
from promptopt.run.events import Event, Planned
from promptopt.stats import paired_gain, smallest_detectable, verdict
from promptopt.store.runs import Store
from promptopt.tasks.crowding import crowded
from promptopt.types import Prompt, Score


def optimize(
    task: str | Path | Task,
    optimizer: str | Optimizer = "auto",
    *,
    model: str | Model = "embedded",
    proposer: str | Model | None = None,
    judge: str | Model | None = None,
    base_url: str | None = None,
    evaluator: str | Evaluator | None = None,
    check_model: str | Model | None = None,
    check_evaluator: str | Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    observers: Sequence[Callable[[Event], None]] = (),
    watch: Callable[[Run], None] | None = None,
    interrupt: threading.Event | None = None,
    config: Mapping[str, Any] | None = None,
) -> Result:
    """Search for a better prompt and return a verdict on sealed data.

    `task`: a name, a task file, or a Task. `optimizer`: a name or an Optimizer. `model` answers, `proposer` (the same
    model, if None) writes prompts, `judge` scores, if the evaluator asks one; `base_url` is the server of `model`, and
    of the others where they come from the same provider. `evaluator` guides the search: the method's own choice, if
    None, which for most is generation with the task's metric. `check_model` and `check_evaluator` are what the final
    choice and the sealed test are by: the same, if None, but the task's metric where the search went by a loss.
    `store`: where calls are kept, by default under `PROMPTOPT_HOME`. `watch` is handed the run before it begins,
    `observers` every event; setting `interrupt` suspends the run once the calls in flight have settled. `config` is
    kept with the run, as what started it.

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
        models, checked = open_models(model, proposer, judge, base_url, check_model)
        criterion = Criterion(verdict_evaluator(search, check_evaluator, task, checked), checked, price_for(checked))
        refused = crowded(task, task.initial, models["task"])
        if refused is not None:
            raise ConfigError(refused)
        task, misfits = without_misfits(task, [search, criterion.evaluator], models["task"])
        fingerprint: dict[str, Any] = {
            "task": task.fingerprint(),
            "method": describe(optimizer),
            "models": {role: each.name for role, each in models.items()},
            "evaluator": search.fingerprint(),
            "seed": seed,
        }
        if check_model is not None or criterion.evaluator is not search:
            fingerprint["check"] = {"model": checked.name, "evaluator": criterion.evaluator.fingerprint()}
        known = prices(models)
        arranged = arrange(budget, task, criterion, known)
        room = room_for(arranged, task, search)
        if isinstance(optimizer, Planning):
            # A plan that differs is another search; one that is equal under a larger cap goes on.
            fingerprint["plan"] = describe(optimizer.plan(room))
        name = run_id(fingerprint)
        journal = store.journal(name)
        door = Door(
            models=models,
            prices=known,
            cache=store.cache,
            journal=journal,
            limits=arranged.search,
            seed=seed,
            stopping=stopping(budget, begun, interrupt),
            warn=lambda message: run.warn(message),
        )
        run = Run(
            task=task,
            evaluator=search,
            door=door,
            seed=seed,
            observers=observers,
            final_journal=lambda: store.final_journal(name),
            room=room,
        )
        store.begin(name, fingerprint={**fingerprint, "versions": versions()}, config={} if config is None else config)
        if watch is not None:
            watch(run)
        run.tell(Planned(name, arranged, smallest_detectable(arranged.test), journal.recorded))
        _warn_of_versions(run, store, name)
        for said in (misfits, too_little(optimizer, room)):
            if said:
                run.warn(said)
        result = _conduct(run, optimizer, arranged, criterion, name, begun)
        # A disk that is full has no room for this either; what was paid for is stored, and the next execution says it.
        with suppress(StoreError) if result.status == "suspended" else nullcontext():
            store.end(name, status=result.status, result=result.to_json())
        return result


def _conduct(run: Run, optimizer: Optimizer, plan: Plan, criterion: Criterion, name: str, begun: float) -> Result:
    searched = Criterion(run.evaluator, run.door.models["task"], None)
    status: Status = "finished"
    reason = ""
    winner = run.initial
    before: list[Score] = []
    after: list[Score] = []
    try:
        run.begin_phase("search")
        try:
            optimizer.optimize(run)
        except BudgetSpent as spent:
            status, reason = "budget", str(spent)
        run.door.limits = plan.total
        run.follow_budget()
        by_search = criterion.evaluator is searched.evaluator and criterion.model is searched.model
        adopt_criterion(run, criterion)
        if not plan.total.metered:
            plan = plan.enlarged(run.evaluations_left(), len(run.dev), len(run.task.test))
        winner = choose(run, plan, by_search=by_search)
        before, after = sealed_test(run, run.task.test, plan, winner)
    except ReplayDiverged:
        raise
    except (Suspended, StoreError) as stop:
        status, reason = "suspended", str(stop)
    except KeyboardInterrupt:
        status, reason = "suspended", "interrupted"
    if status == "suspended":
        # A sealed test that was cut short is not looked at: the next execution finishes it.
        before, after = [], []
        winner = next((estimate.prompt for estimate in run.ranked()), run.initial)
    else:
        _warn_of_winner(run, winner, searched.name if criterion.evaluator is not searched.evaluator else "")
    first, second = scorable(before, after)
    if len(first) < len(before):
        run.warn(f"{len(before) - len(first)} test items have no finite score under one of the prompts; left out")
    gain = paired_gain([score.value for score in first], [score.value for score in second], run.seed) if first else None
    start = contender(run, run.initial, plan, measured(before, run.seed))
    best = contender(run, winner, plan, measured(after, run.seed))
    models, candidates = run.door.models, tuple(run.candidates())

    def guided(prompt: Prompt) -> float | None:
        estimate = run.searched(prompt)
        return estimate.mean if estimate.count and math.isfinite(estimate.mean) else None

    return Result(
        run_id=name,
        task=run.task.name,
        method=method_name(optimizer),
        seed=run.seed,
        model=criterion.model.name,
        evaluator=criterion.name,
        proposer=models["proposer"].name,
        search=Guide(searched.name, searched.model.name, guided(run.initial), guided(winner)),
        status=status,
        reason=reason,
        start=start,
        best=best,
        gain=gain,
        verdict="no_evidence" if gain is None else verdict(gain),
        optimism=None if best.dev is None or best.test is None else best.dev.score - best.test.score,
        spent=run.door.spent,
        paid=run.door.paid,
        wall_s=time.monotonic() - begun,
        lineage=candidates,
        front=front(candidates, run.count_tokens),
        steps=tuple(run.steps),
        rejected=dict(run.rejected),
        warnings=run.warnings,
    )


def _warn_of_winner(run: Run, winner: Prompt, guide: str) -> None:
    """`guide`: the evaluator that the search went by, where the verdict is by another one."""
    from promptopt.evaluators.leak import find_leaks

    if len(run.candidates()) == 1:
        reasons = ", ".join(f"{count} {reason}" for reason, count in run.rejected.most_common())
        run.warn(
            f"the search proposed no usable candidate, so the start is kept ({reasons if reasons else 'no replies'})"
        )
    ranked = run.ranked()
    if guide and winner == run.initial and ranked and ranked[0].prompt != winner:
        start, best = (run.searched(prompt).mean for prompt in (winner, ranked[0].prompt))
        run.warn(
            f"the search improved its {guide} on train from {start:.3f} to {best:.3f}, but on dev no finalist "
            f"beats the start by what the verdict is by: the {guide} does not stand for it here"
        )
    if winner != run.initial:
        for finding in find_leaks(winner[run.task.editable], run.train, run.task.labels):
            run.warn(finding)


def _warn_of_versions(run: Run, store: Store, name: str) -> None:
    recorded = store.find(name).fingerprint.get("versions", {})
    for what, now in versions().items():
        if recorded.get(what, now) != now:
            run.warn(
                f"this run began under {what} {recorded[what]} and goes on under {now}; if it diverges, start afresh"
            )
