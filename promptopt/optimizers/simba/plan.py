"""How much of SIMBA a budget pays for."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.text import counted
from promptopt.types import Room

STEPS, MINIBATCH, CANDIDATES = 8, 32, 6
"""S, b and n of the code."""
FEW, SMALL = 3, 1_000
"""Runs of an example on a budget below so many evaluations. Ours."""
LEAST_EXAMPLES = 4
"""Examples of a step at least. Ours."""
FEWEST_PAID_FOR = 2
"""Examples of a step that is smaller than planned, as no more are paid for, at least. Ours."""
PAIR = 2
"""Runs of an example where a budget does not pay for a step of `FEW`: a contrast takes two."""
SMALLEST = LEAST_EXAMPLES * (2 * FEW + 1 + PAIR)
"""Evaluations of a step of `FEW` runs, and of two winners on as many examples."""
HELD, HELD_SHARE = 100, 0.1
"""Examples that the winners are scored on at most, and their share of a budget, all winners together. Ours."""


@dataclass(frozen=True, slots=True)
class SIMBAPlan:
    """Concrete numbers: steps, examples of each, n, and the examples that the winners are scored on."""

    rounds: int
    minibatch: int
    candidates: int
    held: int

    @property
    def fewest(self) -> int:
        """Examples of a step at least. Where no winners are compared in the end, one makes a candidate too."""
        return FEWEST_PAID_FOR if self.held else 1

    def takes(self, size: int) -> int:
        """Cells of a step on so many examples at most: its runs, and a candidate of each example as far as they go."""
        return size * (self.candidates + min(size, self.candidates + 1))

    def describe(self) -> str:
        """Half a sentence."""
        end = f"winners on {self.held} others" if self.held else "the final choice compares the winners"
        return (
            f"{counted(self.rounds, 'step')} of {counted(self.candidates, 'run')} on {self.minibatch} examples each, "
            f"and {counted(self.candidates + 1, 'candidate')} on the same; {end}"
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
        if cells < SMALLEST:
            # What such a search finds is compared on dev, where the final choice has more examples than it.
            batch = LEAST_EXAMPLES if minibatch is None else minibatch
            return SIMBAPlan(1 if rounds is None else rounds, batch, PAIR, 0)
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
