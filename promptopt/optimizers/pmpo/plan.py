"""The settings of PMPO, and how much of it a budget pays for: few rewrites at a time, each seen briefly."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from promptopt.operators.masks import SEGMENTER, Ablation
from promptopt.ranges import within
from promptopt.selection.depth import depth_at, generation_size, mean_depth, rounds_of
from promptopt.selection.generations import SMALL
from promptopt.text import counted
from promptopt.types import Room, Sampling

REWRITER = Sampling(temperature=0.9, top_p=0.95, max_tokens=2048)
PARTS_LEFT_OUT = 1
"""Parts that are left out, by the budget. Ours: on planted tasks at 500 and 1,000 evaluations 0 and 2 gained less."""
HARD = 2
"""Examples that are shown to the rewriter in turn, by the budget. Ours; the paper shows 3."""
SPARE = 3
"""Iterations that are made at most for each that is planned: rewrites that are missing, and known cells, cost
nothing."""
OWN_SHARE = 0.25
"""The share of a budget that may go into solutions of the task model's own. Ours."""


@dataclass(frozen=True, slots=True)
class Masking:
    """How the parts of a prompt are found and left out."""

    most: int | None = None
    """m, parts at most. 0: no mask analysis. Paper: 5; by the budget: 1."""
    mode: Ablation = "remove"
    """What stands where a part stood. Ours; the paper's formula: a mark."""
    by: Literal["proposer", "rule"] = "proposer"
    """Who finds the parts: the proposer, or list items, paragraphs, sentences by rule."""
    sampling: Sampling = SEGMENTER
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        within(self, most=(0, math.inf))


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How hard examples become new prompts."""

    hard: int | None = None
    """k, the hardest examples, each of which is shown to the rewriter. Paper: 3; by the budget: 2."""
    samples: int | None = None
    """n, rewrites asked for each. Paper: 4; by the budget: 2 or more."""
    form: Literal["full", "short"] = "full"
    """The request: with a diagnosis and a list of edits, or a paragraph, for small models."""
    longest: int = 1024
    """Tokens a rewrite may have; of a prompt that is longer it may have a quarter more. Ours."""
    sampling: Sampling = REWRITER
    """How the proposer is asked. Ours; the paper: top-p with temperature, no values."""

    def __post_init__(self) -> None:
        within(self, hard=(1, math.inf), samples=(1, math.inf), longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """When a rewrite takes the place of the prompt in use, and when the search ends."""

    min_delta: float = 1e-4
    """The share of the loss that a gain must exceed; it must exceed the measured noise as well. Ours. By the budget
    there is no such gate: the winner of fresh examples takes the place."""
    patience: int | None = None
    """Iterations without a gain that end the search; None (paper): none do. 6 is a fair value."""
    validation: float = 0.0
    """The share of examples held out, to choose among accepted prompts: 0, or 0.2 to 0.5. Ours."""

    def __post_init__(self) -> None:
        within(self, min_delta=(0.0, 1.0), validation=(0.2, 0.5) if self.validation else (0.0, 0.5))
        within(self, patience=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Targets:
    """What is made probable: the data's own solutions and answers, or solutions of the task model."""

    source: Literal["gold", "own"] = "gold"
    """`own`: right solutions that the task model wrote under the start prompt, before the search."""
    samples: int = 4
    """Solutions drawn for each example, where they are its own. Ours."""
    temperature: float = 0.7
    """At which they are drawn. Ours."""

    def __post_init__(self) -> None:
        within(self, samples=(1, math.inf), temperature=(0.0, math.inf))


@dataclass(frozen=True, slots=True)
class RewritingPlan:
    """A search in numbers.

    `examples`: those it draws on. `depth`: the mean number of fresh examples that a candidate is shown, over the whole
    search; 0: every prompt is scored on all examples. `cells`: evaluations that the whole search may ask for, where
    it is planned by them.
    """

    rounds: int
    examples: int
    parts: int
    hard: int
    samples: int
    depth: float = 0.0
    cells: int = 0

    @property
    def lineage(self) -> bool:
        """Whether candidates are compared by all that is known of their relatives, where the evaluator is no loss."""
        return self.cells < SMALL

    @property
    def arms(self) -> int:
        """Prompts of an iteration at most: the one in use, those without a part, the rewrites."""
        return 1 + self.parts + self.hard * self.samples

    def describe(self) -> str:
        """For the user."""
        looks = f"all on the same {counted(self.examples, 'example')}"
        if self.depth:
            looks = f"first looks of {depth_at(self.depth, 0.0):.0f} to {depth_at(self.depth, 1.0):.0f} examples"
        return f"{counted(self.rounds, 'iteration')} of up to {counted(self.hard * self.samples, 'rewrite')}, {looks}"

    def at(self, number: int) -> float:
        """The mean number of fresh examples in that iteration, counted from 0."""
        return depth_at(self.depth, number / max(1, self.rounds))


PAPER = RewritingPlan(rounds=20, examples=50, parts=5, hard=3, samples=4)
"""The constants of the paper."""


def rewriting_plan(room: Room, own: RewritingPlan, solutions: int) -> RewritingPlan:
    """As many iterations as the room pays for; `own`: what the user set, below 0 where nothing was set.

    Rewrites of an iteration, their mean looks and how these grow: as `selection.depth` says. `solutions`: those of the
    task model's own that an example costs beforehand.
    """
    # A cell's share of the proposer's calls depends on the plan, which hardly depends on it.
    first = _sized(room.cells() or 0, room.train, own, solutions)
    calls = 1 + first.hard * first.samples
    return _sized(room.cells(calls / (first.depth * _seen(first))) or 0, room.train, own, solutions)


def _sized(cells: int, train: int, own: RewritingPlan, solutions: int) -> RewritingPlan:
    # Three at least: with fewer the search writes them into the prompt.
    affordable = train if solutions == 0 else max(3, int(OWN_SHARE * cells / solutions))
    examples = min(train, own.examples if own.examples > 0 else affordable)
    # Own solutions are drawn before the search, out of the same purse.
    cells = max(0, cells - solutions * examples)
    parts = own.parts if own.parts >= 0 else PARTS_LEFT_OUT
    hard = own.hard if own.hard > 0 else HARD
    samples = own.samples if own.samples > 0 else math.ceil(generation_size(cells) / hard)
    plan = RewritingPlan(own.rounds, examples, parts, hard, samples, mean_depth(cells), cells)
    return plan if own.rounds >= 0 else replace(plan, rounds=rounds_of(cells, _seen(plan), plan.depth))


def _seen(plan: RewritingPlan) -> float:
    """Prompts that an iteration sees; about every other time the prompt in use is new, and its parts are measured."""
    return plan.arms + plan.parts / 2
