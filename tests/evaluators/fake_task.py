"""A task and a model that say exactly what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptopt.models.scripted import Scripted
from promptopt.protocols import Metric, Reader, Role
from promptopt.types import Content, Example, Likelihoods, Message, Prompt, Reply, Request, Sampling, ScoreRequest


@dataclass
class FakeTask:
    name: str = "fake"
    description: str = "a task of tests"
    initial: Prompt = field(default_factory=lambda: Prompt.of("Answer."))
    editable: str = "instruction"
    labels: tuple[str, ...] = ()
    metric: str | Metric = "exact"
    answer: str | Reader = "text"
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=8))
    train: tuple[Example, ...] = ()
    dev: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()
    chat: bool = False

    def render(self, prompt: Prompt, example: Example) -> tuple[Content, int]:
        if self.chat:
            messages = (Message("system", prompt["instruction"]), Message("user", example["text"]))
            return tuple(message for message in messages if message.content), len(prompt["instruction"])
        return f"{prompt['instruction']} {example['text']}", len(prompt["instruction"])

    def broken_by(self, prompt: Prompt, count_tokens: Callable[[str], int]) -> str | None:
        return None

    def fingerprint(self) -> Mapping[str, Any]:
        return {}


class FakeAsk:
    """Answers every request with `reply`, or with what `reply` makes of it; remembers what was asked.

    `scores`: the log-probs of a continuation after a content, one a token (a word); None: the model has none.
    """

    def __init__(
        self,
        reply: Reply | str | Callable[[Request], Reply | str] = "",
        scores: Callable[[Content, str], Sequence[float]] | None = None,
    ) -> None:
        self.reply, self.scores = reply, scores
        self.asked: list[tuple[Request, Role, int]] = []
        self.scored: list[ScoreRequest] = []
        self.warned: list[str] = []

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        self.asked += [(request, role, repetition) for request in requests]
        replies = [self.reply(request) if callable(self.reply) else self.reply for request in requests]
        return [Reply(reply) if isinstance(reply, str) else reply for reply in replies]

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        self.scored += requests
        return [found for _, found in Scripted("", scores=self.scores).score(requests)]

    def can_score(self, role: Role = "task") -> bool:
        return self.scores is not None

    def warn(self, message: str) -> None:
        self.warned.append(message)


def words(**logprobs: Sequence[float] | float) -> Callable[[Content, str], Sequence[float]]:
    """Scores of a continuation by its text alone, whatever was read; "_" stands for a space in the names."""
    table = {name.replace("_", " "): value for name, value in logprobs.items()}

    def scores(content: Content, text: str) -> Sequence[float]:
        found = table[text.strip()]
        return [found] if isinstance(found, float) else found

    return scores
