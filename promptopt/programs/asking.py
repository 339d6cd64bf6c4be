"""How the calls of programs in lockstep are asked: through a door that begins batches ahead, or batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from promptopt.errors import BudgetSpent
from promptopt.programs.handle import ProgramCall, Record
from promptopt.protocols import Ask, AskAhead, AskEach, Batch, Pipeline
from promptopt.types import Reply

Waiting = tuple[Record, ProgramCall]
"""A call, and what its cell asked so far."""


class Replier(Protocol):
    """What the waiting calls of all cells are handed to."""

    @property
    def ahead(self) -> bool:
        """Whether a batch may be begun before the replies to the one before it are taken."""
        ...

    def begin(self, asked: Sequence[Waiting]) -> Batch:
        """The next batch."""
        ...


@dataclass(slots=True, eq=False)
class _Once:
    """A batch that is keyed, asked and read in one go."""

    _asked: Sequence[Waiting]
    _reply: Callable[[Sequence[Waiting]], Iterable[Reply]]
    _found: list[Reply] = field(default_factory=list[Reply])
    _cut: BudgetSpent | None = None
    whole: bool = True

    def ask(self) -> None:
        try:
            self._found.extend(self._reply(self._asked))
        except BudgetSpent as spent:
            self._cut = spent

    def replies(self) -> Iterator[Reply]:
        yield from self._found
        # What came before the limit is handed on first: it was paid for.
        if self._cut is not None:
            raise self._cut


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Batch by batch; what `reply` raises ends all cells."""

    reply: Callable[[Sequence[Waiting]], Iterable[Reply]]
    ahead: bool = False

    def begin(self, asked: Sequence[Waiting]) -> _Once:
        """As `Replier`."""
        return _Once(asked, self.reply)


@dataclass(frozen=True, slots=True)
class _Piped:
    pipeline: Pipeline
    ahead: bool = True

    def begin(self, asked: Sequence[Waiting]) -> Batch:
        return self.pipeline.begin([call.request for _, call in asked], _draws(asked))


@contextmanager
def through(ask: Ask, repetition: int) -> Generator[Replier]:
    """A door, as what programs hand their calls to; ahead where it can."""
    if isinstance(ask, AskAhead):
        with ask.ahead(repetition=repetition) as pipeline:
            # None under a cap on tokens or dollars: what is left of it is known once replies are read.
            if pipeline is not None:
                yield _Piped(pipeline)
                return
    yield OneByOne(lambda asked: _replies(asked, ask, repetition))


def _replies(asked: Sequence[Waiting], ask: Ask, repetition: int) -> Iterable[Reply]:
    requests = [call.request for _, call in asked]
    if not isinstance(ask, AskEach):
        return ask(requests, repetition=repetition)
    return ask.each(requests, _draws(asked), repetition=repetition)


def _draws(asked: Sequence[Waiting]) -> list[str]:
    """Of equal sampled requests of a cell each is a draw, the same for every prompt."""
    return [f"evaluate {record.cell.repetition} {record.cell.example.id} {call.number}" for record, call in asked]
