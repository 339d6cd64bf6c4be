"""Small generations, one after another: the rule that searches on a small budget share, and the plan behind it.

A few hundred to a few thousand evaluations prove no single step. So all children of a generation are looked at together
with those that made them, on few examples drawn anew, the best two go on, and many cheap steps average their errors
out. The constants are those of `selection/depth.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.run import Run
from promptopt.selection.depth import KEEP, depth_at, generation_size, mean_depth
from promptopt.selection.fresh import FreshRejects
from promptopt.types import Example, Prompt, Room

Preset = Literal["budget", "paper"]
"""What settings that are not given are filled in by: the budget, or the paper whatever the budget."""

MEAN_SPEED = math.log(4.0) / 1.2
"""Generations that a depth growing from 0.4 to 1.6 of its mean gives for one of constant depth: the mean of 1 / depth
over the search."""
SPARE = 3
"""Generations that are made at most for each that is planned: children that are missing, and known cells, cost less."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A search of `rounds` generations: how many children each, how many evaluations in all, how deep it looks.

    `depth`: mean examples an arm, which grows from 0.4 to 1.6 of it over the search.
    """

    evaluations: int
    children: int
    depth: float
    rounds: int

    def describe(self, children: str = "children") -> str:
        """`12 generations of 5 children, each seen on 1 to 5 fresh examples on average`."""
        first, last = (max(1, round(depth_at(self.depth, share))) for share in (0.0, 1.0))
        rounds = "1 generation" if self.rounds == 1 else f"{self.rounds} generations"
        return f"{rounds} of {self.children} {children}, each seen on {first} to {last} fresh examples on average"


def shape(
    room: Room, *, children: int | None = None, keep: int = KEEP, calls_per_child: float = 1.0, aside: int = 0
) -> Shape | None:
    """What the room affords; None where it has no cap.

    children: how many, where a user says so; keep: prompts that go on; calls_per_child: of the proposer; aside:
    evaluations that are spent otherwise.
    """
    cells = room.cells()
    if cells is None:
        return None
    evaluations, size, depth = cells, 1, 1.0
    # The calls of the proposer that a cell brings with it depend on the plan, and it on them: two steps are enough.
    for _ in range(3):
        evaluations = max(1, evaluations - aside)
        size = generation_size(evaluations) if children is None else children
        depth = mean_depth(evaluations)
        left = room.cells(calls_per_child * size / (depth * (size + keep)))
        evaluations = cells if left is None else left
    evaluations = max(0, evaluations - aside)
    rounds = max(1, round(MEAN_SPEED * evaluations / (depth * (size + keep))))
    return Shape(evaluations, size, depth, rounds)


def least_generation(keep: int = KEEP) -> int:
    """Evaluations of the smallest generation that is of use: everyone is seen on three examples."""
    return 3 * (generation_size(1) + keep)


class Generations:
    """Which prompts go on, generation after generation, until the evaluations or the new prompts run out.

    `dry` generations in a row without a new prompt make the search begin again from its best, once.
    """

    def __init__(self, run: Run, examples: Sequence[Example], planned: Shape, dry: int) -> None:
        """`examples`: those that every generation draws from."""
        self.begun_again = False
        """Whether the last generation was the end of a dry spell, so that the survivors are the best alone."""
        self._run, self._examples, self._planned, self._dry = run, tuple(examples), planned, dry
        self._left = run.evaluations_left()
        self._idle = self._count = 0
        self._again = True

    @property
    def open(self) -> bool:
        """Whether another generation can be seen: one look at everyone, at least."""
        left, planned = self._run.evaluations_left(), self._planned
        if self._idle >= self._dry:
            return False
        # Caps on tokens and dollars end a search when they are spent, whatever was estimated of them.
        return left is None or (left >= planned.children and self._count < SPARE * planned.rounds)

    @property
    def first(self) -> bool:
        """Whether no generation has been seen yet."""
        return self._count == 0

    @property
    def look(self) -> int:
        """Examples of a first look at this stage of the search: half of what an arm sees on average."""
        return max(1, round(self._depth() / 2))

    def survivors(
        self,
        elite: Sequence[Prompt],
        children: Sequence[Prompt],
        keep: int = KEEP,
        price: Callable[[Prompt], float] | None = None,
    ) -> list[Prompt]:
        """The `keep` best of both on examples that are drawn anew, best first; what they are the run is told.

        Of equals the cheaper goes on, then the earlier. Without children the elite stays, at no cost.
        """
        run, arms = self._run, list(dict.fromkeys([*elite, *children]))
        if price is not None:
            arms.sort(key=price)
        self._count += 1
        self.begun_again = False
        if all(prompt in elite for prompt in arms):
            return self._none(elite)
        self._idle = 0
        ranked = FreshRejects(self._budget(len(arms))).select(run, arms, self._examples, keep)
        kept = [estimate.prompt for estimate in ranked[:keep]]
        run.rank_by(self._examples, kept)
        run.record(ranked, kept)
        return kept

    def _none(self, elite: Sequence[Prompt]) -> list[Prompt]:
        run = self._run
        self._idle += 1
        kept = list(elite)
        if self._idle == self._dry and self._again:
            self._idle, self._again, self.begun_again = 0, False, True
            worth = run.worths(self._examples)
            kept = [max(worth, key=worth.__getitem__)]
        run.record([run.estimate(prompt, self._examples) for prompt in elite], kept)
        return kept

    def _depth(self) -> float:
        left = self._run.evaluations_left()
        if left is None or self._left is None:
            # Caps on tokens and dollars are known as evaluations beforehand only, and as an estimate.
            return depth_at(self._planned.depth, self._run.spent.evaluations / max(1, self._planned.evaluations))
        return depth_at(self._planned.depth, 1 - left / max(1, self._left))

    def _budget(self, arms: int) -> int:
        """B of the rejects, which may ask for one evaluation an arm on top."""
        left, wanted = self._run.evaluations_left(), round(self._depth() * arms)
        return max(1, wanted if left is None else min(wanted, left - arms))
