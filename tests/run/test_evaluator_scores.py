"""What an evaluator gives that is no score a cell is said, in a sentence that names the cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy
import pytest

from promptopt.errors import EvaluatorError
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.protocols import Ask
from promptopt.testing import planted_task
from promptopt.types import Cell, Request, Score


@dataclass(frozen=True)
class Odd:
    """Gives what `scores` makes of the cells."""

    scores: Callable[[Sequence[Cell]], Any]
    calls_per_cell = 1

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        del ask
        return self.scores(cells)

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "odd"}


def measured(scores: Callable[[Sequence[Cell]], Any]) -> float:
    return evaluate(planted_task(), model=Scripted(lambda request: "yes"), evaluator=Odd(scores)).measured.score


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            lambda cells: [0.5 for _ in cells],
            r"the evaluator gave 0.5 for a cell; give a Score",
        ),
        (lambda cells: [None for _ in cells], "gave None for a cell"),
        (lambda cells: ["1" for _ in cells], "gave '1' for a cell"),
        (lambda cells: None, "gave None for a cell"),
        (lambda cells: Score(1.0), r"gave 1 score for \d+ cells; give one a cell"),
        (lambda cells: [Score(1.0)], r"gave 1 score for \d+ cells"),
        (lambda cells: [], r"gave 0 scores for \d+ cells"),
        (lambda cells: [Score(1.0)] * (len(cells) + 1), r"gave \d+ scores for \d+ cells"),
        (lambda cells: [Score(cast("Any", "1")) for _ in cells], "gave a Score whose value is '1' for a cell"),
        (lambda cells: [Score(cast("Any", None)) for _ in cells], "gave a Score whose value is None for a cell"),
    ],
)
def test_what_is_no_score_a_cell_is_said(scores: Callable[[Sequence[Cell]], Any], said: str) -> None:
    with pytest.raises(EvaluatorError, match=said):
        measured(scores)


@pytest.mark.parametrize("value", [0.5, numpy.float32(0.5), True, 1])
def test_any_number_is_a_value(value: Any) -> None:
    assert measured(lambda cells: (Score(value) for _ in cells)) == float(value)


@pytest.mark.parametrize("place", [0, -1])
def test_a_score_that_is_no_number_enters_nothing(place: int) -> None:
    def scores(cells: Sequence[Cell]) -> list[Score]:
        found = [Score(1.0) for _ in cells]
        found[place] = Score(math.nan)
        return found

    with pytest.raises(EvaluatorError, match="the evaluator gave NaN; a score must be a number"):
        measured(scores)


@dataclass(frozen=True)
class Eager:
    """Asks three times for each cell, where one call was planned."""

    calls_per_cell = 1

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        ask([Request(f"{cell.example.id} {number}") for cell in cells for number in range(3)])
        return [Score(1.0) for _ in cells]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "eager"}


def test_a_cell_is_one_evaluation_however_many_calls_it_takes(tmp_path: Path) -> None:
    for paid in (True, False):
        found = evaluate(planted_task(), model=Scripted(lambda _: "yes"), evaluator=Eager(), store=tmp_path / "s.db")
        count = found.measured.n
        assert (found.spent.evaluations, found.spent.calls) == (count, 3 * count)
        assert (found.paid.evaluations, found.paid.calls) == ((count, 3 * count) if paid else (0, 0))
