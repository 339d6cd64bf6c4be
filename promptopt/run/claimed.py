"""Calls in the turns in which a run may ask for them, where several runs share a store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeVar

from promptopt.errors import StoreError, Suspended
from promptopt.store.cache import Cache
from promptopt.store.claims import Claims

CallT = TypeVar("CallT")


@contextmanager
def in_turns(
    claims: Claims | None, missing: Mapping[bytes, CallT], cache: Cache, stopping: Callable[[], str | None]
) -> Generator[Iterator[list[CallT]]]:
    """The calls of `missing`, by key, that nobody else asks for now; then those that others did not store after all.

    Without claims all of them at once. Raises Suspended where the store fails, or `stopping` gives a reason.
    """
    if claims is None:
        yield iter([list(missing.values())])
        return

    def look() -> None:
        reason = stopping()
        if reason is not None:
            raise Suspended(reason)

    try:
        with closing(claims.turns(list(missing), cache.get, look)) as turns:
            yield ([missing[key] for key in keys] for keys in turns)
    except StoreError as outage:
        raise Suspended(str(outage)) from outage
