"""What a step of a search asks of the budget before it begins, so that nothing is left half done."""

from __future__ import annotations

from promptopt.errors import BudgetSpent
from promptopt.run import Run
from promptopt.text import counted


def require_cells(run: Run, cells: int, what: str) -> None:
    """Raise BudgetSpent where fewer cells may still be scored than `what` takes."""
    left = run.evaluations_left()
    if left is not None and left < cells:
        spent = counted(run.spent.evaluations, "evaluation is", "evaluations are")
        few = (
            f"the {left} left {'is' if left == 1 else 'are'} too few for {what}, which takes"
            if left
            else f"{what} takes"
        )
        raise BudgetSpent(f"{spent} spent, and {few} up to {cells}")
