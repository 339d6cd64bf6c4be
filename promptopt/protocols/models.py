"""Models, and what they may also be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Literal, Protocol, runtime_checkable

from promptopt.types import Likelihoods, Reply, Request, ScoreRequest

Role = Literal[
    "task", "task_2", "task_3", "task_4", "task_5", "proposer", "judge", "judge_2", "judge_3", "judge_4", "judge_5",
    "check_judge", "user", "teacher",
]  # fmt: skip
"""The task model answers, and so do up to four others, where one prompt is for several. The proposer writes prompts,
the judge scores; a panel has up to five judges. The check judge scores in place of the judge once the search has ended;
the user plays users; the teacher's replies become demonstrations."""

ANSWERING: tuple[Role, ...] = ("task", "task_2", "task_3", "task_4", "task_5")
"""The models that answer, in the order they are named."""

JUDGES: tuple[Role, ...] = ("judge", "judge_2", "judge_3", "judge_4", "judge_5")
"""The judges of a panel, in the order they are named."""


@runtime_checkable
class Model(Protocol):
    """A language model: requests in, replies out as they settle.

    `generate` is called by the run, with the requests whose replies the store does not hold.
    """

    @property
    def name(self) -> str:
        """The served snapshot; part of every key."""
        ...

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)` for every request, in any order, each as soon as it is known.

        Once `stopping()` is true no further request is begun; those in flight are still yielded, then it ends.
        Raises BackendError, after yielding what could be had, when requests failed beyond their retries.
        """
        ...


@runtime_checkable
class TextScorer(Protocol):
    """A model that can also give the log-likelihood of a given text.

    Asked by the run, for evaluators of given texts.
    """

    @property
    def name(self) -> str:
        """The served snapshot; part of every key."""
        ...

    def can_score(self) -> bool:
        """Whether this engine can; a server may be asked, once."""
        ...

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """Yield `(index, likelihoods)`, under the laws of `Model.generate`.

        Raises ConfigError, before anything is asked, where `can_score()` is false.
        """
        ...


@runtime_checkable
class ScoresOnly(Protocol):
    """A model that may be unable to generate (a masked language model).

    Asked when the run is bound, where the verdict needs replies.
    """

    @property
    def generates(self) -> bool:
        """Whether `generate` works."""
        ...


@runtime_checkable
class ReportsAlternatives(Protocol):
    """A model that reports the likeliest alternatives of each token that it generates, at no price worth naming.

    Asked by the evaluator `generation` when the run is bound, which then learns how probable the right label was.
    """

    def reports_alternatives(self) -> bool:
        """Whether this engine does."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A model whose context is known beforehand.

    Asked together with `Tokenizer`, when the run is bound: what cannot fit is said before anything is paid.
    """

    @property
    def context(self) -> int:
        """Tokens that the content and what follows it can have together."""
        ...


@runtime_checkable
class Tokenizer(Protocol):
    """A model that can count its own tokens without a call that costs anything.

    Asked by the run wherever a text has a length in tokens; an estimate stands in for models that cannot.
    """

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """A model that can cut a text into its own tokens without a call that costs anything.

    Asked by the run, for methods that edit tokens; words stand in for them elsewhere.
    """

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as strings, none empty, which joined give the text back.

        Tokens that hold a part of a character are one piece with their neighbours, until they hold all of it.
        """
        ...


@runtime_checkable
class Inexact(Protocol):
    """A model that may trade exactness for speed: its replies can depend on what else it is asked.

    Asked once the search has ended: the final choice and the test are by `exact()`.
    """

    def exact(self) -> Model:
        """The same model, answering each request alike in any company; itself, where it already does."""
        ...

    def flips(self, requests: Sequence[Request]) -> tuple[int, int]:
        """How many of `requests` it answers otherwise than `exact()` does, and how many were asked."""
        ...


@runtime_checkable
class LosesTries(Protocol):
    """A model behind a server that may count a try which brought no whole reply, as one that came too late.

    Asked by the run, before it asks the model and at its end: what no ledger can hold is said.
    """

    @property
    def tries_lost(self) -> int:
        """How many such tries there were so far."""
        ...


@runtime_checkable
class TimesReplies(Protocol):
    """A model behind a server that knows how long it waited for each reply.

    Asked by an evaluation, before and after: what a prompt takes on one model and on another.
    """

    @property
    def seconds(self) -> Sequence[float]:
        """From sending a request, the last time that it was, to its whole reply; in the order in which these came."""
        ...


@runtime_checkable
class Leaving(Protocol):
    """A model whose server may say until when it is served.

    Asked by a migration: what is to be kept of the old model is kept while it answers.
    """

    def announced_end(self) -> date | None:
        """The day on which it ends; None where none is announced, or it cannot be asked."""
        ...


@runtime_checkable
class LocalAware(Protocol):
    """A model that knows whether it runs on this machine, where tokens cost nothing.

    Asked when the run is bound, for the price of a call.
    """

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        ...
