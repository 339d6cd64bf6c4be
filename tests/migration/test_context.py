"""Models whose contexts leave out different examples are held against each other on those that both can take."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.evaluators.loss import Loss
from promptopt.migration import migrate
from promptopt.models.scripted import Scripted
from promptopt.tasks.task import Task
from promptopt.types import Content, Example


class OfWords(Scripted):
    """Its context holds 200 words."""

    context = 200


class OfLetters(Scripted):
    """Its context holds 1,000 letters."""

    context = 1_000

    def count_tokens(self, text: str) -> int:
        return len(text)


def likely(_: Content, continuation: str) -> list[float]:
    return [-0.1] * (len(continuation.split()) + 1)


def texts(count: int) -> list[Example]:
    """Every tenth has too many words for the one, and every tenth too many letters for the other."""
    of = {3: "a " * 300, 7: "b" * 900}
    return [Example.of("yes", text=f"number {at} {of.get(at % 10, '')}") for at in range(count)]


@pytest.mark.slow
def test_models_that_can_take_different_examples_are_compared_on_those_that_both_have_answered(tmp_path: Path) -> None:
    task = Task.from_examples(
        texts(200), prompt="Is it?\n\n{text}", metric="exact", answer="text",
    )  # fmt: skip
    old, new = (
        kind(lambda _: "yes", name=name, scores=likely) for kind, name in ((OfWords, "old"), (OfLetters, "new"))
    )
    moved = migrate(task, [new], model=old, evaluator=Loss.for_task(task), margin=0.9, store=tmp_path / "s.db")
    (target,) = moved.targets
    answered = len(moved.reference.examples)
    assert target.old.gain.n == target.old.agreement.n < answered < len(task.test)
