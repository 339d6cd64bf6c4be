"""The door to the models that evaluators are handed, and what it may also be able to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from promptopt.protocols.models import Role
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest


class Ask(Protocol):
    """The run's own door to the models: cached, charged, recorded. Order in is order out."""

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """Replies to `requests`. Raises StopRun when a limit is reached or the run is suspended."""
        ...

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """Log-likelihoods of given texts. Raises ConfigError when the model of that role cannot give them."""
        ...

    def can_score(self, role: Role = "task") -> bool:
        """Whether the model of that role can give the log-likelihoods of given texts; recorded, so replay agrees."""
        ...

    def warn(self, message: str) -> None:
        """Tell the user a sentence, once."""
        ...


@runtime_checkable
class AskEach(Protocol):
    """A door that can tell the draws of equal requests apart. Asked by evaluators whose cells take several calls."""

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """The replies in order, as far as a limit lets them through, then BudgetSpent where it cut the others.

        `draws`: what names each draw where a reply is sampled; two requests that are equal in it share their reply.
        """
        ...


class Batch(Protocol):
    """Requests that are asked together, on their way: first `ask`, then `replies`, each once."""

    @property
    def whole(self) -> bool:
        """Whether no limit keeps any of it back, as far as is known."""
        ...

    def ask(self) -> None:
        """Ask the model for what is not known yet, in the thread of the run. Raises Suspended."""
        ...

    def replies(self) -> Iterable[Reply]:
        """The replies in order, as far as a limit lets them through, then BudgetSpent where it cut the others."""
        ...


class Pipeline(Protocol):
    """Batches, one behind the other, from one thread."""

    def begin(self, requests: Sequence[Request], draws: Sequence[str]) -> Batch:
        """The next batch, keyed, recorded and looked up while those before it may still be out; `draws`: as `each`.

        Batches are asked, and their replies taken, in the order in which they were begun.
        """
        ...


@runtime_checkable
class AskAhead(Protocol):
    """A door that can begin a batch while another is out, so that a model need not wait between them.

    Asked by programs of several calls.
    """

    def ahead(self, *, role: Role = "task", repetition: int = 0) -> AbstractContextManager[Pipeline | None]:
        """A pipeline of batches; None where a limit depends on what is answered, so that nothing can be begun ahead."""
        ...
