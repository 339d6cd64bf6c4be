"""What a search of OPRO will do with what it is granted."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.selection.depth import generation_size
from promptopt.selection.generations import Fresh
from promptopt.text import counted

PUBLISHED, MEMORY = 20, 8
"""Instructions shown by the paper's rule (paper), and by the budget at most (ours)."""
SMALL = 500
"""Evaluations of a search below which it goes by the posterior over the lineage, and shows fewer instructions, where
calls are capped. Ours."""


@dataclass(frozen=True, slots=True)
class OPROPlan:
    """Concrete numbers. `fresh`: None for the paper's rule, which scores all on the same `examples`."""

    rounds: int
    breadth: int
    memory: int
    examples: int
    fresh: Fresh | None

    def describe(self) -> str:
        """Half a sentence."""
        if self.fresh is not None:
            return self.fresh.describe("instructions")
        steps, texts = counted(self.rounds, "step"), counted(self.breadth, "instruction")
        return f"{steps} of {texts}, each scored on {counted(self.examples, 'example')}"


def memory_of(found: Fresh | None) -> int:
    """Instructions shown; `found`: None for the paper's rule. In a small search as many as a step plans to write."""
    if found is None:
        return PUBLISHED
    # It has few steps, and writes on what was good a while ago no longer.
    return min(MEMORY, generation_size(found.evaluations)) if found.lineage else MEMORY
