"""A run from its first call to its result, with what its owner keeps from the method: the door, the test, the caps."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from promptopt.errors import BudgetSpent, ReplayDiverged, StoreError, Suspended
from promptopt.outcome.by_judge import too_few_judged
from promptopt.outcome.cell_prices import show_prices
from promptopt.outcome.criterion import Criterion, by_judge, judged_of
from promptopt.outcome.final import adopt_criterion, choose
from promptopt.outcome.front import front
from promptopt.outcome.further_searches import search_on
from promptopt.outcome.items import sealed_items
from promptopt.outcome.judge_trust import judges_asked, trust_in
from promptopt.outcome.looks import Look, Shown, look_ahead, look_at, looked_at
from promptopt.outcome.members import MemberGain, of_members, within_floors
from promptopt.outcome.own_probes import OwnProbe, Replied, probe_own, with_own
from promptopt.outcome.pairs import keep_pairs
from promptopt.outcome.result import INTERRUPTED, Guide, Result, Status
from promptopt.outcome.sealed_test import compared, contender, expected, measured, sealed_test
from promptopt.outcome.smallest import SmallestGain, smallest_of
from promptopt.outcome.winner_told import warn_of_winner
from promptopt.protocols import CallsVary, Model, Optimizer, Role, Surrogate, Task
from promptopt.run import Run
from promptopt.run.budget import Allocation, Ledger
from promptopt.run.door import Door
from promptopt.run.reserve import Reserve
from promptopt.run.search_clock import SearchClock
from promptopt.stats import Gain, Verdict, verdict
from promptopt.store.looks import Looks
from promptopt.tasks.consistency import beside_missing_targets
from promptopt.tasks.splits import beside_test_size
from promptopt.text import counted
from promptopt.types import Cell, Example, Prompt, Score


@dataclass(frozen=True, slots=True)
class Trial:
    """A run and what its owner keeps of it."""

    id: str
    method: str
    run: Run
    door: Door
    allocation: Allocation
    test: tuple[Example, ...]
    """The sealed examples; the run's own task has none."""
    searched: Criterion
    """What guides the search."""
    criterion: Criterion
    """What the final choice and the verdict are by."""
    looks: Looks
    """The store's ledger of openings."""
    clock: SearchClock
    """Ends the search in time for the rest."""
    shown: Shown | None = None
    """What an earlier execution has shown of the test."""

    def ahead(self, examples: int) -> Look:
        """The look that the next new verdict on so many test examples would be. Raises StoreError."""
        return look_ahead(self.looks, self.test[:examples])


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the sealed test showed: the scores of start and winner, and which look at it that was; None: no look.

    `pairs`, `probes`: the replies for people to label, and what a judge makes of them where they are dressed up.
    """

    before: Sequence[Score] = ()
    after: Sequence[Score] = ()
    look: Look | None = None
    pairs: str = ""
    probes: Sequence[OwnProbe] = ()


def conduct(trial: Trial, optimizer: Optimizer, begun: float) -> Result:
    """Search, choose, open the test once. `begun`: when the session began (monotonic seconds).

    An outage, the clock and Ctrl-C end in a result whose status is `suspended`. Raises ReplayDiverged.
    """
    run, door, allocation = trial.run, trial.door, trial.allocation
    criterion, searched = trial.criterion, trial.searched
    status: Status = "finished"
    reason, winner, opened = "", run.initial, _Opened()
    try:
        run.begin_phase("search")
        status, reason = _search(trial, optimizer)
        # What was set aside for the choice and the test may be spent from here on.
        door.account.limits, door.account.raised = allocation.total, None
        # A model that takes no temperature samples, as is known only now.
        run.final_repetition = max(run.final_repetition, int(any(map(door.samples, door.answering))))
        # The choice depends on what is left, which a larger budget changes: it is no part of the search's journal.
        run.follow_budget()
        by_search = criterion.scores_as(searched)
        adopt_criterion(run, searched, criterion)
        if criterion.judge is not None:
            door.exchange_judge()
        enlarged = allocation.enlarged(run.evaluations_left(), len(run.dev), len(trial.test))
        reserve = run.end_reserve()
        allocation = enlarged if reserve is None else _fitted(trial, enlarged, reserve, cut=status == "budget")
        allocation = trial.clock.within(allocation)
        spent = door.account.spent  # With what was asked to fit it.
        winner = choose(run, allocation, by_search=by_search, cut=status == "budget")
        if reserve is not None:
            allocation = _grown_test(trial, allocation, reserve, winner, spent)
        allocation = trial.clock.fit(allocation, trial.allocation.test, run.warn)
        opened = _open_test(trial, allocation, winner)
    # A StoreError by kind, but running it again would not help: it must not end as suspended.
    except ReplayDiverged:
        raise
    except (Suspended, StoreError) as stop:
        status, reason = "suspended", str(stop)
    except KeyboardInterrupt:
        status, reason = "suspended", INTERRUPTED
    door.lost.tell(run.warn)
    if status == "suspended":
        # A sealed test that was cut short is not looked at: the next execution finishes it.
        opened = _Opened()
        # Shown as the best so far; nothing is claimed of it.
        winner = next((estimate.prompt for estimate in run.ranked()), run.initial)
    else:
        other = criterion.evaluator is not searched.evaluator or criterion.judge is not None
        warn_of_winner(run, door, trial.method, winner, searched.name if other else "")
    return _result_of_trial(trial, allocation, (status, reason), winner, opened, time.monotonic() - begun)


def _search(trial: Trial, optimizer: Optimizer) -> tuple[Status, str]:
    """Search as far as the caps go: how that ended, and why, in words."""
    account = trial.door.account
    try:
        optimizer.optimize(trial.run)
        search_on(trial.run, account, optimizer)
    except BudgetSpent as spent:
        return "budget", str(spent)
    except Suspended as stop:
        if not trial.clock.end_search(str(stop)):
            raise
        return "budget", str(stop)
    finally:
        trial.clock.end_search()
    # Where a cap left requests unasked it ended the search, though the method went on to its own end.
    return ("finished", "") if account.cut is None else ("budget", str(account.cut))


def _open_test(trial: Trial, allocation: Allocation, winner: Prompt) -> _Opened:
    """Score start and winner on the sealed test, and enter that into the ledger before anybody is shown it."""
    run, criterion = trial.run, trial.criterion
    examples = trial.test[: allocation.test]
    expectation = _expectation(trial, allocation, winner)
    judged_by = criterion.evaluator
    # Programs may take more calls than were set aside for them, so a cap on calls can end the test too.
    varying = allocation.total.calls is not None and isinstance(judged_by, CallsVary) and judged_by.calls_vary
    metered = allocation.total.metered or varying
    before, after = sealed_test(run, examples, winner, metered=metered, expectation=expectation)
    # Nothing was shown, so nobody has looked.
    if not before:
        return _Opened()
    # A start that won is one prompt, as `evaluate` shows it.
    shown = list({run.initial: before, winner: after}.items())
    by = (criterion.answered_by, criterion.name)
    kept = by_judge(criterion.evaluator) and winner != run.initial
    pairs = keep_pairs(run, criterion.evaluator, examples, before, after) if kept else ""
    # Entered now, before anybody is shown it: whoever kills the process after this line has looked.
    look = look_at(trial.looks, by, examples[: len(before)], shown)
    probes = probe_own(criterion.evaluator, Replied.of(examples, before, after), trial.door) if kept else ()
    return _Opened(before, after, look, pairs, probes)


def _expectation(trial: Trial, allocation: Allocation, winner: Prompt) -> str:
    """What the test can show, and what it costs to look where an earlier execution has shown something else."""
    shown, sealed = trial.shown, trial.test[: allocation.test]
    if shown is not None and (shown.best, shown.examples) == (winner.id, len(sealed)):
        return expected(trial.run, winner, allocation, shown.look.alpha, sealed)
    ahead = trial.ahead(allocation.test)
    said = [looked_at(ahead.number, ahead.alpha)] if shown is not None and ahead.number > 1 else []
    return "; ".join(filter(None, [expected(trial.run, winner, allocation, ahead.alpha, sealed), *said]))


def _test_gain(trial: Trial, opened: _Opened) -> Gain | None:
    if opened.look is None:
        return None
    evaluator = trial.criterion.evaluator
    # A score that stands in for the metric is in nats, and has no bounds.
    nats = isinstance(evaluator, Surrogate) and evaluator.verdict_by() is not evaluator
    scores = (opened.before, opened.after)
    return compared(trial.run, trial.test, scores, alpha=opened.look.alpha, bounded=False if nats else None)


def _fitted(trial: Trial, enlarged: Allocation, reserve: Reserve, *, cut: bool) -> Allocation:
    """The allocation that what is left pays for, and a sentence at once where it is less than was promised.

    `enlarged`: what the caps on evaluations and calls leave, where there are such. `cut`: as in `choose`.
    """
    run, allocation = trial.run, trial.allocation
    ranked = [estimate.prompt for estimate in run.ranked(unseen=cut) if estimate.prompt != run.initial]
    # Tokens and dollars alone set no number of examples: as many then as there are.
    counted_down = run.evaluations_left() is not None
    most = (enlarged.dev, enlarged.test) if counted_down else (len(run.dev), len(trial.test))
    account, contenders = trial.door.account, [run.initial, *ranked[: allocation.finalists]]
    # What is scored for it is the choice's.
    run.begin_phase("dev")
    show_prices(run, account, reserve, contenders, min(most[0], len(run.dev)))
    fitted = reserve.fitted(account.capped, run.initial, ranked, most)
    if fitted.test < allocation.test:
        run.warn(
            f"what is left pays for {fitted.test:,} of the {counted(allocation.test, 'test example')} that were set "
            f"aside: the candidates are longer than the start, or replies than they were taken to be"
        )
    return fitted


def _grown_test(trial: Trial, allocation: Allocation, reserve: Reserve, winner: Prompt, before: Ledger) -> Allocation:
    """The allocation with more of the test, where the choice took less than was guessed. `before`: spent before it.

    A small cap goes to so few cells of the search that only the choice says what one takes. Nothing of the test was
    seen by then, so how many examples it has depends on no score of theirs.
    """
    run, account = trial.run, trial.door.account
    ranked = [estimate.prompt for estimate in run.ranked()][: allocation.finalists + 1]
    cells = [
        Cell(prompt, example)
        for prompt in dict.fromkeys([run.initial, *ranked])
        for example, _ in run.seen(prompt, run.dev, repetition=run.final_repetition)
    ]
    reserve.learn(cells, before, account.spent)
    left = run.evaluations_left()
    most = len(trial.test) if left is None else min(len(trial.test), left // 2)
    return replace(allocation, test=reserve.pairs(account.capped, run.initial, winner, allocation.test, most))


def _result_of_trial(
    trial: Trial,
    allocation: Allocation,
    ended: tuple[Status, str],
    winner: Prompt,
    opened: _Opened,
    seconds: float,
) -> Result:
    run, criterion, gain = trial.run, trial.criterion, _test_gain(trial, opened)
    scores, tested = (opened.before, opened.after), trial.test[: len(opened.before)]
    start, best = (
        contender(run, prompt, allocation, measured(side, tested, run.task.labels, run.weigh))
        for prompt, side in zip((run.initial, winner), scores, strict=True)
    )
    candidates = tuple(run.candidates())
    # A judge that leans calls the new prompt better in 998 of 1,000 simulated runs (benchmarks/results/judges.md).
    undecided = winner != run.initial and (by_judge(criterion.evaluator) or too_few_judged(*scores))
    members = () if winner == run.initial else _member_gains(trial, scores)
    smallest = None if winner == run.initial or undecided else _smallest(trial, opened)
    return Result(
        run_id=trial.id,
        task=run.task.name,
        method=trial.method,
        seed=run.seed,
        model=criterion.answered_by,
        evaluator=criterion.name,
        proposer=trial.door.models["proposer"].name,
        search=_guide(trial, winner),
        status=ended[0],
        reason=ended[1],
        start=start,
        best=best,
        gain=gain,
        look=opened.look,
        basis="judge" if by_judge(criterion.evaluator) else "metric",
        trust=with_own(trust_in(criterion.evaluator, _asked_by(criterion, trial.door.models)), opened.probes),
        pairs=opened.pairs,
        verdict=None if gain is None else "undecided" if undecided else _verdict(gain, smallest, members, run.task),
        optimism=None if best.dev is None or best.test is None else best.dev.score - best.test.score,
        spent=trial.door.account.spent, paid=trial.door.account.paid, wall_s=seconds,
        lineage=candidates,
        front=front(candidates, run.count_tokens),
        steps=tuple(run.steps), rejected=dict(run.rejected),
        warnings=(*_of_task(run.task, criterion), *run.warnings),
        items=sealed_items(trial.test, opened.before, opened.after),
        by_role={str(role): ledger for role, ledger in trial.door.account.by_role.items()},
        weigh=run.weigh,
        members=members, smallest=smallest,
        scored_by=criterion.called, judges=judges_asked(trial.door.models, trial.door.account.by_role),
    )  # fmt: skip


def _verdict(gain: Gain, smallest: SmallestGain | None, members: Sequence[MemberGain], task: Task) -> Verdict:
    """By what the search went by: the worst of several tasks, or the mean, and floors where there are any."""
    return within_floors(verdict(gain), members, task) if smallest is None else smallest.verdict


def _smallest(trial: Trial, opened: _Opened) -> SmallestGain | None:
    """What the verdict goes by where the search went by the worst of several tasks."""
    if opened.look is None:
        return None
    return smallest_of(trial.run.task, trial.test, opened.before, opened.after, opened.look.alpha)


def _member_gains(trial: Trial, scores: tuple[Sequence[Score], Sequence[Score]]) -> tuple[MemberGain, ...]:
    """What the winner gains on each of several tasks."""
    task = trial.run.task
    judged = judged_of(getattr(task, "members", ()), trial.criterion.evaluator)
    return of_members(task, trial.test, *scores, judged=judged)


def _of_task(task: Task, criterion: Criterion) -> tuple[str, ...]:
    """What is to be known of the task and was said before the search; the size of the test that the allocation says."""
    # A foreign task may have none.
    said = beside_test_size(getattr(task, "warnings", ()))
    return beside_missing_targets(said) if by_judge(criterion.evaluator) else said


def _asked_by(criterion: Criterion, models: Mapping[Role, Model]) -> Mapping[Role, Model]:
    """The models by role, with the judge that the verdict is by."""
    return models if criterion.judge is None else {**models, "judge": criterion.judge}


def _guide(trial: Trial, winner: Prompt) -> Guide:
    """What the search went by, and what it knows of start and winner."""
    run, by = trial.run, trial.searched
    return Guide(by.name, by.model.name, _guided(run, run.initial), _guided(run, winner), by.called)


def _guided(run: Run, prompt: Prompt) -> float | None:
    """What the search knows of a prompt; None where that is no number."""
    estimate = run.searched(prompt)
    return estimate.mean if estimate.count and math.isfinite(estimate.mean) else None
