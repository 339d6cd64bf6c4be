"""Planted tasks: what a prompt is worth is known, so that a search can be held against the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

from promptopt.models.scripted import Scripted
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request, flat

Accuracy = Callable[[str], float]
"""The true accuracy of an instruction, in [0, 1]."""


def planted_task(
    *, train: int = 60, dev: int = 40, test: int = 60, seed: int = 0, instruction: str = "Answer the question."
) -> Task:
    """A task whose examples are numbered questions, all answered "yes"; equal arguments give the same object."""
    return _planted(train, dev, test, seed, instruction)


@cache
def _planted(train: int, dev: int, test: int, seed: int, instruction: str) -> Task:
    examples = [Example.of("yes", question=f"question {number} of {seed}") for number in range(train + dev + test)]
    return Task.from_examples(
        examples, prompt=instruction, name="planted", metric="exact", splits=Splits(train, dev, test, seed=seed)
    )


def planted_model(accuracy: Accuracy, *, common: float = 0.7, name: str = "planted") -> Scripted:
    """Answers "yes" with exactly the accuracy that the instruction has in truth.

    `common`: the share of questions whose difficulty is the same for every instruction; the outcome of the others is
    drawn anew for each instruction. 1 makes all comparisons paired, 0 makes them independent.
    """

    def answer(request: Request) -> str:
        instruction, question = split_planted(request)
        # The draws depend on names alone: any batch, order or process gives the same answers.
        shared = uniform("shared", question) < common
        draw = uniform("difficulty", question) if shared else uniform("difficulty", question, instruction)
        return "yes" if draw < accuracy(instruction) else "no"

    return Scripted(answer, name=name)


def split_planted(request: Request) -> tuple[str, str]:
    """(instruction, question) of a request that a planted task rendered."""
    instruction, _, question = flat(request.content, "\n\n").rpartition("\n\n")
    return instruction, question


def uniform(*parts: str) -> float:
    """A number in [0, 1) that only depends on `parts`."""
    # By a digest and not by `hash`, which differs from process to process.
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big") / 2**64


def feature_accuracy(words: Sequence[str], *, base: float = 0.5, each: float = 0.1) -> Accuracy:
    """`base`, and `each` more for every one of `words` in the instruction."""

    def accuracy(instruction: str) -> float:
        return min(1.0, base + each * sum(word in instruction for word in words))

    return accuracy
