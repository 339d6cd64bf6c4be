"""What is said of the evaluations that are left, where they are too few for a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.errors import BudgetSpent
from promptopt.operators.cells_left import require_cells
from promptopt.run.budget import Ledger


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (5, "23 evaluations are spent, and the 5 left are too few for another step, which takes up to 13"),
        (1, "23 evaluations are spent, and the 1 left is too few for another step, which takes up to 13"),
        # "The 0 left" are nobody's.
        (0, "23 evaluations are spent, and another step takes up to 13"),
    ],
)
def test_what_is_left_is_told_as_people_count(left: int, said: str) -> None:
    run: Any = SimpleNamespace(evaluations_left=lambda: left, spent=Ledger(evaluations=23))
    with pytest.raises(BudgetSpent) as cut:
        require_cells(run, 13, "another step")
    assert str(cut.value) == said


@pytest.mark.parametrize("left", [None, 13])
def test_what_suffices_goes_on(left: int | None) -> None:
    run: Any = SimpleNamespace(evaluations_left=lambda: left, spent=Ledger())
    require_cells(run, 13, "another step")
