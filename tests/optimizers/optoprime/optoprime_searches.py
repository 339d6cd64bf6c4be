"""Searches by OptoPrime with a scripted proposer, and replies in its form."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.optoprime.method import OptoPrime
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import planted_task, split_planted
from promptopt.types import Reply, Request, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
BEGIN = "Answer the question."
ONE = OptoPrime(rounds=1, minibatch=3)


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def named(value: str, name: str = "instruction") -> str:
    return f"It lacks a word.\n<name>{name}</name>\n<value>\n{value}\n</value>"


def author(request: Request) -> str:
    text = text_of(request)
    return named(f"{section_of(text)} {random.Random(f'{text}{request.seed}').choice(WORDS)}")


def search(
    home: Path,
    method: OptoPrime,
    write: Callable[[Request], str | Reply],
    right: Callable[[str, str], bool] = lambda *_: False,
    *,
    task: Task | None = None,
    evaluator: Any = None,
    budget: Budget | None = None,
) -> tuple[Result, list[Request]]:
    """And every request of the proposer."""

    def answer(request: Request) -> str:
        if evaluator is not None:
            return f"said {digest(text_of(request))[:8]}"
        instruction, read = split_planted(request)
        return "yes" if right(instruction, read.removeprefix("Question: ").removesuffix("\nAnswer:")) else "no"

    proposer = Scripted(write, name="proposer")
    result = optimize(
        planted_task() if task is None else task,
        method,
        model=Models(Scripted(answer, name="target"), proposer=proposer),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )
    return result, [request for request in proposer.log if isinstance(request, Request)]
