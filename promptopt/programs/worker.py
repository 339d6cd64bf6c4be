"""One cell of a program, in a thread of its own: it runs until it waits for a call, and ends whatever it does."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, cast

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.programs.handle import ModelHandle, Output, Program, ProgramCall, ProgramStopped, Record
from promptopt.text import counted, shorten
from promptopt.types import Reply, Request, Sampling, Score

GIVEN = 80
"""Characters of what a program gave that is no output, in the sentence that says so."""
REFUSED = 100
"""Calls of a cell that is over which are answered by an exception; a program that goes on is left standing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a cell may take: calls, and seconds between two of them; how its calls are drawn where they do not say."""

    most_calls: int
    seconds: float
    sampling: Sampling


@dataclass(slots=True)
class Finished:
    """A cell that ran to its end: what it gave, or why it failed, as a sentence; or what ends the whole run."""

    record: Record
    output: Output | None = None
    failure: str = ""
    error: EvaluatorError | None = None


@dataclass(slots=True, eq=False)
class Worker:
    """One cell in a thread of its own. Its owner resumes it; it reports when it waits, and when it has ended."""

    program: Program
    record: Record
    rules: Rules
    reports: SimpleQueue[Worker | None]
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
    _resume: threading.Lock = field(default_factory=threading.Lock)

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
        elif not self.gone and self.thread.is_alive():
            _raise_in(self.thread)

    def ask(self, calls: Sequence[tuple[Request, str]]) -> list[Reply]:
        """Called by the program's thread: wait for the replies to all of `calls`."""
        if threading.get_ident() != self.thread.ident:
            self.over = self.over if self.over else "it asked the model from a thread of its own; ask where it runs"
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
            output = self.program(self.record.cell.prompt, self.record.cell.example, self._handle())
            if inspect.isawaitable(output):
                output = asyncio.run(_Loop(self).drive(output))
            result = _finished(self.record, output)
        except EvaluatorError as cause:
            result = Finished(self.record, error=cause)
        except BaseException as cause:  # noqa: BLE001 - a program is anybody's code, and costs its own cell alone
            said = f"{type(cause).__name__}: {cause}"
            result = Finished(self.record, failure=f"it raised {said.removesuffix(': ')}")
        try:
            if not self.over:
                self.result = result
        finally:
            self.gone = True
            self._report()

    def _report(self) -> None:
        if not self.ended:
            self.ended = True
            self.reports.put(self)

    def _handle(self) -> ModelHandle:
        if is_async(self.program):
            return ModelHandle(lambda request, part: _Loop.of(self).ask(request, part), self.rules.sampling)
        return ModelHandle(lambda request, part: self.ask([(request, part)])[0], self.rules.sampling)


class _Loop:
    """The calls of an async program: those made side by side go out together."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._calls: list[tuple[Request, str, asyncio.Future[Reply]]] = []
        _LOOPS.set(self)

    @staticmethod
    def of(worker: Worker) -> _Loop:
        """The one that drives this worker's program."""
        found = _LOOPS.get()
        if found is None or found._worker is not worker:
            raise ConfigError("an async program asked the model outside of its own event loop; await it where it runs")
        return found

    async def drive(self, output: Awaitable[Output]) -> Output:
        """Run the program to its end; what it hands to a thread runs here instead, so that nothing overtakes."""
        asyncio.get_running_loop().set_default_executor(_Inline())
        return await output

    def ask(self, request: Request, part: str) -> asyncio.Future[Reply]:
        """A future of the reply. The first of several calls waits until every task that is ready has had its turn."""
        loop = asyncio.get_running_loop()
        if not self._calls:
            loop.call_soon(loop.call_soon, self._send)
        future: asyncio.Future[Reply] = loop.create_future()
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


class _Inline(ThreadPoolExecutor):
    """An executor of asyncio's that runs what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it; the future has the result already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as cause:  # noqa: BLE001 - whoever awaits is told
            future.set_exception(cause)
        return future


_LOOPS: contextvars.ContextVar[_Loop | None] = contextvars.ContextVar("promptopt program loop", default=None)


def _raise_in(thread: threading.Thread) -> None:
    """End another thread at its next step of Python: by the one exception that threads end by without a word."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


def is_async(program: Program) -> bool:
    """Whether a program is awaited."""
    called = getattr(program, "__call__", None)  # noqa: B004 - of an object with an async __call__
    return inspect.iscoroutinefunction(program) or inspect.iscoroutinefunction(called)


def _finished(record: Record, given: object) -> Finished:
    """What a program gave, or that it gave nothing that can be scored: then it raised nothing, and is not said to."""
    if isinstance(given, str | Score):
        return Finished(record, given)
    if isinstance(given, tuple):
        pair = cast("tuple[Any, ...]", given)
        if len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], Sequence):
            return Finished(record, (pair[0], tuple(cast("Sequence[Any]", pair[1]))))
    # The likeliest slip: what `ask` gives is not what the model said.
    slip = isinstance(given, Reply)
    shown, hint = ("a Reply", "; give the reply's `text`") if slip else (shorten(repr(cast("Any", given)), GIVEN), "")
    wanted = "a text, a text and its trace, or a Score"
    return Finished(record, failure=f"it gave {shown}, and a program gives {wanted}{hint}")
