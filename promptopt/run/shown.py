"""What a run shows of itself: to methods what there is for them, to those who look on where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.evaluators.generation import Generation
from promptopt.protocols import Contrasting, Evaluator, Forcing, Reducing, Surrogate, Task
from promptopt.run.budget import Limits
from promptopt.run.door import Door
from promptopt.run.events import Snapshot, StepDone
from promptopt.tasks.parts import counts_of
from promptopt.types import Abilities, Estimate, Room


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
    )


def room_in(limits: Limits, evaluator: Evaluator, task: Task) -> Room:
    """What caps on a search leave it."""
    return Room(limits.evaluations, limits.calls, evaluator.calls_per_cell, len(task.train), len(task.dev),
                *counts_of(task))  # fmt: skip


def snapshot(phase: str, steps: Sequence[StepDone], start: Estimate, door: Door, seconds: float) -> Snapshot:
    """Where a run stands after `steps`; `start`: what is known of the start prompt; `seconds` since it began."""
    best = None
    # Ledgers are replaced and steps only grow, so another thread reads nothing half done.
    if steps:
        pool = {estimate.prompt: estimate for estimate in steps[-1].pool}
        # `kept` is in the method's own order, best first, which need not be that of the means.
        best = next((pool[prompt] for prompt in steps[-1].kept if prompt in pool), None)
    known = start if start.count else None
    return Snapshot(
        phase=phase,
        step=len(steps),
        best=best,
        start=known,
        spent=door.spent,
        paid=door.paid,
        limits=door.limits,
        seconds=seconds,
    )
