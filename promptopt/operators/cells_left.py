"""What a step of a search asks of the budget before it begins, so that nothing is left half done."""

from __future__ import annotations

from promptopt.errors import BudgetSpent
from promptopt.run import Run
from promptopt.text import counted


def require_cells(run: Run, cells: int, what: str) -> None:
    """Raise BudgetSpent where fewer cells may still be scored than `what` takes."""
    left = run.evaluations_left()
    if left is not None and left < cells:
        raise BudgetSpent(
            f"{counted(run.spent.evaluations, 'evaluation is', 'evaluations are')} spent, and the {left} left are "
            f"too few for {what}, which takes up to {cells}"
        )
