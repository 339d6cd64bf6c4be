"""Generations on fresh examples: how a population is kept where the budget, and not the paper, sets its size.

A paper that scores every candidate on one fixed set of 100 or 200 examples sees a handful of candidates on a small
budget. Here the old and the new of a generation are looked at together on a few examples that are drawn anew, and the
worst leave one by one: at equal budgets of 500 to 2,000 evaluations that finds better prompts on planted tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.run import Run
from promptopt.selection.depth import LEAST_DEPTH, depth_at, generation_size, mean_depth
from promptopt.selection.fresh import FreshRejects
from promptopt.types import Estimate, Prompt, Room

Preset = Literal["budget", "paper"]
"""Where settings that are left open come from: the budget, or the paper's constants whatever the budget."""

DRY = 10
"""Generations in a row without a new prompt, after which a search has run dry and hands the rest of its budget back."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """What generations on fresh examples do. `granted`: evaluations of the whole search; `depth`: mean examples an arm.

    `children` join the `keep` old ones in every generation. `most`: generations at most; None: until all is spent.
    """

    granted: int
    children: int
    keep: int
    depth: float
    most: int | None = None

    @property
    def rounds(self) -> int:
        """Generations that the room affords; examples that were seen before are free, so it may be a few more."""
        afforded = max(1, math.floor(self.granted / (self.depth * (self.children + self.keep))))
        return afforded if self.most is None else min(self.most, afforded)

    def describe(self) -> str:
        """The plan in half a sentence."""
        least, most = (max(1, round(depth_at(self.depth, share))) for share in (0.0, 1.0))
        return (
            f"about {self.rounds} generations of {self.children} children, each seen on {least} to {most} fresh "
            f"examples on average, of which {self.keep} live on"
        )


@dataclass(frozen=True, slots=True)
class Fixed:
    """The paper's way: every candidate is scored on the same `examples`. `children`: scored in one of the `rounds`."""

    rounds: int
    children: int
    examples: int

    def describe(self) -> str:
        """The plan in half a sentence."""
        return f"{self.rounds} generations of {self.children} children, all scored on the same {self.examples} examples"


def cells(room: Room) -> int | None:
    """What the room affords where every child is a call of the proposer and is seen on three examples; None: no cap."""
    return room.cells(1 / LEAST_DEPTH)


def fresh(granted: int, *, keep: int, children: int | None = None, most: int | None = None) -> Fresh:
    """The generations for so many evaluations; `children`: as given, or by them."""
    count = generation_size(granted) if children is None else children
    return Fresh(granted, count, keep, mean_depth(granted), most)


def least(room: Room, way: Fixed | Fresh, keep: int) -> int:
    """Evaluations of one generation that is of use: the fewest children seen as little as makes sense, or all in full.

    `keep`: the old ones beside them.
    """
    if isinstance(way, Fixed) and room.cells() is not None:
        return way.examples * (1 + way.children)
    return math.ceil(LEAST_DEPTH * (generation_size(0) + keep))


class Generations:
    """The survivors of one generation after another, and what is left for more."""

    def __init__(self, run: Run, plan: Fresh) -> None:
        """Shuffles by the run's stream "order"."""
        self._run, self._plan = run, plan
        self._count = 0
        self._seen: dict[Prompt, None] = {}
        self.idle = 0
        """Generations in a row that brought no new prompt."""

    @property
    def over(self) -> bool:
        """Whether the search ends: it has had its generations, or run dry. A spent budget ends it by itself."""
        return self.idle >= DRY or (self._plan.most is not None and self._count >= self._plan.most)

    def select(self, old: Sequence[Prompt], children: Sequence[Prompt], keep: int) -> list[Estimate]:
        """All of them, the survivors first; those are the first finalists, should the search end here.

        Of equals the old, then the earlier stay. Where none is new nothing is spent, and they stay as they are.
        """
        run, plan = self._run, self._plan
        arms = list(dict.fromkeys([*old, *children]))
        self._count += 1
        if all(prompt in self._seen for prompt in arms):
            self.idle += 1
            return [run.estimate(prompt, run.train) for prompt in arms]
        self.idle = 0
        left = run.evaluations_left()
        share = 0.0 if left is None else 1 - left / max(1, plan.granted)
        budget = max(1, round(depth_at(plan.depth, share) * len(arms)))
        ranked = FreshRejects(budget).select(run, arms, run.train, keep)
        run.rank_by((), [estimate.prompt for estimate in ranked[:keep]])
        self._seen |= dict.fromkeys(arms)
        return ranked
