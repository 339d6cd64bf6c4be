"""What pruning plans on its budget: the paper's sizes, those of a quick run, or generations on fresh examples.

Source   Wang, Hu & Bing 2025, PromptQuine, arXiv:2506.17930, for the paper's constants. The others are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from promptopt.selection.depth import generation_size
from promptopt.selection.generations import Fresh, fresh
from promptopt.text import counted
from promptopt.types import Room

PruningPreset = Literal["budget", "paper", "quick"]
"""Where open settings come from: the budget, the paper, or a run of a few minutes on a small machine."""

AFFORDS = 30_000
"""Evaluations from which the paper's sizes are planned: about those of one shot, 76 tokens and two labels."""
KEEP = 2
"""Prompts that live on under a budget. Ours."""
FEWEST_CHILDREN = 4
"""Children of a generation, at least. Ours."""


@dataclass(frozen=True, slots=True)
class FixedSetSizes:
    """What one search on a fixed set is made of. `most`: prompts scored; `held`: examples of the ranking."""

    population: int
    offspring: int
    most: int
    per_class: int
    examples: int
    held: int

    @property
    def rounds(self) -> int:
        """Generations that the cap on prompts lets through; the length of the prompt ends most searches before."""
        return max(1, self.most // self.offspring)

    def describe(self) -> str:
        """The plan in half a sentence."""
        return (
            f"up to {counted(self.most, 'prompt')} in generations of {self.offspring}, all scored on the same "
            "examples, and the "
            f"best ranked again on {counted(self.held, 'other')}"
        )


PAPER = FixedSetSizes(population=30, offspring=50, most=10_000, per_class=8, examples=100, held=200)
QUICK = FixedSetSizes(population=12, offspring=20, most=400, per_class=8, examples=100, held=60)
"""For a first look: 400 prompts in generations of 20, on the paper's examples. Ours."""


def pruning_plan(room: Room, preset: PruningPreset, given: Mapping[str, int | None]) -> FixedSetSizes | Fresh:
    """`given`: what was set of the fields of `FixedSetSizes`; None: open. Any of them asks for a fixed set."""
    cells = room.cells()
    asked = {name: value for name, value in given.items() if value is not None}
    if preset == "budget" and cells is not None and cells < AFFORDS and not asked:
        # Half the children of other searches, each seen more often: a search that only deletes is soon too deep.
        children = max(FEWEST_CHILDREN, generation_size(cells) // 2)
        way = fresh(room, keep=KEEP, children=children, calls_per_child=0.0)
        assert way is not None
        return way
    return replace(QUICK if preset == "quick" else PAPER, **asked)
