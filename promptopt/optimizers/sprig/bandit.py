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
        own = self.given.get(family, [])
        if not own:
            return math.inf
        total = sum(map(len, self.given.values()))
        scale = pstdev([change for changes in self.given.values() for change in changes]) if self.scaled else 1.0
        mean = math.fsum(own) / len(own) / (scale if scale > 0 else 1.0)
        return mean + c * math.sqrt(2 * math.log(total + 0.001) / len(own))

    def select(self, corpus: Sequence[Component], most: int, c: float = 1.0) -> list[Component]:
        """The `most` families with the highest index, ties by id; before any credit is given, all."""
        if not self.given:
            return list(corpus)
        return sorted(corpus, key=lambda each: (-self.index(each.family, c), each.family))[:most]
