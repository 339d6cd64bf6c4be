"""How much of GEPA a budget pays for: the examples of its fronts, and its iterations."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.text import counted
from promptopt.types import Room

MINIBATCH = 3
"""b of paper and code."""
PARETO = 100
"""Examples of the fronts, at most. Ours; the paper's tasks have 45 to 300."""
PARETO_LEAST = 8
"""Examples of the fronts that a small budget has at least. Ours."""
PARETO_SHARE = 100
"""Evaluations for each example of the fronts by the budget. The maintainers advise 15 to 30. On planted tasks, at caps
of 500, 1,000 and 2,000, 20 gained 0.15, 0.19 and 0.27; 50 gained 0.13, 0.20 and 0.34; and 100 gained 0.13, 0.22 and
0.37. What is spent on validating is not spent on new prompts."""
ITERATIONS = 100
"""Without any cap: with 100 examples on the fronts about 4,000 evaluations, the mean of the paper's runs."""
ACCEPTED = 1 / 3
"""The share of iterations whose child is accepted, where a plan is made: of equally good children it is a third."""


@dataclass(frozen=True, slots=True)
class GEPAPlan:
    """Concrete numbers. `rounds`: iterations, about as many as there will be, or at most where the user set them."""

    rounds: int
    minibatch: int
    pareto: int

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"about {counted(self.rounds, 'iteration')}, each a child held against its parent on "
            f"{counted(self.minibatch, 'example')}; those that win are scored on {counted(self.pareto, 'other')}"
        )


def pareto_plan(
    room: Room, *, minibatch: int | None, pareto: int | None, rounds: int | None, by_budget: bool, whole: bool
) -> GEPAPlan:
    """What is not given goes by the budget, where there is one: V is a hundredth of the evaluations.

    The fronts have half of the training examples at most, so that the reflector has as many to read; all of them where
    `whole`.
    """
    batch = MINIBATCH if minibatch is None else minibatch
    half = max(1, room.train // 2)
    # One at least is left to be read.
    pareto = room.train if whole else None if pareto is None else min(pareto, max(1, room.train - 1))
    first = room.cells()
    if first is None:
        size = min(PARETO, half) if pareto is None else pareto
        return GEPAPlan(ITERATIONS if rounds is None else rounds, batch, size)
    size = pareto
    if size is None:
        size = min(PARETO, half)
        if by_budget:
            size = min(size, max(PARETO_LEAST, first // PARETO_SHARE))
    # An iteration brings one call of the reflector.
    cells = room.cells(1 / (2 * batch + ACCEPTED * size))
    afforded = max(1, round(((first if cells is None else cells) - size) / (2 * batch + ACCEPTED * size)))
    return GEPAPlan(afforded if rounds is None else rounds, batch, size)
