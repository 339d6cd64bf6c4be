"""Scripted proposers, tasks and models for CAPO's tests."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.capo.method import CAPO, Breeding, Demonstrations
from promptopt.optimizers.capo.track import Race
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator, Optimizer
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Prompt, Reply, Request, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
SMALL = CAPO(population=3, iterations=3, breed=Breeding(crossovers=2), race=Race(block=8, blocks=4))
NO_DEMOS = Demonstrations(most=0)


def said(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def crossing(text: str) -> bool:
    return text.startswith("Merge two prompts")


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def author(request: Request) -> str:
    """A proposer that keeps its contract: it adds two words to the first prompt it is shown."""
    text = said(request.content)
    draw = random.Random(f"{text}{request.seed}")
    return f"<prompt>{section_of(text)} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def inventive(request: Request) -> str:
    """As `author`, but no two replies are alike."""
    text = said(request.content)
    return f"<prompt>Answer. {digest([text, request.seed])}</prompt>"


def echo(request: Request) -> str:
    return f"<prompt>{section_of(said(request.content))}</prompt>"


def number_task(train: int = 60) -> Task:
    """Numbered questions, each answered by its number; the layout shows demonstrations."""
    examples = [Example.of(str(number), question=f"Which is number {number}?") for number in range(train + 40)]
    return Task.from_examples(examples, prompt="Say the number.", name="numbers", splits=Splits(train, 20, 20))


def asked_number(content: Content) -> int:
    return int(re.findall(r"number (\d+)\?", said(content))[-1])


def counting(request: Request) -> str:
    """Right on even numbers, with a reason; wrong on odd ones."""
    number = asked_number(request.content)
    return f"I count, so it is {number if number % 2 == 0 else number + 1}"


def right(request: Request) -> str:
    return str(asked_number(request.content))


def search(
    home: Path,
    optimizer: Optimizer,
    task: Task | None = None,
    *,
    model: Callable[[Request], str] | Scripted = right,
    proposer: Callable[[Request], str | Reply] | Scripted = inventive,
    budget: Budget | None = None,
    evaluator: Evaluator | None = None,
    watch: Callable[[Run], None] | None = None,
) -> Result:
    return optimize(
        number_task() if task is None else task,
        optimizer,
        model=Models(
            model if isinstance(model, Scripted) else Scripted(model, name="task model"),
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="author"),
        ),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
        session=Session(watch=watch),
    )


def children(result: Result) -> list[Prompt]:
    return [each.prompt for each in result.candidates() if each.proposal.operator == "crossover"]


def lossy(content: Content, text: str) -> list[float]:
    read = said(content)
    if "twice" in read:
        return [-math.inf] * (len(text.split()) + 1)
    return [-2.0 + 0.5 * ("exactly" in read)] * (len(text.split()) + 1)
