"""A small world for pruning: words whose worth is known, evaluators that ask no model, tasks with labels."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring
from promptopt.optimizers.promptquine.reranking import Reranking
from promptopt.outcome.result import Result
from promptopt.protocols import Ask
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, uniform
from promptopt.types import Cell, Content, Example, Reply, Request, Score, Token

LENGTH = 40


FLAT = Layout("text", text="{instruction}{question}", demo="{question} {target}; ")


Worth = Callable[[str, Example], float]


@dataclass(frozen=True)
class Scored:
    """Worth what a function says of prompt and example; asks no model. `batches`: what it was given at a time."""

    worth: Worth
    batches: list[list[Cell]]
    calls_per_cell = 1

    def score(self, cells: Sequence[Cell], _: Ask) -> list[Score]:
        self.batches.append(list(cells))
        return [Score(self.worth(cell.prompt["instruction"], cell.example)) for cell in cells]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "scripted"}


def numbered(length: int) -> str:
    return " ".join(f"w{number:02}" for number in range(length))


def word_task(length: int = LENGTH, *, examples: int = 4, layout: Layout = FLAT, text: str | None = None) -> Task:
    rows = [Example.of("yes", question=f"question {number}") for number in range(examples + 20)]
    prompt = numbered(length) if text is None else text
    return Task.from_examples(
        rows, prompt=prompt, name="words", metric="exact", splits=Splits(examples, 10, 10), layout=layout
    )


def search(
    home: Path,
    optimizer: PromptQuine,
    worth: Worth,
    *,
    task: Task | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    batches: list[list[Cell]] | None = None,
) -> Result:
    return optimize(
        word_task() if task is None else task,
        optimizer,
        model=Scripted([]),
        evaluator=Scored(worth, [] if batches is None else batches),
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


def by_text(text: str, _: Example) -> float:
    """Another number for every text."""
    return uniform(text)


def agreeing(keep: frozenset[int], length: int = LENGTH) -> Worth:
    """The share of words that are kept and dropped as a hidden mask has it."""

    def worth(text: str, _: Example) -> float:
        found = {int(number) for number in re.findall(r"w(\d\d)", text)}
        return sum((number in found) == (number in keep) for number in range(length)) / length

    return worth


def texts(estimates: Sequence[Any]) -> list[str]:
    return [estimate.prompt["instruction"] for estimate in estimates]


def zero_shot(**changes: Any) -> PromptQuine:
    evolve = {"population": 30, "offspring": 50, "shortest": 10.0, **changes.pop("evolve", {})}
    score = Scoring(most=1)
    return PromptQuine(**{"shots": 0, "evolve": Evolution(**evolve), "score": score, **changes})


GENERATIONAL = zero_shot(variant="generational", evolve={"halving": False})


STEADY = zero_shot(variant="steady-state")


def generations(result: Result) -> list[Any]:
    """The steps between the first, which is the prompt itself, and the last, which is the re-ranking."""
    return list(result.steps[1:-1])


class Pruned(OptimizerContract):
    sizes = (170, 333)
    words = ("Answer", "the", "nothing")
    base = 0.9
    each = -0.2
    budget = Budget(evaluations=900)

    def propose(self, request: Request) -> str:
        raise AssertionError("pruning asks no proposer")

    def task_model(self) -> Scripted:
        def answer(request: Request) -> str:
            text = str(request.content)
            question = re.findall(r"question \d+ of", text)[-1]
            accuracy = self.base + self.each * sum(word in text for word in self.words)
            return "yes" if uniform(question, "difficulty") < accuracy else "no"

        return Scripted(answer, name="planted")


SMALL = PromptQuine(
    evolve=Evolution(population=4, offspring=6, shortest=6),
    score=Scoring(most=8),
    rerank=Reranking(examples=12, most=3),
)


class Generational(Pruned):
    """With halving, which is on for a task without labels."""

    optimizer = replace(SMALL, variant="generational", begin="pruned", gene="word")


SENTIMENT = ("terrible", "great")


def labelled_task(count: int = 60) -> Task:
    rows = [Example.of(SENTIMENT[number % 2], text=f"film {number}") for number in range(count + 40)]
    return Task.from_examples(
        rows, prompt="Judge the film.", labels=SENTIMENT, name="films", splits=Splits(count, 20, 20)
    )


def label_model(share: Callable[[str, str], float], **settings: Any) -> Scripted:
    """`share` gives the probability of "great" for what is read and the film's number."""

    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        great = share(read, re.findall(r"film (\d+)", read)[-1])
        return [math.log(great if "great" in text else 1.0 - great)]

    def answer(request: Request) -> Reply:
        read = request.content if isinstance(request.content, str) else request.content[0].content
        great = share(read, re.findall(r"film (\d+)", read)[-1])
        top = (("great", math.log(great)), ("terrible", math.log(1 - great)))
        text = "great" if great >= 0.5 else "terrible"
        return Reply(text, tokens=(Token(text, 0.0, top),), served="labels")

    return Scripted(answer, name="labels", scores=scores, **settings)
