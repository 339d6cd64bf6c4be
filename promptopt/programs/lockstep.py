"""Programs in lockstep: each runs until it waits for a call, and the waiting calls of all go out as one batch.

So an engine gets full batches, and what is asked is a function of the cells and of what was answered: cells begin in
their order, and a batch has the waiting calls in cell order. Where there are more cells than a batch should have, they
go in two cohorts by turns. While the batch of one is out, the other is seen to: its last batch is handed on, its
programs run, and its next batch is begun, so that it goes out as soon as the first is back.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from promptopt.errors import BudgetSpent
from promptopt.programs.asking import Replier, Waiting
from promptopt.programs.handle import Program, Record
from promptopt.programs.worker import REFUSED, Finished, Rules, Worker, is_async
from promptopt.protocols import Batch
from promptopt.types import Cell, Reply

WINDOW = 256
"""Cells of a cohort: several times what an engine has in flight, at a thread each."""
ASYNC_WINDOW = 64
"""The same for async programs, whose event loops hold three files each."""
ENDING_S = 2.0
"""Seconds in which a program that was told to end is waited for."""


class _Over(Exception):
    """All cells were told to end."""


@dataclass(slots=True, eq=False)
class _Cohort:
    """Cells whose calls go out together. `size`: how many run or wait at once; `fresh`: those that did not begin."""

    size: int
    reports: SimpleQueue[Worker | None]
    fresh: Iterator[Worker]
    active: list[Worker] = field(default_factory=list[Worker])
    running: list[Worker] = field(default_factory=list[Worker])

    def begin(self, begun: list[Worker]) -> bool:
        """Begin as many as there is room for; whether there were any."""
        started: list[Worker] = []
        for _, worker in zip(range(self.size - len(self.active)), self.fresh, strict=False):
            worker.start()
            begun.append(worker)
            started.append(worker)
        self.active += started
        self.running += started
        return bool(started)

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
            if reported is None:
                raise _Over
            left.pop(reported, None)
            if reported.ended and reported.over:
                reported.result = Finished(reported.record, failure=reported.over)
        error = next((each.result.error for each in self.running if each.ended and each.result.error), None)
        if error is not None:
            raise error
        self.running = []
        self.active = [worker for worker in self.active if not worker.ended]

    def waiting(self) -> list[Waiting]:
        """What all of them wait for, in cell order."""
        return [(worker.record, call) for worker in self.active for call in worker.waiting]

    def resume(self, batch: Batch) -> BudgetSpent | None:
        """Let those go on whose replies came; the limit that cut the others."""
        replies: list[Reply] = []
        cut = None
        try:
            replies.extend(batch.replies())
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


@dataclass(slots=True, eq=False)
class _Course:
    """Both cohorts by turns, in a thread beside the one that asks the model."""

    cohorts: Sequence[_Cohort]
    replier: Replier
    seconds: float
    begun: list[Worker] = field(default_factory=list[Worker])
    out: SimpleQueue[Batch | None] = field(default_factory=SimpleQueue["Batch | None"])
    """Batches to be asked, in order; None: there are no more."""
    back: SimpleQueue[bool] = field(default_factory=SimpleQueue[bool])
    """A word for every batch that was asked; False: there will be no more."""
    cut: BudgetSpent | None = None
    error: BaseException | None = None
    over: bool = False

    def run(self) -> None:
        """All cells to their end, or to where a limit cuts them off. What it raises is kept in `error`."""
        try:
            self._take_turns()
            for cohort in self.cohorts:
                cohort.settle(self.seconds)
        except BaseException as cause:  # noqa: BLE001 - whoever asks the model is told
            self.error = cause
        self.out.put(None)

    def end(self, thread: threading.Thread) -> None:
        """End what still runs, and wait for it."""
        self.over = True
        self.back.put(False)
        for cohort in self.cohorts:
            cohort.reports.put(None)
        if thread.ident is not None:
            thread.join(ENDING_S)
        _end(self.begun)

    def _take_turns(self) -> None:
        before: tuple[_Cohort, Batch] | None = None
        turn, empty, whole = 0, 0, True
        # A cohort that has nothing to ask never will again, and the other has its turn first.
        while self.cut is None and empty < len(self.cohorts):
            cohort = self.cohorts[turn % 2]
            turn += 1
            following = None
            if whole:
                self._fill(cohort)
                if cohort.active:
                    batch = self.replier.begin(cohort.waiting())
                    self.out.put(batch)
                    following, whole = (cohort, batch), batch.whole
            if before is not None:
                self._hand_on(*before)
            before, empty = following, 0 if following else empty + 1
            if before is not None and not self.replier.ahead:
                self._hand_on(*before)
                before = None

    def _fill(self, cohort: _Cohort) -> None:
        """Settle a cohort, and begin others in place of those that have ended, which come to their first call too."""
        cohort.settle(self.seconds)
        while not self.over and cohort.begin(self.begun):
            cohort.settle(self.seconds)

    def _hand_on(self, cohort: _Cohort, batch: Batch) -> None:
        if not self.back.get():
            raise _Over
        cut = cohort.resume(batch)
        self.cut = cut if self.cut is None else self.cut


def in_lockstep(
    program: Program, cells: Sequence[Cell], rules: Rules, replier: Replier
) -> tuple[dict[int, Finished], BudgetSpent | None]:
    """The cells that came to their end, by place, in order; and the limit that cut the others off, if one did.

    The model is asked in the thread that calls this. Passes on what else `replier` and its batches raise. No thread is
    left behind but those of programs that nothing can end.
    """
    size = ASYNC_WINDOW if is_async(program) else WINDOW
    reports = [SimpleQueue[Worker | None](), SimpleQueue[Worker | None]()]
    workers = [Worker(program, Record(cell), rules, reports[place // size % 2]) for place, cell in enumerate(cells)]
    cohorts = [_Cohort(size, own, iter([each for each in workers if each.reports is own])) for own in reports]
    course = _Course(cohorts, replier, rules.seconds)
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(course.run,), daemon=True, name="promptopt lockstep"
    )
    try:
        thread.start()
        while (batch := course.out.get()) is not None:
            batch.ask()
            course.back.put(True)
        if course.error is not None:
            raise course.error
        return {place: worker.result for place, worker in enumerate(workers) if worker.ended}, course.cut
    finally:
        course.end(thread)


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
