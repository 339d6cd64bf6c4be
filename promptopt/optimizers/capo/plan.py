"""What a search of CAPO will do with what it is granted."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.selection.generations import Fresh
from promptopt.text import counted

ITERATIONS = 999
"""The paper's: so many that the budget ends every search before."""


@dataclass(frozen=True, slots=True)
class CAPOPlan:
    """Concrete numbers. `fresh`: None for the paper's rule, which races over blocks of the same examples."""

    rounds: int
    population: int
    crossovers: int
    fresh: Fresh | None

    @property
    def open_ended(self) -> bool:
        """Whether the paper's number of rounds holds, which none of its searches comes to."""
        return self.rounds >= ITERATIONS

    def describe(self) -> str:
        """Half a sentence."""
        if self.fresh is not None:
            return self.fresh.describe()
        return (
            f"{counted(self.rounds, 'iteration')} of {counted(self.crossovers, 'child', 'children')}, races of a "
            f"population of {self.population}"
        )
