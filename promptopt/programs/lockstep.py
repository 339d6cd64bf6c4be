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
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from promptopt.errors import BudgetSpent
from promptopt.programs.asking import Replier, Waiting
from promptopt.programs.handle import Program, Record
from promptopt.programs.worker import REFUSED, CellWorker, Finished, Rules, is_async
from promptopt.protocols import Batch
from promptopt.types import Cell, Reply

WINDOW = 256
"""Cells of a cohort: several times what an engine has in flight, at a thread each."""
ASYNC_WINDOW = 64
"""The same for async programs, whose event loops hold three files each. Ours."""
FIRST_BATCH = 64
"""Cells of the first batch where there are more than one cohort takes: an engine need not wait for all of its programs.
The next batches have twice as many each, up to a cohort."""
COMPUTING_AT_ONCE = 4
"""Programs that compute side by side where they do nothing but compute. Ours."""
PATIENCE_S = 0.01
"""Seconds without a word from any of them after which others go on too: they wait for something, as tools do."""
ENDING_S = 2.0
"""Seconds in which a program that was told to end is waited for. Ours."""
AGAIN_S = 0.5
"""Seconds after which it is told again: it may have caught what it was told by."""

Held = deque[tuple[CellWorker, Sequence[Reply] | None]]


class _Over(Exception):
    """All cells were told to end."""


@dataclass(slots=True, eq=False)
class _Cohort:
    """Cells whose calls go out together."""

    reports: SimpleQueue[CellWorker | None] = field(default_factory=SimpleQueue["CellWorker | None"])
    active: list[CellWorker] = field(default_factory=list[CellWorker])
    held: Held = field(default_factory=lambda: Held())
    """Who is to go on, with the replies to what it waits for; or to begin."""

    def settle(self, seconds: float) -> None:
        """Let all go on who are held, until each of them waits or has ended; it ends where it takes `seconds`.

        A few at a time, and more where none of them gets anywhere: of many that compute side by side each waits for all
        others, and so does what is to answer the other cohort.
        Raises EvaluatorError where a program raised one: it ends the run.
        """
        ran = [worker for worker, _ in self.held]
        left = dict.fromkeys(self._release(COMPUTING_AT_ONCE))
        more = COMPUTING_AT_ONCE
        while left:
            try:
                reported = self.reports.get(timeout=self._patience(left, seconds))
            except Empty:
                for worker in [each for each in left if time.monotonic() - each.began >= seconds]:
                    worker.stop(f"it went on for {seconds:g} seconds without asking the model or coming to an end")
                    worker.ended = True
                    worker.result = Finished(worker.record, failure=worker.over)
                    del left[worker]
                left.update(dict.fromkeys(self._release(more)))
                more *= 2
                continue
            if reported is None:
                raise _Over
            left.pop(reported, None)
            # One waits now, or has ended: its place is free.
            left.update(dict.fromkeys(self._release(1)))
            if reported.ended and reported.over:
                reported.result = Finished(reported.record, failure=reported.over)
        error = next((each.result.error for each in ran if each.ended and each.result.error), None)
        if error is not None:
            raise error
        self.active = [worker for worker in self.active if not worker.ended]

    def _release(self, count: int) -> list[CellWorker]:
        released = [self.held.popleft() for _ in range(min(count, len(self.held)))]
        for worker, replies in released:
            worker.go_on(replies)
        return [worker for worker, _ in released]

    def _patience(self, left: Iterable[CellWorker], seconds: float) -> float:
        # Who was let go on first stands first.
        return PATIENCE_S if self.held else max(0.0, next(iter(left)).began + seconds - time.monotonic())

    def waiting(self) -> list[Waiting]:
        """What all of them wait for, in cell order."""
        return [(worker.record, call) for worker in self.active for call in worker.waiting]

    def answer(self, batch: Batch) -> BudgetSpent | None:
        """Have those go on whose replies came; the limit that cut the others."""
        replies: list[Reply] = []
        cut = None
        try:
            replies.extend(batch.replies())
        except BudgetSpent as spent:
            cut = spent
        begin = 0
        for worker in self.active:
            end = begin + len(worker.waiting)
            # Only where all calls of the cell were answered: a limit may have cut the batch within it.
            if end <= len(replies):
                self.held.append((worker, replies[begin:end]))
            begin = end
        return cut


