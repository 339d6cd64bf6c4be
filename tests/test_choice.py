"""The final choice between prompts of which as much is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import planted_model, planted_task
from promptopt.types import Proposal


@dataclass(frozen=True, slots=True)
class Given:
    """Scores the texts on all training examples, and ranks them as they come."""

    texts: tuple[str, ...]

    def optimize(self, run: Run) -> None:
        start = run.initial
        pool = run.admit([Proposal(start.replace("instruction", text), (start,)) for text in self.texts])
        run.evaluate([start, *pool], run.train)
        run.rank_by(run.train, pool)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, Budget(evaluations=900)])
def test_of_equal_prompts_the_shorter_wins_wherever_it_stands(tmp_path: Path, budget: Budget | None) -> None:
    for number, texts in enumerate((("Say so at great length.", "Say so."), ("Say so.", "Say so at great length."))):
        result = optimize(
            planted_task(),
            Given(texts),
            model=Models(
                planted_model(lambda text: 0.9 if "Say" in text else 0.2, common=1.0), proposer=Scripted(lambda _: "")
            ),
            budget=budget,
            store=tmp_path / f"{number}.db",
        )
        assert result.best.text == "Say so."
