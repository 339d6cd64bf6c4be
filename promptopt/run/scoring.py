"""A batch of cells, scored and entered into both ledgers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from promptopt.errors import CutShort
from promptopt.protocols import Ask, Evaluator
from promptopt.run.door import Door
from promptopt.run.reserve import Reserve
from promptopt.types import Cell, Score


def charged(
    evaluator: Evaluator,
    cells: Sequence[Cell],
    through: tuple[Ask, Door],
    reserve: Reserve | None,
    calls: Callable[[], int],
) -> list[Score]:
    """The scores of the cells. `through`: what the evaluator asks, and the door that stands behind it.

    `calls`: what tells of how many calls the evaluations are charged, once they were made. Where a limit cuts the
    batch, the cells that were scored before are charged, and CutShort passes through.
    """
    ask, door = through
    per_cell = evaluator.calls_per_cell
    paid, spent = door.paid.calls, door.spent
    try:
        scores = evaluator.score(cells, ask)
    except CutShort as short:
        door.spent = door.spent.with_evaluations(len(short.scores))
        door.paid = door.paid.with_evaluations(min(len(short.scores), door.paid.calls - paid))
        raise
    # Rounded up: a cell of several calls, one of which was new, is an evaluation. At most all cells: those of programs
    # may take more calls than planned.
    door.spent = door.spent.with_evaluations(min(len(cells), -(-calls() // per_cell)))
    if reserve is not None:
        reserve.observe(cells, spent, door.spent)
    door.paid = door.paid.with_evaluations(min(len(cells), -(-(door.paid.calls - paid) // per_cell)))
    return scores
