"""Fan-out over a server: a batch in, a stream of replies out; adaptive concurrency, retries and stopping in one place.

An event loop in a thread of its own sends; the caller reads a queue. The loop lives as long as its dispatcher, so that
connections outlast a batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
import weakref
from array import array
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, Generic, TypeVar

from promptopt.errors import BackendError, ConfigError, PromptoptError, Refused, RequestRefused
from promptopt.models.server.arrivals import Arrivals
from promptopt.models.server.event_loop import EventLoop
from promptopt.models.server.pace import UNPACED, Pace, Window
from promptopt.models.server.refused_requests import TRIES, Refusals
from promptopt.models.server.retrying import RETRY_POLICY, SEE_THAT_IT_IS_UP, Outage, RetryPolicy
from promptopt.models.server.silence import FIRST_S, Silence, silence_ends
from promptopt.text import counted

_STOP_CHECK_S = 0.25
"""How often a request that waits for its next try looks whether the run is stopping. Ours."""

_ALONE_S = 1.0
"""How long the first request goes alone at most: a wrong key or name is refused sooner than that."""

_TOLD_FROM_S = 2.0
"""Waits that are worth a word: shorter ones are over before it is read."""
_TOLD_EVERY_S = 10.0
"""Seconds between two words about the same batch. Ours."""

_log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


class Dispatcher(Generic[RequestT, AnswerT]):
    """Sends requests through `send`, an async function that returns a reply or raises Outage or a PromptoptError.

    An outage is retried within `retry_policy`; a request that outlives it fails alone, unless nothing else got through
    in all that time: then the server counts as down, and no further request is begun. A PromptoptError holds for every
    request, so it ends the batch at once; but for a refusal by a server that has answered others: it may hold for its
    request alone, so the batch goes on, and SomeRefused ends it.
    """

    def __init__(
        self,
        send: Callable[[RequestT], Awaitable[AnswerT]],
        *,
        server: str,
        concurrency: int = 64,
        retry_policy: RetryPolicy = RETRY_POLICY,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        pace: Pace = UNPACED,
        timeout_s: float | None = None,
        via: str = "",
    ) -> None:
        """`server`: how errors name it. `concurrency`: the most requests in flight. `sleep` and `clock`: for tests.

        `pace`: of the requests, those that are tried again among them. `timeout_s`: after which `send` raises Outage by
        itself; None where that is not known. `via`: the way to the server, as " through a proxy".
        """
        if concurrency < 1:
            raise ConfigError(f"{concurrency} requests at once let nothing through; give a number above 0")
        self.send, self.server, self.retry_policy, self.sleep, self.clock = send, server, retry_policy, sleep, clock
        self.pace, self.via = pace, via
        self.ends = "" if timeout_s is None else silence_ends(timeout_s, retry_policy.total_s)
        self.window = Window(concurrency)
        self.answered = self.lost = 0
        self.seconds = array("d")
        """How long each reply took, in the order in which they came."""
        # Not from a run's seed: waits change nothing that is stored, and runs with one seed should not wait in step.
        self.draw = random.Random().random
        self._loop: EventLoop | None = None
        self._starting = threading.Lock()

    def stream(self, requests: Sequence[RequestT], stopping: Callable[[], bool]) -> Iterator[tuple[int, AnswerT]]:
        """Replies as they settle, under the laws of `Model.generate`. `stopping` is called from another thread."""
        arrivals = Arrivals[AnswerT]()
        batch = _StreamedBatch(self, requests, stopping, arrivals.add)
        running = self._started().submit(batch.run())
        # The end of the stream, also where the batch fails: `result` below then raises why.
        running.add_done_callback(lambda _: arrivals.end())
        try:
            yield from arrivals.taken()
            running.result()
        except KeyboardInterrupt as interrupt:
            # What is in flight is paid for, so its replies are handed on first; a second interrupt does not wait.
            batch.ended = True
            if not running.done():
                _log.warning("%s: waiting for the replies in flight; interrupt again to stop now", self.server)
            try:
                yield from arrivals.taken()
            finally:
                raise interrupt
        except CancelledError:
            raise BackendError(f"{self.server}: the model was closed while a batch was under way") from None
        finally:
            # Also where the caller reads no further: nobody would take what is still asked.
            running.cancel()

    def note_lost(self, outage: Outage, *, stranger: bool) -> None:
        """Count a try that the server may have counted; `stranger`: it has answered nothing so far."""
        # What breaks connections off and never answered is likelier no server for models.
        self.lost += outage.counted and not (stranger and outage.unreachable)

    def _started(self) -> EventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = EventLoop()
                # Of the loop, not of this object, which would keep itself alive by it.
                weakref.finalize(self, self._loop.close)
            return self._loop

    async def until_closed(self, resource: contextlib.AbstractAsyncContextManager[Any]) -> None:
        """Enter `resource` on the loop; it is left when the dispatcher is closed."""
        await self._started().resources.enter_async_context(resource)

    def close(self) -> None:
        """Close connections and end the thread; the next batch starts anew."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()


