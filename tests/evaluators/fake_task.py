"""A task and a model that say exactly what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptopt.protocols import Metric, Reader, Role
from promptopt.types import Content, Example, Prompt, Reply, Request, Sampling, ScoreRequest, TokenLogProbs


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

    def render(self, prompt: Prompt, example: Example) -> tuple[Content, int]:
        return f"{prompt['instruction']} {example['text']}", len(prompt["instruction"])

    def broken_by(self, prompt: Prompt, count_tokens: Callable[[str], int]) -> str | None:
        return None

    def fingerprint(self) -> Mapping[str, Any]:
        return {}


class FakeAsk:
    """Answers every request with `reply`, or with what `reply` makes of it; remembers what was asked."""

    def __init__(self, reply: Reply | str | Callable[[Request], Reply | str]) -> None:
        self.reply = reply
        self.asked: list[tuple[Request, Role, int]] = []

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        self.asked += [(request, role, repetition) for request in requests]
        replies = [self.reply(request) if callable(self.reply) else self.reply for request in requests]
        return [Reply(reply) if isinstance(reply, str) else reply for reply in replies]

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[TokenLogProbs]:
        raise AssertionError("nothing here scores texts")
