"""A batch of cells, scored or drawn, and entered into both ledgers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from promptopt.errors import CutShort, EvaluatorError
from promptopt.protocols import Ask, Evaluator
from promptopt.run.batches import exhausted
from promptopt.run.door import Door
from promptopt.run.reserve import Reserve
from promptopt.types import Cell, Example, Prompt, Reply, Request, Score


def varied(cells: Sequence[Cell], variants: Mapping[Prompt, Callable[[Example], Prompt]]) -> list[Cell]:
    """The cells as they are asked: with the prompt that their own stands for on their example, where it stands for one.

    They are entered into the scoreboard under their own.
    """
    return [
        cell if cell.prompt not in variants else replace(cell, prompt=variants[cell.prompt](cell.example))
        for cell in cells
    ]


def numbered(cell: Cell, score: Score) -> Score:
    """The score. Raises EvaluatorError where its value is NaN."""
    # NaN alone: a loss may be infinite, and then ranks last.
    if score.value != score.value:
        wrong = "the evaluator gave NaN; a score must be a number"
        raise EvaluatorError(wrong, prompt_id=cell.prompt.id, example_id=cell.example.id)
    return score


def drawn(requests: Sequence[Request], door: Door, left: int | None) -> list[Reply]:
    """The task model's replies, an evaluation each; where `left` cuts them, those are kept, and BudgetSpent raised."""
    paid, asked = door.settled_now, requests[:left]
    replies = door.generate(asked, "task")
    door.spent = door.spent.with_evaluations(len(asked))
    # What the store held costs this session nothing.
    door.paid = door.paid.with_evaluations(min(len(asked), door.settled_now - paid))
    if len(asked) < len(requests):
        raise exhausted(door.spent)
    return replies


def charged(
    evaluator: Evaluator,
    cells: Sequence[Cell],
    ask: Ask,
    door: Door,
    reserve: Reserve | None,
    calls: Callable[[], int],
) -> list[Score]:
    """The scores of the cells. `ask`: what the evaluator asks, and `door`: what stands behind it.

    `calls`: what tells of how many calls the evaluations are charged, once they were made. Where a limit cuts the
    batch, the cells that were scored before are charged, and CutShort passes through.
    """
    per_cell = evaluator.calls_per_cell
    paid, spent = door.settled_now, door.spent
    try:
        scores = evaluator.score(cells, ask)
    except CutShort as short:
        door.spent = door.spent.with_evaluations(len(short.scores))
        door.paid = door.paid.with_evaluations(min(len(short.scores), door.settled_now - paid))
        raise
    # Rounded up: a cell of several calls, one of which was new, is an evaluation. At most all cells: those of programs
    # may take more calls than planned.
    door.spent = door.spent.with_evaluations(min(len(cells), -(-calls() // per_cell)))
    if reserve is not None:
        reserve.observe(cells, spent, door.spent)
    door.paid = door.paid.with_evaluations(min(len(cells), -(-(door.settled_now - paid) // per_cell)))
    return scores
