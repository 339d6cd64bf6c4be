"""`optimize`: what the command line and Python programs call to search."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from promptopt.arguments import checked
from promptopt.binding.evaluator import rebound
from promptopt.binding.floors import least_floors
from promptopt.binding.identity import method_name, run_id, versions
from promptopt.binding.judging import check_judge_of, remarks_on_judge, without_check
from promptopt.binding.models import Models, mean_price, price_for, prices
from promptopt.binding.plan import (
    allocate_for,
    default_budget,
    ends_nothing,
    reserve_for,
    room_for,
    search_planned,
    too_little,
)
from promptopt.binding.search import BoundSearch, bind_search
from promptopt.binding.session import Session, opened, seconds_since, stopping
from promptopt.errors import BackendError, StoreError
from promptopt.models.prices import Price
from promptopt.outcome.criterion import Criterion
from promptopt.outcome.executions import kept_beside, repriced, with_earlier
from promptopt.outcome.looks import Shown
from promptopt.outcome.result import Result
from promptopt.outcome.smallest import smallest_found
from promptopt.outcome.trial import Trial, conduct
from promptopt.protocols import ANSWERING, ChecksInstalled, Evaluator, Model, Optimizer, Role, Task
from promptopt.reports.progress import progress
from promptopt.run import Run
from promptopt.run.budget import Allocation, Budget, Limits
from promptopt.run.door import Door
from promptopt.run.events import Planned, Warned
from promptopt.run.search_clock import SearchClock, TimeCut
from promptopt.store.runs import Store
from promptopt.tasks.crowding import start_over_cap
from promptopt.tasks.sealing import test_alone, without_test

UNWATCHED = Session()


@checked
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
    the method's own choice, if None, which for most is `generation`, the task's metric. `check_evaluator` is what the
    final choice and the sealed test are by: the same, if None, but the task's metric where the search went by a loss.
    `budget`: None is 2,000 evaluations for a method by name, and no cap for one with settings of its own; `Budget()` is
    no cap. `store`: where calls are kept, by default under `PROMPTOPT_HOME`. `session`: who looks on, and how it is
    stopped; where none is given, a line on a terminal's stderr or in a notebook's cell says how far it is.

    The same call again replays what was done at no cost and goes on from there. Raises ConfigError, DataError and
    EvaluatorError for mistakes, StoreError when the store cannot be used; what may pass (a dead server, the clock,
    Ctrl-C) ends in a Result whose status is `suspended`.
    """
    begun = time.monotonic()
    # An integer of numpy's is no JSON, and the seed stands in the fingerprint.
    seed = int(seed)
    # `held` lets go after the result is stored: a process that waits would else begin before there is an end to read.
    with opened(store) as store, ExitStack() as held, _watched(session) as session:
        asked = bind_search(task, optimizer, model, (evaluator, check_evaluator), seed)
        budget, unasked = _budget(budget, optimizer, asked)
        trial, recorded = _prepare(asked, budget, store, session, begun, held)
        with _marked(store, trial.id):
            _introduce(trial, asked, store, session, recorded, unasked)
            result = conduct(trial, asked.optimizer, begun)
        # A disk that is full has no room for this either; what was paid for is stored, and the next execution says it.
        with suppress(StoreError) if result.status == "suspended" else nullcontext():
            earlier = store.find(result.run_id).result
            result = with_earlier(result, earlier)
            if said := repriced(result, earlier):
                _tell_observers(session, Warned(said))
                result = replace(result, warnings=(*result.warnings, said))
            kept = kept_beside(result, earlier)
            if trial.clock.cut is not None:
                kept["time_cut"] = trial.clock.cut.to_json()
            store.end(trial.id, status=result.status, result={**result.to_json(), **kept})
        return result


