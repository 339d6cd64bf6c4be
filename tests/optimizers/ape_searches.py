"""Scripted proposers and searches for APE's tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.ape.method import APE, Filtering, Proposing
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Reply, Request, ScoreRequest, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."
SMALL = APE(propose=Proposing(candidates=12, samples=4), filter=Filtering(subset=6, finalists=2))


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def guessing(text: str) -> bool:
    return text.startswith("Someone was given")


def shown(text: str) -> list[str]:
    """The inputs of the pairs in a request."""
    return [line.removeprefix("question: ") for line in text.splitlines() if line.startswith("question: ")]


def author(request: Request) -> str:
    """Guesses with two words that may help; a variation has one word more."""
    text = text_of(request)
    draw = random.Random(f"{text}{request.seed}")
    head = "Answer" if guessing(text) else text.split('"""')[1].strip()
    return f"<prompt>{head} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def inventive(request: Request) -> str:
    """No two replies are alike."""
    text = text_of(request)
    head = "Guess" if guessing(text) else "Variation"
    return f"<prompt>{head} {digest([text, request.seed])}</prompt>"


def search(
    home: Path,
    optimizer: APE,
    *,
    proposer: Callable[[Request], str | Reply] | Scripted = inventive,
    model: Scripted | None = None,
    task: Task | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model,
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="author"),
        ),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )


def guesses(result: Result) -> list[str]:
    found = [each for each in result.candidates() if each.proposal.operator == "proposer"]
    return [each.prompt["instruction"] for each in found]


def asked_of(model: Scripted) -> dict[str, list[str]]:
    """The questions each instruction was asked, in order."""
    found: dict[str, list[str]] = {}
    for request in model.log:
        instruction, _, question = text_of(request).rpartition("\n\n")
        found.setdefault(instruction, []).append(question.removeprefix("Question: ").removesuffix("\nAnswer:"))
    return found
