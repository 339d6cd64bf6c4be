"""Scripted proposers, tasks and models for OPRO's tests."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import OPRO
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Request, ScoreRequest

START = "Answer with 0.50."
WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def history(meta: str) -> list[tuple[str, int]]:
    """The instructions that a request shows, with their scores, in order."""
    return [(text, int(score)) for text, score in re.findall(r"text:\n(.*?)\nscore:\n(-?\d+)\n", meta, re.DOTALL)]


def exemplars(meta: str) -> list[str]:
    """The examples that a request shows, in order."""
    return re.findall(r"input:\n.*?output:\n[^\n]*", meta, re.DOTALL)


def metas(proposer: Scripted, breadth: int) -> list[str]:
    """The request of every step."""
    found = [text_of(request) for request in proposer.log]
    steps = [found[begin : begin + breadth] for begin in range(0, len(found), breadth)]
    assert all(len(step) == breadth and len(dict.fromkeys(step)) == 1 for step in steps)
    return [step[0] for step in steps]


def tagged(*texts: str) -> Scripted:
    """A proposer that writes these, one after the other, over and over."""
    endless = itertools.cycle(texts)
    return Scripted(lambda _: f"<instruction>{next(endless)}</instruction>", name="scripted")


def numbered(*qualities: float) -> Scripted:
    """A proposer whose k-th instruction has the k-th quality, over and over, and says its number."""
    count, endless = itertools.count(1), itertools.cycle(qualities)
    return Scripted(
        lambda _: f"<instruction>Number {next(count)} with {next(endless):.2f}.</instruction>", name="numbered"
    )


def quality(answer: str, example: Example) -> float:
    return float(answer)


def graded_task(train: int = 30, prompt: str | Prompt = START, layout: Layout | None = None) -> Task:
    """A task where an answer is its own score."""
    examples = [Example.of("1", question=f"question {number}?") for number in range(train + 40)]
    return Task.from_examples(
        examples, prompt=prompt, metric=quality, answer="text", name="graded", layout=layout,
        splits=Splits(train, 20, 20),
    )  # fmt: skip


def obey(request: Request) -> str:
    """A task model whose answers are as good as the instruction says."""
    return re.findall(r"[Ww]ith (\d\.\d+)", text_of(request))[-1]


def search(
    home: Path,
    optimizer: OPRO,
    proposer: Scripted,
    *,
    task: Task | None = None,
    model: Scripted | None = None,
    budget: Budget | None = None,
) -> Result:
    return optimize(
        graded_task() if task is None else task,
        optimizer,
        model=Models(Scripted(obey, name="obedient") if model is None else model, proposer=proposer),
        budget=budget,
        store=home / "store.db",
    )