class _StreamedBatch(Generic[RequestT, AnswerT]):
    """One call of `Dispatcher.stream`, on the loop's side."""

    def __init__(
        self,
        dispatcher: Dispatcher[RequestT, AnswerT],
        requests: Sequence[RequestT],
        stopping: Callable[[], bool],
        settled: Callable[[int, AnswerT], None],
    ) -> None:
        self.dispatcher, self.requests, self.stopping, self.settled = dispatcher, requests, stopping, settled
        self.next = self.active = 0
        self.fatal: PromptoptError | None = None
        self.failed: list[Outage] = []
        self.refusals = Refusals()
        self.ended = self.troubled = self.pause_told = self.worked = False
        self.tried = self.refused = self.waiting = 0
        self.told_at = float("-inf")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self.silence, self.running = Silence(loop.time()), set[asyncio.Task[None]]()
        patient, watching = loop.call_later(_ALONE_S, self._go_on), loop.create_task(self._watch(loop.time))
        try:
            async with asyncio.TaskGroup() as self.workers:
                self._fill()
        except BaseExceptionGroup as group:
            # Workers keep what ends a batch for `fatal`: what comes here is a fault of the program.
            raise group.exceptions[0] from None
        finally:
            patient.cancel()
            watching.cancel()
        if self.fatal is not None:
            raise self.fatal
        if self.failed:
            paused = next(filter(self._is_refused_for_long, self.failed), None)
            last = self.failed[-1] if paused is None else paused
            first = f"{last.mend}, then" if paused is None else "after that pause, or with another server,"
            raise BackendError(
                f"{self.dispatcher.server}: {last}; {len(self.failed)} of {counted(len(self.requests), 'request')} "
                f"failed beyond {'its' if len(self.failed) == 1 else 'their'} retries: "
                f"{first} run the same command again to go on"
            ) from last
        self.refusals.tell(self.dispatcher.answered)

    def _fill(self) -> None:
        """Start workers up to the window; each takes requests until none is left or the window has shrunk."""
        wanted = min(int(self.dispatcher.window.limit), self.active + len(self.requests) - self.next)
        while self.active < wanted and not self._ending():
            self.active += 1
            task = self.workers.create_task(self._work())
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def _watch(self, clock: Callable[[], float]) -> None:
        """Say that the server is silent, while it is; when the run stops, do not wait for one that never answered."""
        while True:
            await asyncio.sleep(_STOP_CHECK_S)
            now, answered = clock(), self.dispatcher.answered > 0
            if self.waiting == self.active:
                # Nothing is asked of it now, so nothing is missed.
                self.silence.broken(now)
            if (silent_s := self.silence.to_tell_s(now, answered)) is not None:
                asked, flying = self.dispatcher, counted(self.active - self.waiting, "request")
                told = (asked.server, asked.via, silent_s, flying, asked.ends)
                _log.warning("%s has sent nothing%s for %.0f s: %s in flight%s", *told)
            if not answered and self.silence.lasts_s(now) >= FIRST_S and self._ending():
                for task in self.running:
                    task.cancel()

    def _go_on(self) -> None:
        """The first request takes its time, but has not failed: the others need not wait for it."""
        if not self.dispatcher.window.opened and not self.troubled:
            self.dispatcher.window.open()
            self._fill()

    def _ending(self) -> bool:
        self.ended = self.ended or self.fatal is not None or self.stopping()
        return self.ended

    async def _work(self) -> None:
        window = self.dispatcher.window
        try:
            while self.next < len(self.requests) and self.active <= max(1.0, window.limit) and not self._ending():
                index = self.next
                self.next += 1
                reply = await self._settle(index)
                if reply is not None:
                    self.settled(index, reply)
                self._fill()
        except PromptoptError as permanent:
            # The first is raised: the others say the same of their own requests.
            self.fatal = self.fatal if self.fatal is not None else permanent
        finally:
            self.active -= 1

    async def _settle(self, index: int) -> AnswerT | None:
        """The reply, or None when the batch ended, its retries ran out first, or it was refused."""
        dispatcher, retry_policy, spent_s, tries = self.dispatcher, self.dispatcher.retry_policy, 0.0, 0
        empty = refused = 0
        answered_before = dispatcher.answered
        while True:
            # A turn that is waited for is no fault of the server: it counts as no try.
            if not await self._wait(dispatcher.pace.turn()):
                return None
            began = dispatcher.clock()
            try:
                reply = await dispatcher.send(self.requests[index])
            except (Refused, RequestRefused) as refusal:
                refused += 1
                if not Refusals.may_be_of_one(refusal, dispatcher.answered):
                    raise
                if refused == TRIES:
                    self.silence.broken(asyncio.get_running_loop().time())
                    self.ended |= self.refusals.add(index, refusal, dispatcher.answered)
                    return None
                if not await self._wait(retry_policy.first_s):
                    return None
            except Outage as outage:
                now, tries, stranger, self.troubled = dispatcher.clock(), tries + 1, not dispatcher.answered, True
                self.silence.broken(asyncio.get_running_loop().time())
                self.tried, self.refused = self.tried + 1, self.refused + 1
                empty += outage.amounts_to is not None
                if outage.amounts_to is not None and empty >= retry_policy.empty_tries:
                    return self._answered(outage.amounts_to)
                dispatcher.note_lost(outage, stranger=stranger)
                if outage.overloaded:
                    dispatcher.window.shrink(began, now)
                wait_s = retry_policy.wait_s(tries, outage, dispatcher.draw())
                spent_s += now - began
                if stranger and outage.misplaced and spent_s + wait_s > retry_policy.misplaced_s:
                    raise BackendError(f"{dispatcher.server} {outage}{_to_do(outage)}") from None
                counts_s = retry_policy.counts_s(wait_s, outage, answers=not stranger)
                # Given up before a wait that could not be followed by another try.
                if spent_s + counts_s > self._patience_s(outage, now - began):
                    # Others were answered meanwhile: then it is this request that fails, and not the server.
                    self.ended = self.ended or dispatcher.answered == answered_before
                    self._give_up(outage)
                    return None
                spent_s += counts_s
                self._tell(outage, wait_s, now)
                if not await self._wait(wait_s):
                    return None
            else:
                self.tried += 1
                return self._answered(reply, dispatcher.clock() - began)

    def _patience_s(self, outage: Outage, took_s: float) -> float:
        """How long to try after an outage that took so long to come."""
        policy = self.dispatcher.retry_policy
        # What was held for so long was worked on: such as by a server that loads its model first.
        self.worked = self.worked or (outage.connected and took_s > policy.contact_s)
        never_reached = outage.unreachable and not self.dispatcher.answered and not self.worked
        return policy.contact_s if never_reached else policy.total_s

    def _answered(self, reply: AnswerT, took_s: float | None = None) -> AnswerT:
        self.dispatcher.answered += 1
        if took_s is not None:
            self.dispatcher.seconds.append(took_s)
        self.silence.broken(asyncio.get_running_loop().time())
        if self.dispatcher.window.opened:
            self.dispatcher.window.grow()
        else:
            self.dispatcher.window.open()
        return reply

    def _tell(self, outage: Outage, wait_s: float, now: float) -> None:
        """Say that the server fails, while it does: minutes of silence look like a program that hangs."""
        if wait_s < _TOLD_FROM_S or now - self.told_at < _TOLD_EVERY_S:
            return
        _log.warning(
            "%s %s: %d of %d requests failed, trying again in %.0f s",
            self.dispatcher.server, outage, self.refused, self.tried, wait_s,
        )  # fmt: skip
        self.told_at, self.tried, self.refused = now, 0, 0

    def _is_refused_for_long(self, outage: Outage) -> bool:
        """Whether the server asks for a longer pause than anyone waits here."""
        return outage.retry_after_s is not None and outage.retry_after_s > self.dispatcher.retry_policy.total_s

    def _give_up(self, outage: Outage) -> None:
        self.failed.append(outage)
        # Said now and once, for the batch goes on, and may take hours yet.
        if self._is_refused_for_long(outage) and not (self.ended or self.pause_told):
            _log.warning("%s %s: that is not waited for; the other requests go on", self.dispatcher.server, outage)
            self.pause_told = True

    async def _wait(self, seconds: float) -> bool:
        """Wait; whether the request may then be tried again."""
        self.waiting += 1
        try:
            while seconds > 0 and not self._ending():
                await self.dispatcher.sleep(min(seconds, _STOP_CHECK_S))
                # In short steps, so that an interrupt is not kept waiting.
                seconds -= _STOP_CHECK_S
        finally:
            self.waiting -= 1
        return not self._ending()


def _to_do(outage: Outage) -> str:
    """What mends an outage of a server that is up, as the end of a sentence."""
    return "" if outage.mend == SEE_THAT_IT_IS_UP else f"; {outage.mend}"
