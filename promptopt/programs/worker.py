"""One cell of a program, in a thread of its own: it runs until it waits for a call, and ends whatever it does."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.programs.handle import ModelHandle, Output, Program, ProgramCall, ProgramStopped, Record
from promptopt.programs.outputs import is_slip, read_output, said_of
from promptopt.text import counted
from promptopt.types import Reply, Request, Sampling

UNDECLARED = "; a program that awaits is declared `async def`"
OTHER_THREAD = (
    "it asked the model from a thread of its own; ask where it runs, or await (in DSPy: without dspy.Parallel, "
    "dspy.asyncify and dspy.streamify)"
)
REFUSED = 100
"""Calls of a cell that is over which are answered by an exception; a program that goes on is left standing. Ours."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a cell may take: calls, and seconds between two of them; how its calls are drawn where they do not say."""

    most_calls: int
    seconds: float
    sampling: Sampling


@dataclass(slots=True)
class Finished:
    """A cell that ran to its end: what it gave, or why it failed, as a sentence; or what ends the whole run.

    `slip`: whether it failed by a mistake in its own code, and not by what a model said.
    """

    record: Record
    output: Output | None = None
    failure: str = ""
    error: EvaluatorError | None = None
    slip: bool = False


@dataclass(slots=True, eq=False)
class CellWorker:
    """One cell in a thread of its own. Its owner resumes it; it reports when it waits, and when it has ended."""

    program: Program
    record: Record
    rules: Rules
    reports: SimpleQueue[CellWorker | None]
    result: Finished = field(init=False)
    waiting: list[ProgramCall] = field(default_factory=list[ProgramCall])
    replies: list[Reply] = field(default_factory=list[Reply])
    ended: bool = False
    gone: bool = False
    over: str = ""
    """Why the cell takes no more part, as a sentence; what its program does from then on counts for nothing."""
    began: float = 0.0
    refused: int = 0
    thread: threading.Thread = field(init=False)
    loop: _Loop | None = None
    """What drives an async program."""
    _resume: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Lock = field(default_factory=threading.Lock)
    """Held while the thread is ended from outside, so that it is there: its number may be another thread's afterwards.
    """

    def __post_init__(self) -> None:
        self.result = Finished(self.record)
        # Taken from the beginning: whoever asks waits until `go_on` lets go of it.
        self._resume.acquire()
        # In the context of the thread that makes it.
        context = contextvars.copy_context()
        # A daemon: a program that nothing ends must not keep the process from ending.
        self.thread = threading.Thread(target=context.run, args=(self._run,), daemon=True, name="promptopt program")

    def go_on(self, replies: Sequence[Reply] | None) -> None:
        """Hand over the replies to what it waits for; or begin, where there are none."""
        self.began = time.monotonic()
        if replies is None:
            self.thread.start()
            return
        self.record.replies += replies
        self.replies, self.waiting = list(replies), []
        self._resume.release()

    def stop(self, why: str) -> None:
        """End it, where it waits or wherever it is."""
        self.over = self.over if self.over else why
        if self.waiting:
            self.waiting = []
            self._resume.release()
            return
        with self._ending:
            if not self.gone and self.thread.is_alive():
                # The one exception that threads end by without a word.
                raise_in(self.thread, SystemExit)
                if self.loop is not None:
                    self.loop.wake()

    def ask(self, calls: Sequence[tuple[Request, str]]) -> list[Reply]:
        """Called by the program's thread: wait for the replies to all of `calls`."""
        if threading.get_ident() != self.thread.ident:
            self.over = self.over if self.over else OTHER_THREAD
            self.refused += 1
            if self.refused > REFUSED:
                raise SystemExit(self.over)
            # An exception would end that thread with a traceback of its own; the cell says what was wrong.
            return [Reply("", "rejected")] * len(calls)
        if not self.over and len(self.record.asked) + len(calls) > self.rules.most_calls:
            self.over = f"it made more than {counted(self.rules.most_calls, 'call')}"
        if not self.over:
            self.waiting = [self.record.add(request, part) for request, part in calls]
            self.reports.put(self)
            self._resume.acquire()
        if self.over:
            self._refuse()
        return self.replies

    def _refuse(self) -> None:
        self.refused += 1
        if self.refused > REFUSED:
            # It catches whatever is raised: nothing ends it, but it shall not keep a core busy.
            self._report()
            threading.Event().wait()
        raise ProgramStopped(self.over)

    def _run(self) -> None:
        try:
            result = self._outcome()
            if not self.over:
                self.result = result
        except SystemExit:
            # It was told to end once more in these lines: `over` says why.
            pass
        finally:
            self._leave()

    def _outcome(self) -> Finished:
        awaited = False
        try:
            output = self.program(self.record.cell.prompt, self.record.cell.example, self._handle())
            if inspect.isawaitable(output):
                awaited = True
                # Before the runner, which takes a copy of the context: the loop is known by it.
                driven = _Loop(self).drive(output)
                try:
                    with asyncio.Runner(loop_factory=_InlineLoop) as runner:
                        output = runner.run(driven)
                finally:
                    # One that was ended is closed here: where it catches that too it would go on in whatever thread
                    # comes to destroy it, such as the one that asks the model.
                    driven.close()
            found, failure = read_output(output)
            return Finished(self.record, found, failure)
        except EvaluatorError as cause:
            return Finished(self.record, error=cause)
        except BaseException as cause:  # noqa: BLE001 - a program is anybody's code, and costs its own cell alone
            # It was asked as one that does not wait, for nothing else was to be seen of it.
            undeclared = awaited and isinstance(cause, TypeError) and not is_async(self.program)
            # Before its first call nothing was said yet.
            slip = undeclared or is_slip(cause) or (isinstance(cause, Exception) and not self.record.asked)
            return Finished(self.record, failure=said_of(cause) + (UNDECLARED if undeclared else ""), slip=slip)

    def _leave(self) -> None:
        try:
            self._close()
        except SystemExit:
            self._close()
        self._report()

    def _close(self) -> None:
        """From here on the thread is not ended from outside; what it was told and has not heard is taken back."""
        with self._ending:
            self.gone = True
            raise_in(self.thread, None)

    def _report(self) -> None:
        if not self.ended:
            self.ended = True
            self.reports.put(self)

    def _handle(self) -> ModelHandle:
        def now(request: Request, part: str) -> Reply:
            return self.ask([(request, part)])[0]

        if is_async(self.program):
            return ModelHandle(lambda request, part: _Loop.of(self).ask(request, part), now, self.rules.sampling)
        return ModelHandle(now, now, self.rules.sampling)


