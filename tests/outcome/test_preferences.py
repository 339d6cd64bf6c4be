"""What a judge prefers to the start's replies has an exact test, wherever a gain is worked out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.versus import Versus, are_preferences
from promptopt.models.scripted import Scripted
from promptopt.outcome.decisions import ScoredPair, gain_of, non_inferior
from promptopt.run import Run
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Proposal, Score

WON, TIED, LOST = Score(1.0, "x", "won"), Score(0.5, "x", "tied"), Score(0.0, "x", "lost")
EMPTY = Score(0.0, "", parsed=False, feedback="the reply is empty")


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([TIED] * 3, [WON, TIED, LOST], True),
        ([TIED, replace(TIED, parsed=False)], [WON, EMPTY], True),
        # The other prompt is held against the start, and does not tie with it everywhere.
        ([TIED, WON], [WON, WON], False),
        # Half of a metric, or of a checklist, by chance the same everywhere.
        ([Score(0.5, "x", "1 of 2")] * 2, [WON, WON], False),
        ([TIED] * 2, [Score(0.75, "x"), WON], False),
    ],
)
def test_scores_are_preferences_where_the_prompt_before_ties_by_its_making(
    before: list[Score], after: list[Score], found: bool
) -> None:
    assert are_preferences(before, after) is found


def pairs_of(*after: Score) -> list[ScoredPair]:
    return [ScoredPair(Example.of("", text=str(at)), TIED, score) for at, score in enumerate(after)]


def test_a_gate_is_as_sure_of_wins_and_losses_as_of_right_and_wrong() -> None:
    # 12 won and 3 lost of 40: 0.0352 by the sign test.
    gain = gain_of(pairs_of(*[WON] * 12, *[LOST] * 3, *[TIED] * 25))
    assert (gain.mean, gain.test) == (pytest.approx(0.1125), "McNemar exact")
    assert gain.p_value == pytest.approx(0.0352, abs=5e-5)
    assert gain.ci95[0] > 0.0
    # Of 160 ties no more than 1.2 points may go unseen.
    assert non_inferior("score", pairs_of(*[TIED] * 160), 0.012).outcome == "passed"


@dataclass(frozen=True)
class OneOther:
    """Compares the start with a kind prompt."""

    def optimize(self, run: Run) -> None:
        """Search."""
        child = run.initial.replace("instruction", "Be kind.")
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


def test_a_search_ends_in_wins_and_losses(tmp_path: Path) -> None:
    def answer(request: Any) -> str:
        return "Kindly" if "Be kind." in str(request.content) else "Here"

    def judge(request: Any) -> str:
        first = request.content[0].content.split("<<<reply A ")[1].split("<<<reply B ")[0]
        return f'{{"better": "{"A" if "Kindly" in first else "B"}"}}'

    task = Task.from_examples([Example.of("", text=f"item {n}") for n in range(18)], prompt="Answer.", answer="text",
                              splits=Splits(6, 6, 6))  # fmt: skip
    models = Models(Scripted(answer), judge=Scripted(judge, name="judge"))
    found = optimize(task, OneOther(), model=models, evaluator=Versus(task), store=tmp_path / "s.db").gain
    assert found is not None
    assert (found.mean, found.p_value, found.test) == (0.5, pytest.approx(2 / 64), "McNemar exact")
