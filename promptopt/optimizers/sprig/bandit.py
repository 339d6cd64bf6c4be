"""Which families of components are worth adding: upper confidence bounds on what an addition has brought so far.

Source   Zhang et al. 2024, SPRIG, arXiv:2410.14826; the bound is UCB1, Auer et al. 2002, doi:10.1023/A:1013689704352.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import pstdev

from promptopt.optimizers.sprig.corpus import Component


@dataclass(slots=True)
class Credits:
    """The changes of a prompt's worth, by family, whenever one of it was added (or, negated, taken out).

    `scaled`: divide them by their standard deviation over all families: changes of means in [0, 1] are mostly below
    0.1, beside which the bound's bonus alone would decide for thousands of credits. Ours.
    """

    scaled: bool = True
    given: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def add(self, family: str, change: float) -> None:
        """One more change."""
        self.given.setdefault(family, []).append(change)

    def index(self, family: str, c: float = 1.0) -> float:
        """M + c * sqrt(2 ln(N + 0.001) / n): the mean and number of a family's credits, N of all; untried, infinite."""
        return self._indices([family], c)[0]

    def select(self, corpus: Sequence[Component], most: int, c: float = 1.0) -> list[Component]:
        """The `most` families with the highest index, ties by their place in `corpus`; before any credit, all."""
        # Nothing was tried: the first step tries the whole corpus, or as much of it as a budget affords.
        if not self.given:
            return list(corpus)
        indices = self._indices([each.family for each in corpus], c)
        return [corpus[place] for place in sorted(range(len(corpus)), key=lambda place: -indices[place])[:most]]

    def _indices(self, families: Sequence[str], c: float) -> list[float]:
        every = [change for changes in self.given.values() for change in changes]
        # Where all credits are equal there is no deviation to divide by.
        scale = pstdev(every) if self.scaled and every else 1.0
        found: list[float] = []
        for family in families:
            own = self.given.get(family, [])
            if not own:
                found.append(math.inf)
                continue
            mean = math.fsum(own) / len(own) / (scale if scale > 0 else 1.0)
            found.append(mean + c * math.sqrt(2 * math.log(len(every) + 0.001) / len(own)))
        return found
