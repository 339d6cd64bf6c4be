"""How much of SIMBA a budget pays for."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.text import counted
from promptopt.types import Room

STEPS, MINIBATCH, CANDIDATES = 8, 32, 6
"""S, b and n of the code."""
FEW, SMALL = 3, 1_000
"""Runs of an example on a budget below so many evaluations. Ours: a contrast takes two."""
LEAST_EXAMPLES = 4
"""Examples of a step at least. Ours."""
FEWEST_PAID_FOR = 2
"""Examples of a step that is smaller than planned, as no more are paid for, at least. Ours."""
HELD, HELD_SHARE = 100, 0.1
"""Examples that the winners are scored on at most, and their share of a budget, all winners together. Ours."""


@dataclass(frozen=True, slots=True)
class SIMBAPlan:
    """Concrete numbers: steps, examples of each, n, and the examples that the winners are scored on."""

    rounds: int
    minibatch: int
    candidates: int
    held: int

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"{counted(self.rounds, 'step')} of {counted(self.candidates, 'run')} on {self.minibatch} examples each, "
            f"and {counted(self.candidates + 1, 'candidate')} on the same; winners on {self.held} others"
        )


def rounds_plan(
    room: Room, rounds: int | None, minibatch: int | None, candidates: int | None, *, by_budget: bool
) -> SIMBAPlan:
    """What is not given is the code's, or what the room pays for."""
    half = max(1, room.train // 2)
    cells = room.cells() if by_budget else None
    if cells is None:
        batch = MINIBATCH if minibatch is None else minibatch
        count = CANDIDATES if candidates is None else candidates
        return SIMBAPlan(STEPS if rounds is None else rounds, min(batch, room.train), count, min(half, HELD))
    count = candidates
    if count is None:
        count = FEW if cells < SMALL else CANDIDATES
    held = min(half, HELD, max(LEAST_EXAMPLES, round(HELD_SHARE * cells / (count + 1))))
    # A rule is half of the candidates, and a call of the proposer each.
    some = room.cells((count + 1) / (2 * (2 * count + 1) * LEAST_EXAMPLES))
    left = max(0, (cells if some is None else some) - (count + 1) * held)
    batch = minibatch
    if batch is None:
        # Eight steps, as in the code, on as many examples as that leaves; then further steps.
        batch = max(LEAST_EXAMPLES, min(MINIBATCH, room.train - held, left // (STEPS * (2 * count + 1))))
    afforded = max(1, left // ((2 * count + 1) * batch))
    return SIMBAPlan(afforded if rounds is None else rounds, batch, count, held)