@dataclass(slots=True, eq=False)
class _Course:
    """Both cohorts by turns, in a thread beside the one that asks the model."""

    program: Program
    cells: Sequence[Cell]
    rules: Rules
    replier: Replier
    cohorts: Sequence[_Cohort] = field(default_factory=lambda: [_Cohort(), _Cohort()])
    begun: list[CellWorker] = field(default_factory=list[CellWorker])
    """In the order of the cells."""
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
            # What was answered last still runs to its end.
            for cohort in self.cohorts:
                cohort.settle(self.rules.seconds)
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
        _end_programs(self.begun)

    def _take_turns(self) -> None:
        before: tuple[_Cohort, Batch] | None = None
        turn = 0
        empty = 0
        whole = True
        room = ASYNC_WINDOW if is_async(self.program) else WINDOW
        first = FIRST_BATCH if len(self.cells) > room else room
        # A cohort that has nothing to ask never will again, and the other has its turn first.
        while self.cut is None and empty < len(self.cohorts):
            cohort, other = self.cohorts[turn % 2], self.cohorts[1 - turn % 2]
            following = None
            if whole:
                # Shifted by 8 at most: after a million turns it would be a number of a million bits.
                self._fill(cohort, min(room, first << min(turn, 8)))
                if cohort.active:
                    batch = self.replier.begin(cohort.waiting())
                    self.out.put(batch)
                    following, whole = (cohort, batch), batch.whole
            if before is not None:
                self._hand_on(*before)
            before, empty = following, 0 if following else empty + 1
            # The batch is out meanwhile, so the other cohort's programs run beside it.
            if before is not None and not self.replier.ahead:
                other.settle(self.rules.seconds)
                self._hand_on(*before)
                before = None
            turn += 1

    def _fill(self, cohort: _Cohort, room: int) -> None:
        """Settle a cohort, and begin others in place of those that have ended, which come to their first call too."""
        cohort.settle(self.rules.seconds)
        while len(cohort.active) < room and len(self.begun) < len(self.cells) and not self.over:
            fresh = self.cells[len(self.begun) : len(self.begun) + room - len(cohort.active)]
            for cell in fresh:
                worker = CellWorker(self.program, Record(cell), self.rules, cohort.reports)
                self.begun.append(worker)
                cohort.active.append(worker)
                cohort.held.append((worker, None))
            cohort.settle(self.rules.seconds)

    def _hand_on(self, cohort: _Cohort, batch: Batch) -> None:
        if not self.back.get():
            raise _Over
        cut = cohort.answer(batch)
        self.cut = cut if self.cut is None else self.cut


def in_lockstep(
    program: Program, cells: Sequence[Cell], rules: Rules, replier: Replier
) -> tuple[dict[int, Finished], BudgetSpent | None]:
    """The cells that came to their end, by place, in order; and the limit that cut the others off, if one did.

    The model is asked in the thread that calls this. Passes on what else `replier` and its batches raise. No thread is
    left behind but those of programs that nothing can end.
    """
    course = _Course(program, cells, rules, replier)
    # Programs may keep settings in context variables, as DSPy does.
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
        return {place: worker.result for place, worker in enumerate(course.begun) if worker.ended}, course.cut
    finally:
        course.end(thread)


def _end_programs(begun: Sequence[CellWorker]) -> None:
    """End every program that still runs, and wait for it."""
    alive = [worker for worker in begun if worker.thread.is_alive()]
    for worker in alive:
        # Told once more at once, it would be cut off where it closes what it opened.
        if not worker.over:
            worker.stop("the run ended")
    for _ in range(round(ENDING_S / AGAIN_S)):
        deadline = time.monotonic() + AGAIN_S
        for worker in alive:
            if worker.refused <= REFUSED:
                worker.thread.join(max(0.0, deadline - time.monotonic()))
        alive = [worker for worker in alive if worker.thread.is_alive() and worker.refused <= REFUSED]
        for worker in alive:
            worker.stop("")
