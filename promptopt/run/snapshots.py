"""Where a run stands, for whoever looks on while it works."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.run.door import Door
from promptopt.run.events import Snapshot, StepDone
from promptopt.types import Estimate


def snapshot(
    phase: str, steps: Sequence[StepDone], start: Estimate, door: Door, answered: int, seconds: float
) -> Snapshot:
    """Where a run stands after `steps`.

    `start`: what is known of the start prompt. `answered`: cells under way that are paid for. `seconds` since it began.
    """
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
        spent=door.account.now.with_evaluations(answered),
        paid=door.account.paid.with_evaluations(answered),
        limits=door.account.limits,
        seconds=seconds,
    )