class _Loop:
    """The calls of an async program: those made side by side go out together."""

    def __init__(self, worker: CellWorker) -> None:
        self._worker = worker
        self._calls: list[tuple[Request, str, asyncio.Future[Reply]]] = []
        self._running: asyncio.AbstractEventLoop | None = None
        _LOOPS.set(self)
        worker.loop = self

    @staticmethod
    def of(worker: CellWorker) -> _Loop:
        """The one that drives this worker's program."""
        found = _LOOPS.get()
        if found is None or found._worker is not worker:
            raise ConfigError("an async program asked the model outside of its own event loop; await it where it runs")
        return found

    async def drive(self, output: Awaitable[Output]) -> Output:
        """Run the program to its end."""
        self._running = asyncio.get_running_loop()
        return await output

    def wake(self) -> None:
        """From another thread: have a loop that waits for something take a step, at which it can be ended."""
        # It may have been closed meanwhile.
        with suppress(RuntimeError):
            if self._running is not None:
                self._running.call_soon_threadsafe(lambda: None)

    def ask(self, request: Request, part: str) -> asyncio.Future[Reply]:
        """A future of the reply. The first of several calls waits until every task that is ready has had its turn."""
        loop = asyncio.get_running_loop()
        if not self._calls:
            loop.call_soon(loop.call_soon, self._send)
        future = _PendingReply(loop=loop)
        self._calls.append((request, part, future))
        return future

    def _send(self) -> None:
        calls, self._calls = self._calls, []
        try:
            replies = self._worker.ask([(request, part) for request, part, _ in calls])
        except BaseException as cause:  # noqa: BLE001 - it belongs to whoever awaits
            for _, _, future in calls:
                if not future.done():
                    future.set_exception(cause)
            return
        for (_, _, future), reply in zip(calls, replies, strict=True):
            if not future.done():
                future.set_result(reply)


class _PendingReply(asyncio.Future[Reply]):
    """A reply that is still to come. Raises ConfigError where it is taken for the reply, as without an `await`."""

    def __getattr__(self, name: str) -> Any:
        if name in Reply.__dataclass_fields__:
            raise ConfigError("an async program did not await a call; write (await ask(…)).text")
        raise AttributeError(name)


class _InlineLoop(asyncio.SelectorEventLoop):
    """Runs at once what a program hands to a thread, so that nothing overtakes. It begins no thread of its own."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run it; the future has the result already. A program's own executor is left as it is."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as cause:  # noqa: BLE001 - whoever awaits is told
            future.set_exception(cause)
        return future


_LOOPS: contextvars.ContextVar[_Loop | None] = contextvars.ContextVar("promptopt program loop", default=None)


def raise_in(thread: threading.Thread, error: type[BaseException] | None) -> None:
    """Raise an exception in another thread at its next step of Python; with None, none that was not raised yet."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), raised)


def is_async(program: Program) -> bool:
    """Whether a program is awaited."""
    called = getattr(program, "__call__", None)  # noqa: B004 - of an object with an async __call__
    return inspect.iscoroutinefunction(program) or inspect.iscoroutinefunction(called)