def _waiting(name: str, session: Session, stop: Callable[[], str | None]) -> Callable[[], None]:
    """What is done each second while another process is at the run: said once; BackendError for a reason to stop."""
    told = Warned(
        f"run {name} is under way in another process: this one waits for its end and then goes on from what it stored, "
        f"so that nothing is paid for twice"
    )
    unsaid = [told]

    def wait() -> None:
        reason = stop()
        if reason is not None:
            raise BackendError(f"run {name} is still under way in another process ({reason}); run this again later")
        while unsaid:
            unsaid.pop()
            _tell_observers(session, told)

    return wait


def _tell_observers(session: Session, said: Warned) -> None:
    for observer in session.observers:
        observer(said)


@contextmanager
def _watched(session: Session) -> Generator[Session]:
    """The session given; where nobody looks on in a terminal or a notebook, one with a line of progress there."""
    shown = progress() if session is UNWATCHED else None
    if shown is None:
        yield session
        return
    try:
        yield Session([shown])
    finally:
        shown.close()


@contextmanager
def _marked(store: Store, name: str) -> Generator[None]:
    """Record that a run failed, or was interrupted, where it ends in an exception."""
    try:
        yield
    except BaseException as cause:
        # The first failure is the one to tell.
        with suppress(StoreError):
            store.mark(name, "failed" if isinstance(cause, Exception) else "suspended")
        raise


def _budget(budget: Budget | None, optimizer: object, asked: BoundSearch) -> tuple[Budget, str]:
    """The caps, and a sentence where they are the default ones."""
    # A foreign task ships no settings.
    shipped: Mapping[str, object] = getattr(asked.whole, "settings", {})
    named = isinstance(optimizer, str) and not shipped.get(optimizer)
    return default_budget(budget, configured=not named)


def _introduce(trial: Trial, asked: BoundSearch, store: Store, session: Session, recorded: int, unasked: str) -> None:
    run = trial.run
    if session.watch is not None:
        session.watch(run)
    look, sealed = trial.ahead(trial.allocation.test), trial.test[: trial.allocation.test]
    # What was shown before is shown again, at the level that it had then.
    level = look.alpha if trial.shown is None else trial.shown.look.alpha
    gain, of = smallest_found(run.task, sealed, level)
    again = trial.shown is not None
    run.tell(
        Planned(
            run_id=trial.id,
            allocation=trial.allocation,
            smallest_gain=gain,
            recorded=recorded,
            look=look.number,
            alpha=look.alpha,
            again=again,
            held=len(trial.test),
            finished=(store.last(trial.id) or {}).get("status") == "finished",
            search=search_planned(asked.optimizer, run.room),
            of=of,
            floors=least_floors(run.task, sealed),
        )
    )
    _warn_of_versions(run, store, trial.id)
    names: dict[Role, str] = {role: model.name for role, model in asked.models.by_role.items()}
    judged = remarks_on_judge((asked.evaluator, asked.check), asked.task, names, asked.models.check.name)
    alone = without_check(asked.check, names)
    known = (*prices(asked.models.by_role).values(), price_for(asked.models.check))
    free = ends_nothing(trial.allocation.total.usd, known)
    over = start_over_cap(run.task, run.initial, run.count_tokens)
    for said in (unasked, asked.misfits, over, too_little(asked.optimizer, run.room), *judged, alone, free):
        if said:
            run.warn(said)


def _criterion(asked: BoundSearch) -> Criterion:
    """What the verdict is by, at what its cells cost: of several models that answer, on average."""
    models = asked.models
    others = [models.by_role[role] for role in ANSWERING[1:] if role in models.by_role]
    price = mean_price([price_for(each) for each in (models.check, *others)])
    judge = check_judge_of(asked.check, models.by_role)
    return Criterion(asked.check, models.check, price, judge, tuple(each.name for each in others))


def check_room(
    task: Task,
    optimizer: str | Optimizer,
    *,
    model: Models,
    evaluator: Evaluator | None,
    budget: Budget | None,
    seed: int,
) -> None:
    """Raise ConfigError where `optimize` would before its first call: for what does not fit, and too small a budget."""
    asked = bind_search(task, optimizer, model, (evaluator, None), seed)
    caps, _ = _budget(budget, optimizer, asked)
    allocation = allocate_for(caps, asked.task, _criterion(asked), prices(asked.models.by_role), asked.optimizer)
    room_for(allocation, asked.task, asked.evaluator)


