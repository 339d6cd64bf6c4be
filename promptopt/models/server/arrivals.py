"""Replies on their way from the thread that asks to the one that takes them."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class Arrivals(Generic[AnswerT]):
    """Replies by place, none of which an interrupt of the taker loses."""

    def __init__(self) -> None:
        self._settled: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._replies: dict[int, AnswerT] = {}
        self._ended = False

    def add(self, place: int, reply: AnswerT) -> None:
        """Hand one over."""
        self._replies[place] = reply
        self._settled.put(place)

    def end(self) -> None:
        """Nothing comes after this."""
        self._ended = True
        self._settled.put(None)

    def taken(self) -> Iterator[tuple[int, AnswerT]]:
        """Each as it settles, up to the end. After an interrupt it is begun anew."""
        if self._ended:
            # The end may have been lost to an interrupt, as below.
            self._settled.put(None)
        while (place := self._settled.get()) is not None:
            if place in self._replies:
                # Without a call, at whose end an interrupt comes: `pop` would lose the reply to it.
                reply = self._replies[place]
                del self._replies[place]
                yield place, reply
        # What the queue gave may have been lost to an interrupt before it was looked at.
        yield from self._replies.items()
