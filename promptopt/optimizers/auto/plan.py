"""What a search of `auto` will do with what it is granted: how many children, how deep a look, how many generations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptopt.selection.depth import KEEP, depth_at, generation_size, mean_depth
from promptopt.text import counted
from promptopt.types import Room

UNCAPPED = 1_400
"""Evaluations of a search without any cap: what a cap of 2,000 leaves it."""
LEAST_PAIRS = 3
"""Examples that a layout is looked at on, at least: with fewer, one that is far better is missed too often."""
LOOK = 20
"""Training examples that the start is scored on first, at most; a twentieth of a small search."""
USEFUL = 30
"""Evaluations of the smallest search that is of use: the start, and one generation that looks twice."""
FIRST_TURNS = 8
"""Turns of the smallest first set where there are labels, or one a label: 500 evaluations seldom double it up. Ours."""
CALLING = 0.75
"""Children that cost a call of the proposer; the others are cut or shown examples without one. Ours."""
TWICE = 300
"""Evaluations of a search below which a child that was written is written once more before it is scored, where calls
are what is capped: so few looks tell only apart what differs much. In the peers' arena it gains at caps of 400 to 600
calls, and loses at 800 (`benchmarks/results/peers-diagnosis.md`)."""


# Fingerprints of runs name this class: under another name every stored run of `auto` would begin anew.
@dataclass(frozen=True, slots=True)
class Generations:
    """The numbers of a search.

    `evaluations`: what it may spend. `look`: training examples the start is scored on first. `children`: of a
    generation; `keep` prompts go on. `depth`: mean examples an arm, over the whole search. `rounds`: generations that
    this affords where no cell is known beforehand. `writings`: calls of the proposer one after the other that a written
    child comes of.
    """

    evaluations: int
    look: int
    children: int
    keep: int
    depth: float
    rounds: int
    writings: int = 1

    def describe(self) -> str:
        """Half a sentence for the user."""
        first, last = (max(1, round(depth_at(self.depth, share))) for share in (0.0, 1.0))
        # With fewer examples the layouts are not compared.
        layouts = " and the task's layouts" if self.look >= LEAST_PAIRS else ""
        looked = f"a look at the start{layouts}, then " if self.look else ""
        if not self.rounds:
            return f"{looked}no generation, as too little is left for one"
        rounds, children = counted(self.rounds, "generation"), counted(self.children, "child", "children")
        return f"{looked}{rounds} of {children}, each shown {first} to {counted(last, 'fresh example')}"


def generations_plan(
    room: Room, children: int | None = None, depth: float | None = None, keep: int = KEEP, dearness: float = 1.0
) -> Generations:
    """The plan for a room. `children`, `depth`: what the user set; None: by the room.

    `dearness`: how many times dearer than usual a call of the proposer is. Looks grow with its square root, where the
    cost of making a child and that of looking at it balance. They are at most twice as deep.
    """
    cells = room.cells()
    if depth is None and dearness > 1 and cells is not None:
        depth = min(2.0, math.sqrt(dearness)) * mean_depth(cells)
    if cells is None:
        return _generations_of(UNCAPPED, room, children, depth, keep)
    made = _generations_of(cells, room, children, depth, keep)
    fitted = _paid(made, room, children, depth, 1)
    # A dear call is not made twice, and where calls are not capped nobody has granted the second. What is small is so
    # without it, which leaves less to the looks.
    if fitted.evaluations >= TWICE or dearness > 1 or room.calls is None:
        return fitted
    twice = _paid(made, room, children, depth, 2)
    return twice if twice.evaluations >= USEFUL else fitted


def _paid(made: Generations, room: Room, children: int | None, depth: float | None, writings: int) -> Generations:
    """The plan where calls of the proposer come out of the same purse: how many depends on what they leave."""
    keep = made.keep
    # Calls depend on the plan, and the plan on what calls leave of the purse: a few passes settle it.
    for _ in range(4):
        left = room.cells(writings * CALLING * made.children / (made.depth * (made.children + keep)))
        assert left is not None
        made = replace(_generations_of(left, room, children, depth, keep), writings=writings)
    return made


def _generations_of(cells: int, room: Room, children: int | None, depth: float | None, keep: int) -> Generations:
    size = generation_size(cells) if children is None else children
    if children is None:
        # Where not even one generation fits, its first children are seen once each.
        size = max(1, min(size, cells - keep))
    mean = mean_depth(cells) if depth is None else depth
    # As if no cell were known beforehand; those of survivors are, so there are more. One where all are seen once.
    rounds = max(round(cells / (mean * (size + keep))), int(cells >= size + keep))
    return Generations(cells, min(LOOK, cells // 20, room.train), size, keep, mean, rounds)


def first_turns(labels: Sequence[str]) -> int:
    """Turns of the smallest first set; the others show twice or four times as many."""
    # One for every answer: fewer would lean towards those that are shown.
    return max(len(labels), FIRST_TURNS) if labels else 1
