"""Requests spread over engines: a lane works on one request after another and stays with one candidate's prefix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from promptopt.errors import BackendError
from promptopt.models.prefixes import PrefixQueue
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
    queue = PrefixQueue(requests)
    failure = None
    given_up = threading.Event()
    stopped = False
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
        # A caller that leaves, or an error, ends the replies under way at their next token.
        given_up.set()
        pool.shutdown(wait=True, cancel_futures=True)
    if failure is not None:
        raise failure
