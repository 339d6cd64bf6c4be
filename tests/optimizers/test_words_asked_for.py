"""How many words a proposer is told that a text may have: two thirds of the tokens, and one at least."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request

LONGEST = {"optoprime": "longest", "textgrad": "longest", "tpe": "propose.longest"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGEST)
@pytest.mark.parametrize(
    ("start", "longest", "words"),
    [
        # A start that is longer than it may be may grow by a quarter: 30 tokens by 5 // 4 and 2 // 3, and one by both.
        ("Answer it.", 30, 20),
        (f"Answer{' it' * 29}.", 9, 24),
        ("Answer.", 1, 1),
    ],
)
def test_two_thirds_of_the_tokens_are_asked_for_as_words(
    tmp_path: Path, name: str, start: str, longest: int, words: int
) -> None:
    asked: list[str] = []

    def reply(request: Request) -> str:
        asked.append(str(request.content))
        return "<feedback>It is wrong.</feedback>" if "feedback>" in asked[-1] else "???"

    examples = [Example.of("yes", question=f"question {number} of 0") for number in range(40)]
    optimize(
        Task.from_examples(examples, prompt=start, metric="exact", answer="text", splits=Splits(20, 10, 10)),
        build_optimizer(name, {LONGEST[name]: str(longest)}),
        model=Models(Scripted(lambda _: "no"), proposer=Scripted(reply, name="proposer")),
        budget=Budget(evaluations=150),
        store=tmp_path / "store.db",
    )
    told = {int(found) for text in asked for found in re.findall(r"in at most (\d+) words", text)}
    assert told == {words}
