"""What a worker process does: it opens models by name, and answers batches of requests in the background.

A worker is asked from outside, by messages: `take` begins a batch and hands over what has settled since it was last
asked, so that no reply waits for the end of its batch.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from promptopt.errors import ConfigError, PromptoptError, RequestRefused
from promptopt.models.cores import grant
from promptopt.protocols import (
    Bounded,
    Inexact,
    LocalAware,
    Model,
    ReportsAlternatives,
    ScoresOnly,
    Segmenter,
    TextScorer,
    Tokenizer,
)
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest

PATIENCE_S = 0.25
"""Seconds that `take` waits for a reply: how late a worker learns that its batch is to stop."""
DESERTED_S = 60.0
"""Seconds without a `take` after which nobody is taken to wait for a batch: whoever asked has died."""

AnyRequest = Request | ScoreRequest
Answer = Reply | Likelihoods
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Named:
    """A model of a worker: as a user names it, and whether its exact twin is meant (`Inexact.exact`)."""

    spec: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model is and can, as its worker finds it; None: it does not say, or cannot."""

    name: str
    context: int | None
    local: bool | None
    generates: bool | None
    alternatives: bool | None
    scores: bool | None
    counts: bool
    cuts: bool
    inexact: bool


@dataclass(frozen=True, slots=True)
class ModelFailure:
    """Why a model failed, in a sentence. `kind`: a setting or a refused request is not mended by another try."""

    said: str
    kind: Literal["setting", "request", "engine"]


_Arrival = tuple[int, Answer] | ModelFailure | None
"""What a batch puts down as it goes: an answer by its place, why it failed, and None at its end."""


@dataclass(frozen=True, slots=True)
class Job:
    """A batch of requests of one kind."""

    model: Named
    requests: tuple[AnyRequest, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a batch has settled since it was last asked after, by the place in it; and whether that was all."""

    answers: tuple[tuple[int, Answer], ...]
    ended: bool
    failure: ModelFailure | None = None


@dataclass(slots=True)
class _RunningBatch:
    """A batch under way: what settles, then None. `asked`: when it was last asked after."""

    settled: queue.SimpleQueue[_Arrival] = field(default_factory=lambda: queue.SimpleQueue[_Arrival]())
    stop: threading.Event = field(default_factory=threading.Event)
    asked: float = field(default_factory=time.monotonic)

    def stopping(self) -> bool:
        return self.stop.is_set() or time.monotonic() - self.asked > DESERTED_S


class ModelWorker:
    """Models by name in this process, one batch at a time. Its methods may be called from several threads."""

    def __init__(self, opening: Callable[[str], Model], cores: int | None = None) -> None:
        """`opening`: from a name to the model. `cores`: how many its engines may keep busy; None: all there are."""
        if cores is not None:
            grant(cores)
        self._open_model = opening
        self._models: dict[Named, Model] = {}
        # Reentrant, for an exact twin opens the model that it is the twin of.
        self._opening, self._working = threading.RLock(), threading.Lock()
        self._batches: dict[str, _RunningBatch] = {}

    def tell(self, what: Callable[[], T]) -> T:
        """What a function says in this process."""
        return what()

    def facts(self, named: Named) -> Facts | ModelFailure:
        """What the model is and can; a ModelFailure where it cannot be opened."""
        try:
            return _facts(self._model(named))
        except Exception as error:  # noqa: BLE001 (an engine may raise anything, and the sentence has to get home)
            return _failure(error)

    def count_tokens(self, named: Named, text: str) -> int:
        """How many tokens a text has."""
        model = self._model(named)
        assert isinstance(model, Tokenizer)
        return model.count_tokens(text)

    def pieces(self, named: Named, text: str) -> list[str]:
        """The tokens of a text."""
        model = self._model(named)
        assert isinstance(model, Segmenter)
        return model.pieces(text)

    def take(self, ticket: str, job: Job | None, stopping: bool) -> Settled | None:
        """What has settled of the batch of that ticket; None where this process knows of none.

        `job`: begin it. `stopping`: let it begin no further request.
        """
        if job is not None:
            batch = self._batches[ticket] = _RunningBatch()
            # A daemon: a worker that is told to end waits for no batch.
            threading.Thread(target=self._work, args=(batch, job), daemon=True).start()
        batch = self._batches.get(ticket)
        if batch is None:
            return None
        batch.asked = time.monotonic()
        if stopping:
            batch.stop.set()
        found = list(_waiting(batch.settled))
        answers = tuple(each for each in found if isinstance(each, tuple))
        failure = next((each for each in found if isinstance(each, ModelFailure)), None)
        ended = bool(found) and found[-1] is None
        if ended:
            # Nobody may wait for it any longer: `leave` has taken it away meanwhile.
            self._batches.pop(ticket, None)
        return Settled(answers, ended, failure)

    def leave(self, ticket: str) -> None:
        """Nobody waits for that batch any longer."""
        batch = self._batches.pop(ticket, None)
        if batch is not None:
            batch.stop.set()

    def _model(self, named: Named) -> Model:
        with self._opening:
            # Kept while the process lives: to open one takes seconds.
            if named not in self._models:
                self._models[named] = self._exact(named.spec) if named.exact else self._open_model(named.spec)
            return self._models[named]

    def _exact(self, spec: str) -> Model:
        # Of the model that is open: its own engines end where its twin takes over.
        model = self._model(Named(spec))
        assert isinstance(model, Inexact)
        return model.exact()

    def _work(self, batch: _RunningBatch, job: Job) -> None:
        try:
            # Several runs may ask one worker; engines are made for one batch at a time.
            with self._working:
                for settled in _answers(self._model(job.model), job.requests, batch.stopping):
                    batch.settled.put(settled)
        except Exception as error:  # noqa: BLE001
            batch.settled.put(_failure(error))
        finally:
            # The end comes last in any case, or whoever asked would wait for good.
            batch.settled.put(None)


def _answers(
    model: Model, requests: Sequence[AnyRequest], stopping: Callable[[], bool]
) -> Iterator[tuple[int, Answer]]:
    if requests and isinstance(requests[0], ScoreRequest):
        assert isinstance(model, TextScorer)
        # For the type checker alone: a batch is of one kind.
        yield from model.score([each for each in requests if isinstance(each, ScoreRequest)], stopping)
    else:
        yield from model.generate([each for each in requests if isinstance(each, Request)], stopping)


def _waiting(settled: queue.SimpleQueue[T]) -> Iterator[T]:
    """All that is there, once there is something or patience ends."""
    try:
        yield settled.get(timeout=PATIENCE_S)
        while True:
            yield settled.get_nowait()
    except queue.Empty:
        return


def _facts(model: Model) -> Facts:
    return Facts(
        name=model.name,
        context=model.context if isinstance(model, Bounded) else None,
        local=model.local if isinstance(model, LocalAware) else None,
        generates=model.generates if isinstance(model, ScoresOnly) else None,
        alternatives=model.reports_alternatives() if isinstance(model, ReportsAlternatives) else None,
        scores=model.can_score() if isinstance(model, TextScorer) else None,
        counts=isinstance(model, Tokenizer),
        cuts=isinstance(model, Segmenter),
        inexact=isinstance(model, Inexact),
    )


def _failure(error: Exception) -> ModelFailure:
    # An error without a text leaves its name alone: `TimeoutError`, not `TimeoutError: `.
    said = str(error) if isinstance(error, PromptoptError) else f"{type(error).__name__}: {error}".removesuffix(": ")
    refused = "request" if isinstance(error, RequestRefused) else "engine"
    return ModelFailure(said, "setting" if isinstance(error, ConfigError) else refused)
