"""What a search over components plans on its budget."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.text import counted
from promptopt.types import Room

STEPS = 5
"""Rounds under a budget: a prompt of more than five components is the exception in the paper."""
EXAMPLES = 24
"""Examples a candidate is scored on under a budget, at most. Ours."""
FEWEST_CANDIDATES = 8
"""Candidates of a step, at least. Ours."""


@dataclass(frozen=True, slots=True)
class SprigPlan:
    """Concrete numbers. `candidates`: of a step, at most (None: all there are). `examples`: that a step draws."""

    steps: int
    beam: int
    pool: int
    rephrasings: int
    examples: int
    candidates: int | None
    evaluations: int | None

    @property
    def rounds(self) -> int:
        """The steps."""
        return self.steps

    def describe(self) -> str:
        """Half a sentence."""
        each = "all edits" if self.candidates is None else f"{counted(self.candidates + self.beam, 'prompt')} at most"
        shown = counted(self.examples, "example")
        return f"{counted(self.steps, 'step')} of {each}, a beam of {self.beam}, {shown} a step"


def affordable(room: Room, cells: int, examples: int | None, beam: int) -> tuple[int, int, int]:
    """(steps, examples, candidates of a step) that so many cells afford: fewer steps before fewer candidates."""
    shown = min(EXAMPLES if examples is None else examples, room.train)
    # Fewer examples where they buy a second step: one step adds one component.
    while shown > 4 and examples is None and cells < 2 * shown * (FEWEST_CANDIDATES + beam):
        shown //= 2
    steps = max(1, min(STEPS, cells // (shown * (FEWEST_CANDIDATES + beam))))
    return steps, shown, max(FEWEST_CANDIDATES, cells // (steps * shown) - beam)


def edits_at_most(step: int, pool: int, plan: SprigPlan) -> int:
    """Edits of a step whose prompts have `step` components, at most."""
    beam = 1 if step == 0 else plan.beam
    return beam * (pool * (step + 1) + step + step * (step - 1) // 2 + plan.rephrasings * step)
