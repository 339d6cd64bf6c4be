"""What a method may know beforehand: what the evaluator can do, and what caps leave the search."""

from __future__ import annotations

from promptopt.evaluators.generation import Generation
from promptopt.protocols import Contrasting, Evaluator, Forcing, Reducing, RunsProgram, Surrogate, Task
from promptopt.run.budget import Limits
from promptopt.tasks.parts import counts_of
from promptopt.types import Abilities, Room


def abilities_of(guide: Evaluator) -> Abilities:
    """What a search may know of the evaluator that guides it."""
    forces, stands_in = isinstance(guide, Forcing), isinstance(guide, Surrogate) and guide.verdict_by() is not guide
    # Metrics that have a name give one number.
    named = isinstance(guide, Generation) and isinstance(guide.metric, str)
    return Abilities(
        forces=forces,
        contrasts=isinstance(guide, Contrasting),
        sums=isinstance(guide, Reducing) and guide.reduction == "sum",
        stands_in=stands_in,
        parts=not (forces or stands_in or named),
        program=guide.program_text() if isinstance(guide, RunsProgram) else None,
    )


def room_in(limits: Limits, evaluator: Evaluator, task: Task) -> Room:
    """What caps on a search leave it."""
    return Room(limits.evaluations, limits.calls, evaluator.calls_per_cell, len(task.train), len(task.dev),
                *counts_of(task))  # fmt: skip
