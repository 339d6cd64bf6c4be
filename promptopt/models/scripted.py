"""A scripted model for tests and benchmarks: a function or a queue answers, after a delay, until it fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from promptopt.errors import BackendError, ConfigError
from promptopt.models.stopping import until_stopped
from promptopt.text import counted, words
from promptopt.types import Content, Likelihoods, Reply, Request, ScoreRequest, TokenLogProbs, flat

Answer = Callable[[Request], str | Reply]


class Scripted:
    """`protocols.Model` and `TextScorer` over a function of the request, or a list of replies given in order.

    `calls` counts the requests it was asked, `log` keeps them. `latency_s`, `fail_at` and `kill_at` may be set later.
    """

    def __init__(
        self,
        answers: Answer | Sequence[str | Reply],
        *,
        name: str = "scripted",
        latency_s: float = 0.0,
        fail_at: int | None = None,
        kill_at: int | None = None,
        error: BaseException | None = None,
        scores: Callable[[Content, str], Sequence[float]] | None = None,
    ) -> None:
        """`fail_at`: the call (counted from 1) that raises `error` (a BackendError where none is given).

        `kill_at`: the call at which the whole process ends at once, as by kill -9. `scores` gives the log-probs
        of a continuation after a content, one value a token; a token is a word here, and where the end of the reply is
        scored too, one more.
        """
        self.name = name
        self.calls = 0
        self.log: list[Request | ScoreRequest] = []
        self._answers = answers
        self.latency_s = latency_s
        self.fail_at = fail_at
        self.kill_at = kill_at
        self._scores = scores
        self._error = BackendError("the scripted model failed, as it was told to") if error is None else error

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Answer in order."""
        for index, request in until_stopped(requests, stopping):
            self._count(request)
            if not callable(self._answers) and self.calls > len(self._answers):
                raise ConfigError(
                    f"the scripted model has {counted(len(self._answers), 'reply', 'replies')}, and was asked for "
                    f"another; give it more, or a function of the request"
                )
            answer = self._answers(request) if callable(self._answers) else self._answers[self.calls - 1]
            if not isinstance(answer, str | Reply):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigError(f"the scripted model answered {answer!r}; give a text or a Reply")
            yield index, answer if isinstance(answer, Reply) else self._reply(request, answer)

    def can_score(self) -> bool:
        """Whether it was given `scores`."""
        return self._scores is not None

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """Score in order."""
        if self._scores is None:
            raise ConfigError("this scripted model has no scores; give it some")
        for index, request in until_stopped(requests, stopping):
            self._count(request)
            scored: list[TokenLogProbs] = []
            for text in request.continuations:
                logprobs = tuple(self._scores(request.content, text))
                scored.append(TokenLogProbs((*text.split(), "<end>")[: len(logprobs)], logprobs))
            tokens = self.count_tokens(flat(request.content, " ")) + sum(len(each.tokens) for each in scored)
            yield index, Likelihoods(tuple(scored), tokens, served=self.name)

    def count_tokens(self, text: str) -> int:
        """Words: a token is a word here."""
        return len(text.split())

    def pieces(self, text: str) -> list[str]:
        """Words: a token is a word here."""
        return words(text)

    def _count(self, request: Request | ScoreRequest) -> None:
        self.calls += 1
        if self.kill_at == self.calls:
            # No handler and no `finally` runs: what a kill -9 leaves is what a test wants to see. 137 is what a shell
            # says of it.
            os._exit(137)
        if self.fail_at == self.calls:
            raise self._error
        self.log.append(request)
        if self.latency_s:
            time.sleep(self.latency_s)

    def _reply(self, request: Request, text: str) -> Reply:
        return Reply(
            text, "stop", self.count_tokens(flat(request.content, " ")), self.count_tokens(text), served=self.name
        )
