"""Batches begun ahead: while one is out, the next is recorded and looked up, and the one before is handed on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from promptopt.errors import BudgetSpent
from promptopt.run.fetching import Call, Fetch
from promptopt.types import Reply, Request


@dataclass(frozen=True, slots=True)
class Handlers:
    """What a door does for a pipeline, of one role and repetition.

    `calls`: requests and their draws as calls. `admit`: how many calls a cap lets through, from the first, where so
    many others, by their keys, are on their way. `fetch`: a batch, which asks for no key that is on its way already.
    `charge`: enter calls and their replies into the ledger; it gives the sentence for a cap that cut them.
    """

    calls: Callable[[Sequence[Request], Sequence[str]], list[Call]]
    admit: Callable[[Sequence[Call], Collection[bytes]], int]
    fetch: Callable[[Sequence[Call], Collection[bytes]], Fetch]
    charge: Callable[[Sequence[Call], Sequence[Any]], str]


@dataclass(slots=True, eq=False)
class BatchUnderWay:
    """A batch on its way. `whole`: no cap keeps any of it back."""

    whole: bool
    _calls: Sequence[Call]
    _fetch: Fetch
    _done: Callable[[BatchUnderWay, Sequence[Call], Sequence[Any]], str]

    @property
    def keys(self) -> Collection[bytes]:
        """Of all its calls."""
        return [call.key for call in self._calls]

    @property
    def asked(self) -> Collection[bytes]:
        """The keys that it asks for."""
        return self._fetch.asked

    def ask(self) -> None:
        """As `protocols.Batch`."""
        self._fetch.ask()

    def close(self) -> None:
        """Let go of what it asked for."""
        self._fetch.close()

    def replies(self) -> Iterator[Reply]:
        """As `protocols.Batch`."""
        found = self._fetch.replies()
        values = [found[call.key] for call in self._calls]
        # Charged before any is handed on: whoever stops reading here has had them all.
        said = self._done(self, self._calls, values)
        for value in values:
            yield Reply.from_json(value)
        # Only now: the cells that these replies complete are scored and kept.
        if not self.whole:
            raise BudgetSpent(said)


@dataclass(slots=True, eq=False)
class OrderedPipeline:
    """Batches in their order: each begun after the one before, asked in turn, and handed on in turn."""

    _handlers: Handlers
    _begun: list[BatchUnderWay] = field(default_factory=list[BatchUnderWay])

    def begin(self, requests: Sequence[Request], draws: Sequence[str]) -> BatchUnderWay:
        """As `protocols.Pipeline`."""
        calls, before = self._handlers.calls(requests, draws), self._begun
        # What is on its way is in no ledger yet, so the cap has to be told of it.
        admitted = calls[: self._handlers.admit(calls, [key for each in before for key in each.keys])]
        fetch = self._handlers.fetch(admitted, {key for each in before for key in each.asked})
        begun = BatchUnderWay(len(admitted) == len(calls), admitted, fetch, self._end)
        self._begun.append(begun)
        return begun

    def close(self) -> None:
        """Let go of what was asked and will not be handed on."""
        # Each lets go, also where one before it fails: other runs wait for what is claimed.
        with ExitStack() as closing:
            for begun in self._begun:
                closing.callback(begun.close)

    def _end(self, begun: BatchUnderWay, calls: Sequence[Call], values: Sequence[Any]) -> str:
        # From here on what it asked for is found in the store.
        self._begun.remove(begun)
        return self._handlers.charge(calls, values)
