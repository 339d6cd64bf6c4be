"""What a search of OPRO will do with what it is granted."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.selection.generations import Fresh
from promptopt.text import counted


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
