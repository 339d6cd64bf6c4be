"""A small world for searches over phrases: chunks between bars, prompts whose worth is known, injected draws."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.neighbours import Editing
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.points import Scoring
from promptopt.outcome.result import Result
from promptopt.protocols import Optimizer
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, split_planted
from promptopt.types import Example, Request

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
PROMPT = "Read the review, and answer with one word."
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Bars:
    """Chunks are what stands between bars."""

    def spans(self, text: str, rng: random.Random) -> list[tuple[int, int]]:
        found, start = list[tuple[int, int]](), 0
        for piece in text.split("|"):
            if piece:
                found.append((start, start + len(piece)))
            start += len(piece) + 1
        return found


BARS = Editing(chunker=Bars())


class Drawn(random.Random):
    """Draws what it is told, and its last value from then on."""

    def __init__(self, *values: float) -> None:
        super().__init__(0)
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


@dataclass(frozen=True)
class Injected:
    """A method with some of its run's streams replaced, and the budget of its search set to the cell."""

    method: Any
    streams: Mapping[str, random.Random] = field(default_factory=dict[str, random.Random])
    evaluations: int | None = None

    def optimize(self, run: Run) -> None:
        run._streams.generators.update(self.streams)
        if self.evaluations is not None:
            run._door.account.limits = replace(run._door.account.limits, evaluations=self.evaluations)
        self.method.optimize(run)


def text_of(request: Any) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def phrase_of(request: Request) -> str:
    return text_of(request).split("\nThe phrase: ")[1].split("\n\nSay the phrase")[0]


def lengthen(request: Request) -> str:
    """A paraphraser that adds a word."""
    return json.dumps([f"{phrase_of(request)} {word}" for word in WORDS])


class PlumContract(OptimizerContract):
    """Replay, crashes and resuming, hash seeds, exact budgets, the sealed test, a planted gain."""

    budget = Budget(evaluations=400)
    sizes = (40, 333)

    def propose(self, request: Request) -> str:
        return lengthen(request)


SMALL: dict[str, Any] = {
    "edit": Editing(neighbours=4),
    "score": Scoring(examples=20),
    "stop": Stopping(iterations=4, patience=4),
}
"""Settings for the contract."""


def mute(_: Request) -> str:
    """A paraphraser that has nothing to say."""
    return "[]"


def quality(answer: str, example: Example) -> float:
    return float(answer)


def task_of(prompt: str, train: int = 4) -> Task:
    """A task whose metric is the number that the model says."""
    examples = [Example.of("-", question=f"question {number}") for number in range(train + 12)]
    return Task.from_examples(
        examples, prompt=prompt, metric=quality, answer="text", splits=Splits(train, 6, 6), name="world"
    )


def search(
    home: Path,
    method: Optimizer,
    prompt: str,
    worth: Callable[[str], float],
    *,
    proposer: Callable[[Request], str] | Scripted = mute,
    model: Scripted | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
) -> Result:
    """A search in which every example of a prompt is worth `worth(prompt)`, in [0, 1]."""
    answers = Scripted(lambda request: repr(worth(split_planted(request)[0])), name="world")
    return optimize(
        task_of(prompt) if task is None else task,
        method,
        model=Models(
            answers if model is None else model,
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="paraphraser"),
        ),
        budget=budget,
        store=home / "store.db",
    )


def within_run(home: Path, prompt: str, function: Callable[[Run], _Found], **options: Any) -> _Found:
    """What `function` makes of a run of the world."""

    @dataclass(frozen=True)
    class Calls:
        def optimize(self, run: Run) -> None:
            run.evaluate([run.initial], run.train)
            found.append(function(run))

    found: list[_Found] = []
    search(home, Calls(), prompt, lambda _: 0.5, **options)
    return found[0]


def section(prompt: Any) -> str:
    return prompt["instruction"]


def pool_texts(result: Result, step: int) -> list[str]:
    return [section(estimate.prompt) for estimate in result.steps[step].pool]


def kept_texts(result: Result, step: int) -> list[str]:
    return [section(prompt) for prompt in result.steps[step].kept]


def table(worths: Mapping[str, float], other: float) -> Callable[[str], float]:
    return lambda text: worths.get(text, other)


def operators(result: Result) -> Sequence[str]:
    return [candidate.proposal.operator for candidate in result.candidates()[1:]]
