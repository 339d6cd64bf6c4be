"""How much of APO a budget pays for: a small beam and few children, so that there are many rounds of brief looks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from promptopt.ranges import within
from promptopt.selection.depth import KEEP, depth_at, generation_size, mean_depth, rounds_of
from promptopt.selection.generations import SMALL
from promptopt.text import counted
from promptopt.types import Room

MINIBATCH = 8
"""Examples on which a parent's mistakes are looked for, where too few are known. Ours: half of them are mistakes of a
prompt that is worth a search."""
ENOUGH = 2
"""Mistakes of a parent that its critics make do with. To find four of each took nearly half of the looks of a search of
400 calls, and gains less (benchmarks/results/peers-diagnosis.md). Ours."""
EDITED = 3
"""Edits that a criticism is used for where each edit is written twice. Ours."""
TWICE = 360
"""Evaluations of a search below which an edit is put in other words before it is scored, and these take its place,
where calls are what is capped: so few looks tell only apart what differs much. In the peers' arena that gains at caps
of 300 to 800 calls, and was not found to at 1,200 (benchmarks/results/peers-diagnosis.md)."""
SPARE = 3
"""Rounds that are made at most for each that is planned: children that are missing, and known cells, cost nothing.
Ours."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """How one parent becomes children. Symbols are those of the paper; None: by the budget."""

    groups: int | None = None
    """G, groups of mistakes that are criticised apart. Code: 4; the paper: 1."""
    errors: int = 4
    """e, mistakes in a group. Paper, code."""
    reasons: int = 1
    """q, reasons asked for a group. Code; the paper: 4, which gives as many in all."""
    edits: int | None = None
    """s, edited sections for a reason. Paper, code: 1; by the budget 3 where these are put in other words."""
    paraphrases: int | None = None
    """v, paraphrases of every edited section and of the parent's own. Paper, code: 2; by the budget 1, or in the place
    of the edits."""
    children: int | None = None
    """X, the most children of one parent that go on to selection. Paper, code: 8."""
    editing: Literal["rewrite", "append"] = "rewrite"
    """What the editor is asked for: the whole section anew, or rules below what it says, for small proposers. Paper,
    code: anew."""
    filter_on_errors: bool = False
    """Which children stay: those best on the parent's mistakes, instead of any."""
    longest: int = 400
    """Tokens a section may have; a parent that is longer may grow by a quarter. Ours."""

    def __post_init__(self) -> None:
        least = {"groups": 0, "errors": 1, "reasons": 1, "edits": 1, "paraphrases": 0, "children": 1, "longest": 1}
        within(self, **{name: (bound, math.inf) for name, bound in least.items()})


@dataclass(frozen=True, slots=True)
class BeamPlan:
    """A search in numbers.

    `depth`: the mean number of fresh examples that a candidate of a selection is shown, over the whole search. 0 where
    the selector has a budget of its own. `cells`: evaluations that the whole search may ask for, where it is planned
    by them. `writings`: calls of the proposer, one after the other, that an edit comes of; more than one put it in
    other words, and these take its place.
    """

    rounds: int
    beam: int
    minibatch: int
    groups: int
    paraphrases: int
    children: int
    depth: float = 0.0
    cells: int = 0
    edits: int = 1
    writings: int = 1

    @property
    def lineage(self) -> bool:
        """Whether candidates are compared by all that is known of their relatives, where the evaluator is no loss."""
        return self.cells < SMALL

    def describe(self) -> str:
        """For the user."""
        looks = ""
        if self.depth:
            looks = f", first looks of {depth_at(self.depth, 0.0):.0f} to {depth_at(self.depth, 1.0):.0f} examples"
        return (
            f"{counted(self.rounds, 'round')} of up to {counted(self.children, 'child', 'children')} for each of "
            f"{counted(self.beam, 'prompt')}{looks}"
        )

    def selection(self, arms: int, number: int) -> int:
        """The budget of the selection among so many prompts in that round, counted from 0."""
        # Rounds beyond the planned ones look as deep as the last of these: `depth_at` ends at a share of 1.
        return max(1, round(arms * depth_at(self.depth, number / max(1, self.rounds))))

    def calls(self, expand: Expansion) -> int:
        """Replies of the proposer for one parent, each on its form at once."""
        # G critics, G q editors, and v paraphrasers for each of the G q s edits and for the parent.
        reasons = self.groups * expand.reasons
        edits = reasons * self.edits
        return self.groups + reasons + edits * (self.writings - 1) + (edits + 1) * self.paraphrases


EXPANSION = Expansion()
PAPER = BeamPlan(rounds=6, beam=4, minibatch=64, groups=4, paraphrases=2, children=8)
"""The constants of paper and code."""


def beam_plan(room: Room, own: BeamPlan, expand: Expansion) -> BeamPlan:
    """As many rounds as the room pays for; `own`: what the user set, -1 where nothing was set.

    Children of a round, their mean looks and how these grow: as `selection.depth` says. Of a parent's children half
    are edits, half paraphrases; in a small search under a cap on calls all are edits, each put in other words.
    """
    once = _paid(room, own, expand, writings=1)
    # Nobody has granted the second writing where calls are not capped. What a user says of paraphrases is done.
    if room.calls is None or once.cells >= TWICE or own.paraphrases >= 0:
        return once
    return _paid(room, own, expand, writings=2)


def _paid(room: Room, own: BeamPlan, expand: Expansion, writings: int) -> BeamPlan:
    # A cell's share of the proposer's calls depends on the plan, which hardly depends on it.
    first = _sized(room.cells() or 0, own, writings)
    cells = room.cells(first.beam * first.calls(expand) / (first.depth * _arms(first))) or 0
    return _sized(cells, own, writings)


def _sized(cells: int, own: BeamPlan, writings: int) -> BeamPlan:
    beam = own.beam if own.beam > 0 else KEEP
    children = own.children if own.children > 0 else math.ceil(generation_size(cells) / beam)
    edits, paraphrases = own.edits, own.paraphrases
    if writings > 1:
        edits, paraphrases = edits if edits > 0 else EDITED, 0
        children = children if own.children > 0 else max(children, edits)
    edits, paraphrases = max(1, edits), paraphrases if paraphrases >= 0 else 1
    # Solved for G: with q = 1 a parent gives G s edits and (G s + 1) v paraphrases.
    groups = max(1, math.ceil((children - paraphrases) / (edits * (1 + paraphrases))))
    plan = BeamPlan(
        rounds=own.rounds,
        beam=beam,
        minibatch=own.minibatch if own.minibatch > 0 else MINIBATCH,
        groups=own.groups if own.groups >= 0 else groups,
        paraphrases=paraphrases,
        children=children,
        depth=mean_depth(cells),
        cells=cells,
        edits=edits,
        writings=writings,
    )
    if own.rounds >= 0:
        return plan
    # The start has to show its mistakes first; those of later parents are known from selections before.
    return replace(plan, rounds=rounds_of(cells - plan.minibatch, _arms(plan), plan.depth))


def _arms(plan: BeamPlan) -> int:
    """Prompts of a selection: parents compete again, and are known to err by what they were scored on before."""
    return plan.beam * (1 + plan.children)
