"""Programs in lockstep: each runs until it waits for a call, and the waiting calls of all go out as one batch.

So an engine gets full batches, and what is asked is a function of the cells and of what was answered: cells begin in
their order, and a batch has the waiting calls in cell order. Where there are more cells than a batch should have, they
go in two cohorts by turns: while the batch of one is out, the programs of the other run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from promptopt.errors import BudgetSpent
from promptopt.programs.handle import Asked, Program, Record
from promptopt.programs.worker import REFUSED, Finished, Rules, Worker, is_async
from promptopt.types import Cell, Reply

WINDOW = 256
"""Cells of a cohort: several times what an engine has in flight, at a thread each."""
ASYNC_WINDOW = 64
"""The same for async programs, whose event loops hold three files each."""
ENDING_S = 2.0
"""Seconds in which a program that was told to end is waited for."""

Waiting = tuple[Record, Asked]
Replier = Callable[[Sequence[Waiting]], Iterable[Reply]]
"""Gives the replies to a batch in order; what it raises ends all cells."""


@dataclass(slots=True)
class _Cohort:
    """Cells whose calls go out together; of two, one computes while the batch of the other is out."""

    reports: SimpleQueue[Worker] = field(default_factory=SimpleQueue[Worker])
    active: list[Worker] = field(default_factory=list[Worker])
    running: list[Worker] = field(default_factory=list[Worker])

    def settle(self, seconds: float) -> None:
        """Wait until everyone who runs waits or has ended; who takes longer than `seconds` ends there.

        Raises EvaluatorError where a program raised one: it ends the run.
        """
        left = dict.fromkeys(self.running)
        first = min((worker.began for worker in left), default=0.0)
        while left:
            try:
                reported = self.reports.get(timeout=max(0.0, first + seconds - time.monotonic()))
            except Empty:
                for worker in [each for each in left if time.monotonic() - each.began >= seconds]:
                    worker.stop(f"it went on for {seconds:g} seconds without asking the model or coming to an end")
                    worker.ended = True
                    worker.result = Finished(worker.record, failure=worker.over)
                    del left[worker]
                first = min((worker.began for worker in left), default=0.0)
                continue
            left.pop(reported, None)
            if reported.ended and reported.over:
                reported.result = Finished(reported.record, failure=reported.over)
        error = next((each.result.error for each in self.running if each.ended and each.result.error), None)
        if error is not None:
            raise error
        self.running = []
        self.active = [worker for worker in self.active if not worker.ended]

    def answer(self, replier: Replier) -> BudgetSpent | None:
        """Ask for what all of them wait for, and let those go on whose replies came; the limit that cut the others."""
        asked = [(worker.record, call) for worker in self.active for call in worker.waiting]
        replies: list[Reply] = []
        cut = None
        try:
            replies.extend(replier(asked))
        except BudgetSpent as spent:
            cut = spent
        begin = 0
        for worker in self.active:
            end = begin + len(worker.waiting)
            if end <= len(replies):
                worker.resume(replies[begin:end])
                self.running.append(worker)
            begin = end
        return cut


def in_lockstep(
    program: Program, cells: Sequence[Cell], rules: Rules, replier: Replier
) -> tuple[dict[int, Finished], BudgetSpent | None]:
    """The cells that came to their end, by place, in order; and the limit that cut the others off, if one did.

    Passes on what else `replier` raises. No thread is left behind but those of programs that nothing can end.
    """
    size = _window(program)
    cohorts = [_Cohort(), _Cohort()]
    workers = [
        Worker(program, Record(cell), rules, cohorts[place // size % 2].reports) for place, cell in enumerate(cells)
    ]
    queues = [iter([each for each in workers if each.reports is cohort.reports]) for cohort in cohorts]
    begun: list[Worker] = []
    cut: BudgetSpent | None = None
    try:
        turn = 0
        while cut is None and (turn % 2 or len(begun) < len(workers) or any(each.active for each in cohorts)):
            # The other cohort's too: they get to their first call while this one's batch is out.
            for cohort, fresh in zip(cohorts, queues, strict=True):
                started = list(_begin(fresh, size - len(cohort.active)))
                cohort.active += started
                cohort.running += started
                begun += started
            cohort = cohorts[turn % 2]
            cohort.settle(rules.seconds)
            if cohort.active:
                cut = cohort.answer(replier)
            turn += 1
        for cohort in cohorts:
            cohort.settle(rules.seconds)
        return {place: worker.result for place, worker in enumerate(workers) if worker.ended}, cut
    finally:
        _end(begun)


def _begin(fresh: Iterator[Worker], count: int) -> Iterator[Worker]:
    for _, worker in zip(range(count), fresh, strict=False):
        worker.start()
        yield worker


def _end(begun: Sequence[Worker]) -> None:
    """End every program that still runs, and wait for it."""
    alive = [worker for worker in begun if worker.thread.is_alive()]
    for worker in alive:
        worker.stop("the run ended")
    deadline = time.monotonic() + ENDING_S
    for worker in alive:
        while worker.thread.is_alive() and time.monotonic() < deadline and worker.refused <= REFUSED:
            worker.thread.join(0.05)
            worker.stop("")


def _window(program: Program) -> int:
    return ASYNC_WINDOW if is_async(program) else WINDOW
