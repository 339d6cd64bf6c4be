"""A batch that several threads ask, each request by itself."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from promptopt.types import Reply, Request


class InFlight:
    """Requests that are asked as threads are free, and their replies, by place."""

    def __init__(
        self, requests: Sequence[Request], one: Callable[[Request], Reply], stopping: Callable[[], bool]
    ) -> None:
        """`one`: asks; called from other threads, as `stopping` is."""
        self._count = len(requests)
        self._waiting = iter(enumerate(requests))
        self._one, self._stopping = one, stopping
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._answered: dict[int, Reply] = {}
        self._settled: SimpleQueue[int | BaseException | None] = SimpleQueue()

    def replies(self, threads: int) -> Iterator[tuple[int, Reply]]:
        """Each as it settles. Raises the first failure, or an interrupt, once what is in flight settled.

        A second interrupt does not wait for the replies.
        """
        failure: Exception | None = None
        left = min(threads, self._count)
        with ThreadPoolExecutor(threads) as pool:
            try:
                for _ in range(left):
                    # DSPy's settings belong to the caller's context, and a thread has none of it by itself.
                    pool.submit(contextvars.copy_context().run, self._work)
                while left:
                    found = self._settled.get()
                    if found is None:
                        left -= 1
                    elif isinstance(found, int):
                        # Without a call, at whose end an interrupt comes: `pop` would lose the reply to it.
                        reply = self._answered[found]
                        del self._answered[found]
                        yield found, reply
                    elif isinstance(found, Exception):
                        failure = found if failure is None else failure
                    else:
                        raise found
            except KeyboardInterrupt:
                self._over.set()
                pool.shutdown()
                # All of them: what the queue gave may have been lost to the interrupt, before it was looked at.
                yield from self._answered.items()
                raise
            finally:
                self._over.set()
        if failure is not None:
            raise failure

    def _work(self) -> None:
        # Each takes the next request by itself: were it handed one, what is out would wait for who hands it on.
        while not self._over.is_set() and not self._stopping():
            with self._lock:
                place, request = next(self._waiting, (-1, None))
            if request is None:
                break
            try:
                self._answered[place] = self._one(request)
                self._settled.put(place)
            except BaseException as cause:  # noqa: BLE001 - whoever asked is told
                self._over.set()
                self._settled.put(cause)
        self._settled.put(None)
