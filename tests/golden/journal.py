"""One run of a scripted search, and the lines that every journal has: what was asked, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator, Optimizer
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Content, Prompt, Proposal, Request


@dataclass(frozen=True)
class Played:
    """A run that ended. `names`: what the journal calls each candidate."""

    result: Result
    model: Scripted
    proposer: Scripted
    names: Mapping[Prompt, str]

    def named(self, prompts: Sequence[Prompt], joint: str = " | ") -> str:
        """The names of prompts, in a row."""
        return joint.join(self.names[prompt] for prompt in prompts)


def instruction(prompt: Prompt) -> str:
    """A candidate by its instruction, in one line."""
    return " / ".join(prompt["instruction"].split("\n"))


def play(
    home: Path,
    optimizer: Optimizer,
    model: Scripted,
    propose: Callable[[Request], str] | None = None,
    *,
    task: Task | None = None,
    name: Callable[[Prompt], str] = instruction,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
) -> Played:
    """Search the planted task, or another, in a store of its own; `evaluator` is what the verdict is by too."""
    proposer = model if propose is None else Scripted(propose, name="proposer")
    result = optimize(
        planted_task() if task is None else task,
        optimizer,
        model=Models(model, proposer=proposer),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )
    return Played(result, model, proposer, {each.prompt: name(each.prompt) for each in result.candidates()})


def numbered(played: Played, form: str = "d") -> Played:
    """The same run, its candidates called by their number instead."""
    names = {each.prompt: format(number, form) for number, each in enumerate(played.result.candidates())}
    return Played(played.result, played.model, played.proposer, names)


def text_of(content: Content) -> str:
    """All that a model reads."""
    return content if isinstance(content, str) else "\n\n".join(message.content for message in content)


def mark(text: str, length: int = 12) -> str:
    """A text in a few hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def asks(played: Played, most: int | None = None) -> list[str]:
    """One line a call of the proposer: its mark, and how it begins."""
    texts = [text_of(request.content) for request in played.proposer.log]
    return [f"ask {mark(text)} {text.splitlines()[0][:most]}" for text in texts]


def rounds(played: Played, noun: str) -> list[str]:
    """One line a round: every mean, and of how many examples it is."""
    lines: list[str] = []
    for step in played.result.steps:
        pool, kept = ", ".join(f"{each.mean:.3f} of {each.count}" for each in step.pool), played.named(step.kept)
        lines.append(f"{noun} {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    return lines


def made(played: Played) -> list[tuple[str, Proposal]]:
    """Every candidate by its name, with its lineage, in the order it came up."""
    return [(played.names[each.prompt], each.proposal) for each in played.result.candidates()]


def candidates(played: Played) -> list[str]:
    """One line a candidate: how it was made, and why."""
    return [f"{proposal.operator}: {prompt} [{proposal.note}]" for prompt, proposal in made(played)]


def ending(played: Played, *between: str) -> list[str]:
    """What the task model was asked in all, what stands `between`, and the verdict."""
    asked = "\n".join(str(request.content) for request in played.model.log)
    return [
        f"task model: {played.model.calls} calls, {mark(asked)}",
        *between,
        f"end: {played.result.verdict}, {played.names[played.result.best.prompt]}",
    ]
