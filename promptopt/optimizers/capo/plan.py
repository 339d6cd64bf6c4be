"""What a search of CAPO will do with what it is granted."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.selection.generations import Fresh
from promptopt.text import counted

SMALL = 1_000
"""Evaluations of a search below which survivors are chosen by the posterior over the lineage. On planted tasks that
gains there (at caps of 500 and 1,000 evaluations 0.27 -> 0.32 and 0.26 -> 0.36), and loses above (2,000: 0.41 -> 0.32).
Its small population keeps what it knows best, and newcomers have no time to be known as well."""


@dataclass(frozen=True, slots=True)
class CAPOPlan:
    """Concrete numbers. `fresh`: None for the paper's rule, which races over blocks of the same examples."""

    rounds: int
    population: int
    crossovers: int
    fresh: Fresh | None

    def describe(self) -> str:
        """Half a sentence."""
        if self.fresh is not None:
            return self.fresh.describe()
        return (
            f"{counted(self.rounds, 'iteration')} of {counted(self.crossovers, 'child', 'children')}, races of a "
            f"population of {self.population}"
        )
