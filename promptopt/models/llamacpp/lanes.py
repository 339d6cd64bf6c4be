"""Requests spread over engines: a lane works on one request after another and stays with one candidate's prefix."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from promptopt.errors import BackendError
from promptopt.models.boundary import cut
from promptopt.types import Content, Request, ScoreRequest

RequestT = TypeVar("RequestT", Request, ScoreRequest)
AnswerT = TypeVar("AnswerT")


def in_lanes(
    requests: Sequence[RequestT],
    lanes: int,
    answer: Callable[[int, RequestT, Callable[[], bool]], AnswerT],
    stopping: Callable[[], bool],
) -> Iterator[tuple[int, AnswerT]]:
    """Yield `(index, answer)` as answers settle, under the laws of `Model.generate`.

    `answer(lane, request, given_up)` runs in a thread of its own; `given_up()` turns true when the iterator is left.
    Raises BackendError at the end when requests failed.
    """
    lanes = min(lanes, len(requests))
    if not lanes:
        return
    queue, failure, given_up, stopped = PrefixQueue(requests), None, threading.Event(), False
    holding: dict[int, Content] = {}
    running: dict[Future[AnswerT], tuple[int, int]] = {}
    pool = ThreadPoolExecutor(lanes, thread_name_prefix="llamacpp")

    def begin(lane: int) -> None:
        nonlocal stopped
        stopped = stopped or stopping()
        if queue and not stopped:
            others = [prefix for other, prefix in holding.items() if other != lane]
            index, holding[lane] = queue.take(holding.get(lane), others)
            running[pool.submit(answer, lane, requests[index], given_up.is_set)] = (lane, index)

    try:
        for lane in range(lanes):
            begin(lane)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                lane, index = running.pop(future)
                begin(lane)  # before yielding: the engine works while the caller stores
                try:
                    settled = future.result()
                except BackendError as error:
                    failure = error
                else:
                    yield index, settled
    finally:
        given_up.set()
        pool.shutdown(wait=True, cancel_futures=True)
    if failure is not None:
        raise failure


class PrefixQueue:
    """Pending requests in groups of one prefix: a lane stays with its group, then come groups that no other has."""

    def __init__(self, requests: Sequence[Request | ScoreRequest]) -> None:
        """Groups stand in order of first appearance, requests within a group in order."""
        self._groups: dict[Content, deque[int]] = {}
        for index, request in enumerate(requests):
            self._groups.setdefault(cut(request.content, request.shared), deque()).append(index)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def take(self, own: Content | None, others: Collection[Content]) -> tuple[int, Content]:
        """The next request's index and its group, for a lane that last had `own` beside lanes with `others`."""
        if own is not None and own in self._groups:
            prefix = own
        else:
            free = [prefix for prefix in self._groups if prefix not in others]
            prefix = free[0] if free else max(self._groups, key=lambda group: len(self._groups[group]))
        group = self._groups[prefix]
        index = group.popleft()
        if not group:
            del self._groups[prefix]
        return index, prefix
