"""How many rewrites, on how many examples: by the budget where there is one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from promptopt.text import counted
from promptopt.types import Room

REWRITES, EXAMPLES = 8, 20
"""Of a round that nothing limits, or whose prompter is trained. Ours."""
LEAST_ROUND = 4
"""Rewrites, and examples, of the smallest round that is of use. Ours."""
GUARDED = 4
"""Times the examples of the reward that the guard scores: twice as many fresh ones, under two prompts."""


@dataclass(frozen=True, slots=True)
class AlignProPlan:
    """Concrete numbers: `rewrites` a round, each scored on the same `examples`."""

    rewrites: int
    examples: int
    rounds: int

    def within(self, room: Room) -> AlignProPlan:
        """The same with the rounds, one or more, that the room pays for beside the start and one prompt more.

        Of a prompter that is trained, whose rounds are its first draws and its steps.
        """
        cells = room.cells()
        if cells is None:
            return self
        affordable = (cells - 2 * self.examples) // (self.rewrites * self.examples)
        return replace(self, rounds=max(1, min(self.rounds, affordable)))

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"{counted(self.rounds, 'round')} of {counted(self.rewrites, 'rewrite')}, each scored on "
            f"{counted(self.examples, 'example')}"
        )


def rewrites_plan(room: Room, rewrites: int | None, examples: int | None, rounds: int, *, guard: bool) -> AlignProPlan:
    """What is left open by the room: half of its square root in examples, and rewrites for the rest.

    So a larger budget tells rewrites apart better, and tries more of them. The guard's fresh examples are left over.
    """
    cells = room.cells(1 / (EXAMPLES if examples is None else examples))
    if cells is None:
        return unlimited(room, rewrites, examples, rounds)
    if examples is None:
        # A third of them, so that the guard has twice as many others.
        examples = max(LEAST_ROUND, min(round(math.sqrt(cells / (2 * rounds))), room.train // 3))
        # One call a rewrite: the fewer examples it is scored on, the more of the calls are the proposer's.
        cells = room.cells(1 / examples)
        assert cells is not None
    examples = min(examples, room.train)
    if rewrites is None:
        left = cells - (GUARDED * examples if guard else 0)
        rewrites = max(LEAST_ROUND, left // (rounds * examples) - 1)
    return AlignProPlan(rewrites, examples, rounds)


def unlimited(room: Room, rewrites: int | None, examples: int | None, rounds: int) -> AlignProPlan:
    """What is left open as it is without a budget."""
    shown = min(EXAMPLES if examples is None else examples, room.train)
    return AlignProPlan(REWRITES if rewrites is None else rewrites, shown, rounds)
