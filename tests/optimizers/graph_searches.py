"""Searches by methods that go by a program's graph, with a scripted proposer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Optimizer
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import planted_task, split_planted
from promptopt.types import Reply, Request, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
BEGIN = "Answer the question."


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def search(
    home: Path,
    method: Optimizer,
    write: Callable[[Request], str | Reply],
    right: Callable[[str, str], bool] = lambda *_: False,
    *,
    task: Task | None = None,
    evaluator: Any = None,
    budget: Budget | None = None,
) -> tuple[Result, list[Request]]:
    """What came of it, and every request of the proposer. `right`: what the target says of (instruction, question)."""

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
