"""Calls in the turns in which a run may ask for them, where several runs share a store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Generic, TypeVar

from promptopt.errors import StoreError, Suspended
from promptopt.store.cache import Cache
from promptopt.store.claims import Claims

CallT = TypeVar("CallT")


class ClaimedCalls(Generic[CallT]):
    """The calls of `missing`, by key, that nobody else asks for now; then those that others did not store after all.

    Without claims all of them at once. What it raises is Suspended: where the store fails, or the run is to stop.
    """

    def __init__(
        self, claims: Claims | None, missing: Mapping[bytes, CallT], cache: Cache, stopping: Callable[[], str | None]
    ) -> None:
        """Nothing is claimed yet. `stopping` gives the reason to stop, or None; while others ask for all that is left.

        Whoever waits for others holds no claim: two runs that hold some, and wait, would wait for each other.
        """

        def raise_if_stopping() -> None:
            reason = stopping()
            if reason is not None:
                raise Suspended(reason)

        self._missing = missing
        self._turns = (
            _at_once(list(missing)) if claims is None else claims.turns(list(missing), cache.get, raise_if_stopping)
        )

    def following(self) -> list[CallT]:
        """Those whose turn it is, once all that was given before is stored; empty when that is all."""
        try:
            # One step: with the next one, the claims of these are let go of.
            for keys in self._turns:
                return [self._missing[key] for key in keys]
        except StoreError as outage:
            raise Suspended(str(outage)) from outage
        return []

    def close(self) -> None:
        """Let go of what was given, which is stored, or will not be asked for."""
        try:
            self._turns.close()
        except StoreError as outage:
            raise Suspended(str(outage)) from outage


def _at_once(keys: list[bytes]) -> Generator[list[bytes]]:
    # A generator as `Claims.turns` is one: both are stepped and closed alike.
    yield keys
