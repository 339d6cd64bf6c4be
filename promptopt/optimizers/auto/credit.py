"""Which operator makes the next child: those whose children survive are drawn more often, and none is given up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

RECORD_DECAY = 0.98
"""What an operator's record is worth one child later: a search changes what pays."""
EVEN = 0.4
"""Share of the draws that goes to all operators alike, whatever their record. Ours."""


class Credit:
    """Successes and failures of each operator, from one of each on."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """`weights`: how often an operator is drawn, beside others of the same record."""
        self._weights = dict(weights)
        self._records: dict[str, tuple[float, float]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget every record."""
        # A half each, until something is known.
        self._records = dict.fromkeys(self._weights, (1.0, 1.0))

    def rate(self, operator: str) -> float:
        """The share of its children that survived, of late."""
        successes, failures = self._records[operator]
        return successes / (successes + failures)

    def probabilities(self, among: Sequence[str]) -> dict[str, float]:
        """P(o) = 0.4 / |O| + 0.6 rate(o) / sum of rates, for operators of equal weight."""
        weights = [self._weights[operator] for operator in among]
        earned = [weight * self.rate(operator) for operator, weight in zip(among, weights, strict=True)]
        # Some of the draws go to all alike: an operator that had bad luck early would else never be drawn again.
        return {
            operator: EVEN * weight / sum(weights) + (1 - EVEN) * gain / sum(earned)
            for operator, weight, gain in zip(among, weights, earned, strict=True)
        }

    def draw(self, rng: random.Random, among: Sequence[str]) -> str:
        """One of `among`, at least one of which there must be."""
        chances = self.probabilities(among)
        return rng.choices(list(chances), list(chances.values()))[0]

    def note(self, operator: str, success: bool) -> None:
        """Whether a child of `operator` survived its generation."""
        successes, failures = self._records[operator]
        self._records[operator] = RECORD_DECAY * successes + success, RECORD_DECAY * failures + (not success)
