"""`optimize` and `evaluate`: what the command line and Python programs call. The only catcher of stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.ask import Door
from promptopt.binding import (
    arrange,
    bind_evaluator,
    bind_models,
    bind_optimizer,
    bind_task,
    describe,
    method_name,
    opened,
    prices,
    versions,
)
from promptopt.budget import Budget, Ledger, Limits, Plan
from promptopt.errors import BackendError, BudgetSpent, ConfigError, ReplayDiverged, StoreError, Suspended
from promptopt.events import Event, Planned
from promptopt.protocols import Evaluator, Model, Task
from promptopt.result import Measured, Result, Status
from promptopt.run import Optimizer, Run, run_id
from promptopt.stats import paired_gain, smallest_detectable, verdict
from promptopt.store.runs import Store
from promptopt.types import Example, Prompt, Score, ScoreMatrix
from promptopt.verdict import be_exact, choose, contender, measured, sealed_test


def optimize(
    task: str | Path | Task,
    optimizer: str | Optimizer,
    *,
    model: str | Model = "embedded",
    proposer: str | Model | None = None,
    judge: str | Model | None = None,
    base_url: str | None = None,
    evaluator: str | Evaluator | None = None,
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
    of the others where they come from the same provider. `evaluator`: generation with the task's metric, if None.
    `store`: where calls are kept, by default under `PROMPTOPT_HOME`. `watch` is handed the run before it begins,
    `observers` every event; setting `interrupt` suspends the run once the calls in flight have settled. `config` is
    kept with the run, as what started it.

    The same call again replays what was done at no cost and goes on from there. Raises ConfigError, DataError and
    EvaluatorError for mistakes, StoreError when the store cannot be used; weather (a dead server, the clock, Ctrl-C)
    ends in a Result whose status is `suspended`.
    """
    begun = time.monotonic()
    budget = Budget() if budget is None else budget
    task, optimizer = bind_task(task, seed), bind_optimizer(optimizer)
    evaluator = bind_evaluator(evaluator, task)
    with opened(store) as store:
        models = bind_models(model, proposer, judge, base_url)
        fingerprint = {
            "task": task.fingerprint(),
            "method": describe(optimizer),
            "models": {role: each.name for role, each in models.items()},
            "evaluator": evaluator.fingerprint(),
            "seed": seed,
        }
        name = run_id(fingerprint)
        known = prices(models)
        arranged = arrange(budget, task, evaluator, models, known)
        journal = store.journal(name)
        door = Door(
            models=models,
            prices=known,
            cache=store.cache,
            journal=journal,
            limits=arranged.search,
            seed=seed,
            stopping=_stopping(budget, begun, interrupt),
            warn=lambda message: run.warn(message),
        )
        run = Run(task=task, evaluator=evaluator, door=door, seed=seed, observers=observers)
        store.begin(name, fingerprint={**fingerprint, "versions": versions()}, config={} if config is None else config)
        if watch is not None:
            watch(run)
        run.tell(Planned(name, arranged, smallest_detectable(arranged.test), journal.recorded))
        _warn_of_versions(run, store, name)
        result = _conduct(run, optimizer, arranged, store, name, begun)
        # A disk that is full has no room for this either; what was paid for is stored, and the next execution says it.
        with suppress(StoreError) if result.status == "suspended" else nullcontext():
            store.end(name, status=result.status, result=result.to_json())
        return result


def _conduct(run: Run, optimizer: Optimizer, plan: Plan, store: Store, name: str, begun: float) -> Result:
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
        run.door.limits, run.door.journal = plan.total, store.final_journal(name)
        be_exact(run)
        winner = choose(run, plan)
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
        _warn_of_winner(run, winner)
    gain = (
        paired_gain([score.value for score in before], [score.value for score in after], run.seed) if before else None
    )
    start = contender(run, run.initial, plan, measured(before, run.seed))
    best = contender(run, winner, plan, measured(after, run.seed))
    models = run.door.models
    return Result(
        run_id=name,
        task=run.task.name,
        method=method_name(optimizer),
        seed=run.seed,
        model=models["task"].name,
        proposer=models["proposer"].name,
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
        lineage=tuple(run.candidates()),
        steps=tuple(run.steps),
        rejected=dict(run.rejected),
        warnings=run.warnings,
    )


def _warn_of_winner(run: Run, winner: Prompt) -> None:
    from promptopt.evaluators.leak import find_leaks

    if len(run.candidates()) == 1:
        reasons = ", ".join(f"{count} {reason}" for reason, count in run.rejected.most_common())
        run.warn(
            f"the search proposed no usable candidate, so the start is kept ({reasons if reasons else 'no replies'})"
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


def _stopping(budget: Budget, begun: float, interrupt: threading.Event | None) -> Callable[[], str | None]:
    def stopping() -> str | None:
        if interrupt is not None and interrupt.is_set():
            return "interrupted"
        if budget.minutes is not None and time.monotonic() - begun > budget.minutes * 60:
            return f"{budget.minutes:g} minutes are over"
        return None

    return stopping


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one prompt scores on one split. `scores` are in the order of `examples`."""

    task: str
    model: str
    split: str
    prompt: Prompt
    measured: Measured
    examples: tuple[Example, ...]
    scores: tuple[Score, ...]
    spent: Ledger
    paid: Ledger


def evaluate(
    task: str | Path | Task,
    prompt: Prompt | None = None,
    *,
    model: str | Model = "embedded",
    base_url: str | None = None,
    evaluator: str | Evaluator | None = None,
    split: str = "test",
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> Evaluation:
    """Score one prompt (the task's start, if None) on a whole split, or on as much of it as the budget allows.

    Raises ConfigError for an unknown split and when the budget scores nothing; BackendError when the engine fails.
    """
    begun = time.monotonic()
    budget = Budget() if budget is None else budget
    task = bind_task(task, seed)
    if split not in ("train", "dev", "test"):
        raise ConfigError(f"no split is named {split!r}; it is one of train, dev, test")
    examples: tuple[Example, ...] = getattr(task, split)
    with opened(store) as store:
        models = bind_models(model, None, None, base_url)
        door = Door(
            models=models,
            prices=prices(models),
            cache=store.cache,
            journal=None,
            limits=Limits.of(budget),
            seed=seed,
            stopping=_stopping(budget, begun, interrupt),
            warn=lambda message: run.warn(message),
        )
        run = Run(task=task, evaluator=bind_evaluator(evaluator, task), door=door, seed=seed)
        chosen = task.initial if prompt is None else prompt
        matrix = _as_far_as_allowed(run, chosen, examples)
        result = measured(matrix[chosen], seed)
        assert result is not None
        return Evaluation(
            task.name,
            models["task"].name,
            split,
            chosen,
            result,
            matrix.examples,
            tuple(matrix[chosen]),
            door.spent,
            door.paid,
        )


def _as_far_as_allowed(run: Run, prompt: Prompt, examples: Sequence[Example]) -> ScoreMatrix:
    try:
        return run.evaluate([prompt], examples)
    except BudgetSpent:
        scored = run.estimate(prompt, examples).count
        if scored == 0:
            raise ConfigError("the budget does not allow a single evaluation; raise it") from None
        return run.evaluate([prompt], examples[:scored])
    except Suspended as stop:
        raise BackendError(f"{stop}; run the same command again to go on") from stop
