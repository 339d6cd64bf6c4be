"""Spreads batches over workers: each stays with a prefix, and what a dead one had not answered is asked of another."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from promptopt.errors import BackendError, ConfigError, RequestRefused
from promptopt.models.actors.worker import Answer, AnyRequest, Facts, Job, ModelFailure, Named, Settled
from promptopt.models.prefixes import PrefixQueue
from promptopt.text import counted, first_line
from promptopt.types import Content

BATCH = 256
"""The most requests that a worker is handed at once; a dead worker costs no more than these. Ours."""
LOSSES = 3
"""Times in a row that a worker may die without an answer between, before a run is suspended. Ours."""
RETURN_S = 120.0
"""Seconds in which a dead worker has to be back; after them the others go on without it. Ours."""
PAUSE_S = 0.1
"""Seconds between two looks for a worker that is coming back. Ours."""


class Post(Protocol):
    """Takes messages to workers, which are numbered from 0."""

    @property
    def workers(self) -> int:
        """How many there are."""
        ...

    @property
    def lost(self) -> tuple[type[Exception], ...]:
        """What a message's future raises where the worker died before it answered."""
        ...

    def send(self, worker: int, method: str, *arguments: object) -> Future[Any]:
        """Call a method of that `ModelWorker`. A worker that died is begun again, and messages reach the new one."""
        ...


@dataclass(slots=True)
class _Sent:
    """What a worker has in hand: `waiting[place in the batch]` is the index of a request without an answer yet."""

    worker: int
    ticket: str
    waiting: dict[int, int]


@dataclass(slots=True)
class _Away:
    """A worker that died, until it is back or `until` (monotonic) is past."""

    worker: int
    until: float = field(default_factory=lambda: time.monotonic() + RETURN_S)


