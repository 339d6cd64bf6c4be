"""Requests one after the other, until a run stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

AskedT = TypeVar("AskedT")


def until_stopped(requests: Sequence[AskedT], stopping: Callable[[], bool]) -> Iterator[tuple[int, AskedT]]:
    """Each request with its index, in order; none once `stopping` says so, which is asked before each."""
    for index, request in enumerate(requests):
        if stopping():
            return
        yield index, request