def _prepare(
    asked: BoundSearch, budget: Budget, store: Store, session: Session, begun: float, held: ExitStack
) -> tuple[Trial, int]:
    """The trial, recorded in the store, and how many calls of it the store knows; `held` lets go of the run."""
    models, check = asked.models, asked.check
    known, criterion = prices(models.by_role), _criterion(asked)
    same = criterion.scores_as(Criterion(asked.evaluator, models.by_role["task"], None))
    allocation = allocate_for(budget, asked.task, criterion, known, asked.optimizer)
    room = room_for(allocation, asked.task, asked.evaluator)
    fingerprint = asked.fingerprint(room, allocation.search)
    name = run_id(fingerprint)
    stop = stopping(budget, begun, session.interrupt)
    held.enter_context(store.alone(name, _waiting(name, session, stop)))
    recorded, earlier = store.recorded(name), store.last(name)
    if not recorded and isinstance(asked.optimizer, ChecksInstalled):
        asked.optimizer.check_installed()
    # By name, and late: the run that warns is made with this door.
    clock = _clock_of(budget, begun, lambda: door.account.paid.calls, allocation, check, earlier)
    ends = clock.beside(stop)
    door = _door_of(asked, known, allocation.search, store, name, ends, lambda message: run.warn(message))
    door.at_once = clock.at_once
    # From here on nobody but the trial holds the test examples.
    task = without_test(asked.task)
    guide, judged_by = (cast("Evaluator", rebound(each, asked.whole, task)) for each in (asked.evaluator, check))
    run: Run = Run(
        task=task,
        evaluator=guide,
        door=door,
        seed=asked.seed,
        observers=session.observers,
        final_journal=lambda: store.final_journal(name),
        room=room,
        reserve=reserve_for(allocation, task, criterion, asked.optimizer, same=same, test=len(asked.task.test)),
        sealed=test_alone(asked.task),
    )
    searched = Criterion(guide, models.by_role["task"], None)
    # One object where it was one: that is how scores of both phases are known to add up.
    criterion = replace(criterion, evaluator=guide if check is asked.evaluator else judged_by)
    store.begin(name, fingerprint={**fingerprint, "versions": versions()}, config=session.config)
    trial = Trial(
        id=name, method=method_name(asked.optimizer), run=run, door=door, allocation=allocation, test=asked.task.test,
        searched=searched, criterion=criterion, looks=store.looks, clock=clock, shown=Shown.of(earlier),
    )  # fmt: skip
    return trial, recorded


def _clock_of(
    budget: Budget,
    begun: float,
    paid: Callable[[], int],
    allocation: Allocation,
    check: Evaluator,
    earlier: Mapping[str, Any] | None,
) -> SearchClock:
    """What ends the search in time. `paid`: calls so far; `earlier`: the result of an earlier execution."""
    cut = TimeCut.of(earlier, budget.minutes)
    return SearchClock(budget.minutes, lambda: seconds_since(begun), paid, allocation, check.calls_per_cell, cut)


def _door_of(
    asked: BoundSearch,
    prices: Mapping[Role, Price | None],
    limits: Limits,
    store: Store,
    run: str,
    stop: Callable[[], str | None],
    warn: Callable[[str], None],
) -> Door:
    """The door of the run of that id, recorded in its journal."""
    return Door(
        models=asked.models.by_role,
        prices=prices,
        cache=store.cache,
        journal=store.journal(run),
        limits=limits,
        seed=asked.seed,
        stopping=stop,
        warn=warn,
        claims=store.claims(run),
    )


def _warn_of_versions(run: Run, store: Store, name: str) -> None:
    recorded = store.find(name).fingerprint.get("versions", {})
    for what, now in versions().items():
        if recorded.get(what, now) != now:
            run.warn(
                f"this run began under {what} {recorded[what]} and goes on under {now}; if it diverges, start afresh"
            )