class Fleet:
    """Workers that hold the same models, as one."""

    def __init__(self, post: Post) -> None:
        self._post = post

    @property
    def workers(self) -> int:
        """How many there are."""
        return self._post.workers

    def tell(self, what: Callable[[], Any], patience_s: float) -> list[Any]:
        """What a function says in each worker. Raises TimeoutError where one has not begun after so many seconds."""
        futures = [self._post.send(worker, "tell", what) for worker in range(self.workers)]
        return [future.result(patience_s) for future in futures]

    def facts(self, named: Named) -> Facts:
        """What the model is and can. Raises ConfigError where it cannot be opened, or workers open different ones."""

        def asked(worker: int) -> Facts | ModelFailure:
            return self._call(worker, "facts", named)

        # One before the others: what it has to fetch is there for those beside it.
        said = [asked(0)]
        with ThreadPoolExecutor(self.workers) as pool:
            said += pool.map(asked, range(1, self.workers))
        failure = next((each for each in said if isinstance(each, ModelFailure)), None)
        if failure is not None:
            raise _raised(replace(failure, said=f"on a worker: {failure.said}"))
        found = [each for each in said if isinstance(each, Facts)]
        first = found[0]
        other = next((each for each in found if each != first), first)
        if other != first:
            raise ConfigError(
                f"{named.spec!r} is {first.name!r} on one worker and {other.name!r} on another, which could answer "
                f"differently: install the same versions and the same model files on all machines"
            )
        return first

    def count_tokens(self, named: Named, text: str) -> int:
        """How many tokens a text has."""
        return self._call(0, "count_tokens", named, text)

    def pieces(self, named: Named, text: str) -> list[str]:
        """The tokens of a text."""
        return self._call(0, "pieces", named, text)

    def ask(
        self, named: Named, requests: Sequence[AnyRequest], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield `(index, answer)` as answers settle, under the laws of `Model.generate`."""
        return _Asking(self._post, named, requests, stopping).answers()

    def _call(self, worker: int, method: str, *arguments: object) -> Any:
        """A message whose answer does not depend on the worker; sent again where it died."""
        until = time.monotonic() + RETURN_S
        while True:
            try:
                return self._post.send(worker, method, *arguments).result()
            except self._post.lost as cause:
                if time.monotonic() > until:
                    raise BackendError(f"a worker died and did not come back ({first_line(cause)})") from cause
                time.sleep(PAUSE_S)


class _Asking:
    """One batch of requests on its way through the workers."""

    def __init__(self, post: Post, named: Named, requests: Sequence[AnyRequest], stopping: Callable[[], bool]) -> None:
        self._post = post
        self._named = named
        self._requests = requests
        self._stopping = stopping
        self._queue = PrefixQueue(requests)
        self._idle = list(range(post.workers))
        self._prefixes: dict[int, Content] = {}
        self._losses = dict.fromkeys(self._idle, 0)
        self._under_way: dict[Future[Any], _Sent | _Away] = {}
        self._failure: ModelFailure | None = None
        self._stopped = False
        self._died = ""

    def answers(self) -> Iterator[tuple[int, Answer]]:
        try:
            while True:
                self._stopped = self._stopped or self._stopping()
                self._begin()
                # A dead worker that is on its way back is no work: where all is answered, nobody waits for it.
                working = any(isinstance(each, _Sent) for each in self._under_way.values())
                if not working and (self._stopped or self._failure is not None or not self._queue):
                    break
                if not self._under_way:
                    raise BackendError(f"no worker is left to ask ({self._died}); run the same command again to go on")
                for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
                    yield from self._arrived(future, self._under_way.pop(future))
        finally:
            for each in self._under_way.values():
                if isinstance(each, _Sent):
                    # A caller that stops in the middle leaves batches behind, which would keep workers busy for nobody.
                    self._post.send(each.worker, "leave", each.ticket)
        if self._failure is not None:
            raise _raised(self._failure)

    def _begin(self) -> None:
        """Hand every idle worker a batch: smaller ones as the end comes near, so that all end together."""
        while self._idle and self._queue and not self._stopped and self._failure is None:
            worker = self._idle.pop(0)
            # Half of an even share, rounded up: what a slow worker holds up stays small.
            size = max(1, min(BATCH, -(-len(self._queue) // (2 * self._post.workers))))
            indices: list[int] = []
            others = [prefix for other, prefix in self._prefixes.items() if other != worker]
            while self._queue and len(indices) < size:
                index, self._prefixes[worker] = self._queue.take(self._prefixes.get(worker), others)
                indices.append(index)
            # A ticket that no other batch ever has, also not one of another run at the same worker.
            sent = _Sent(worker, uuid.uuid4().hex, dict(enumerate(indices)))
            self._take(sent, Job(self._named, tuple(self._requests[index] for index in indices)))

    def _take(self, sent: _Sent, job: Job | None) -> None:
        self._under_way[self._post.send(sent.worker, "take", sent.ticket, job, self._stopped)] = sent

    def _arrived(self, future: Future[Any], sent: _Sent | _Away) -> Iterator[tuple[int, Answer]]:
        try:
            found = future.result()
        except self._post.lost as cause:
            self._lose(sent, first_line(cause))
            return
        if isinstance(sent, _Away):
            self._idle.append(sent.worker)
            return
        if found is None:
            self._lose(sent, "it began anew and has forgotten its batch")
            return
        assert isinstance(found, Settled)
        if found.ended:
            self._idle.append(sent.worker)
            if found.failure is not None and self._failure is None:
                self._failure = found.failure
        else:
            # Before yielding: the worker goes on while the caller stores.
            self._take(sent, None)
        for place, answer in found.answers:
            # It has answered since: losses count only in a row.
            self._losses[sent.worker] = 0
            yield sent.waiting.pop(place), answer

    def _lose(self, sent: _Sent | _Away, why: str) -> None:
        """Let others answer what a dead worker had in hand, and wait for it to be back."""
        self._died = why
        if isinstance(sent, _Sent):
            # Only what was not answered: what was is with the caller already, and stored.
            self._queue.give_back(sent.waiting.values())
            self._losses[sent.worker] += 1
            if self._losses[sent.worker] > LOSSES:
                died = counted(self._losses[sent.worker], "time")
                raise BackendError(
                    f"a worker died {died} in a row ({why}); free memory, and run the same command again to go on"
                )
            away = _Away(sent.worker)
        else:
            # The others go on without it.
            if time.monotonic() > sent.until:
                return
            # A message to a dead worker fails at once: without a pause the caller would spin.
            time.sleep(PAUSE_S)
            away = sent
        # Any message does: it is answered once the worker is back.
        self._under_way[self._post.send(away.worker, "tell", str)] = away


def _raised(failure: ModelFailure) -> ConfigError | BackendError:
    kinds = {"setting": ConfigError, "request": RequestRefused, "engine": BackendError}
    return kinds[failure.kind](failure.said)
