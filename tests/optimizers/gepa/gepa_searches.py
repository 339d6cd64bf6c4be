"""Scripted searches for GEPA's tests: everything that is asked, in one journal."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.gepa.method import GEPA
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import planted_task, split_planted
from promptopt.types import Reply, Request

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def author(request: Request) -> str:
    """Appends a word, by the request and its draw."""
    text = text_of(request)
    return f"<prompt>{section_of(text)} {random.Random(f'{text}{request.seed}').choice(WORDS)}</prompt>"


@dataclass
class Searched:
    """A run that ended, and what was asked on the way."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    """("ask", the request) of the reflector, and (instruction, question) of the task model, in order."""
    runs: list[Run] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    @property
    def result(self) -> Result:
        return self.results[0]

    @property
    def requests(self) -> list[str]:
        return [text for who, text in self.asked if who == "ask"]

    def between(self, first: int, second: int) -> list[tuple[str, str]]:
        """What the task model was asked between two calls of the reflector, counted from 0; -1: from the beginning."""
        places = [-1, *(place for place, (who, _) in enumerate(self.asked) if who == "ask")]
        return self.asked[places[first + 1] + 1 : places[second + 1]]

    def scored(self) -> list[tuple[str, str]]:
        """All (instruction, question) of the search: the final choice and the test are left out."""
        search = self.result.steps[-1].spent
        return [each for each in self.asked if each[0] != "ask"][: search.evaluations]


def search(
    home: Path,
    method: GEPA,
    right: Callable[[str, str], bool],
    write: Callable[[Request], str | Reply] = author,
    *,
    task: Task | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Searched:
    """`right`: whether an instruction gets a question right. The run comes back with its journal."""
    found = Searched()

    def answer(request: Request) -> str:
        instruction, read = split_planted(request)
        question = read.removeprefix("Question: ").removesuffix("\nAnswer:")
        found.asked.append((instruction, question))
        return "yes" if right(instruction, question) else "no"

    def reflect(request: Request) -> str | Reply:
        found.asked.append(("ask", text_of(request)))
        return write(request)

    result = optimize(
        planted_task() if task is None else task,
        method,
        model=Models(Scripted(answer, name="target"), proposer=Scripted(reflect, name="reflector")),
        budget=budget,
        seed=seed,
        store=home / "store.db",
        session=Session(watch=found.runs.append),
    )
    found.results.append(result)
    return found


def numbered(write: Callable[[int, str], str]) -> Callable[[Request], str]:
    """A reflector that is told the number of the call, from 0, and the text it is to rewrite."""
    calls = iter(range(10**6))
    return lambda request: f"<prompt>{write(next(calls), section_of(text_of(request)))}</prompt>"


def never(instruction: str, question: str) -> bool:
    """Nothing is ever right."""
    return False
