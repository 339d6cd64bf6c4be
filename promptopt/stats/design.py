"""How two prompts are compared: what counts once in the mean, and whether it is looked at while examples come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.stats import Gain, paired_gain
from promptopt.types import Weigh


@dataclass(frozen=True, slots=True)
class Design:
    """`weigh`: as in `paired_gain`."""

    weigh: Weigh = "turn"

    def gain(self, before: Sequence[float], after: Sequence[float], groups: Sequence[str], alpha: float) -> Gain:
        """As `paired_gain`."""
        return paired_gain(before, after, alpha=alpha, groups=groups, weigh=self.weigh)


PLAIN = Design()
"""Each example counts once."""
