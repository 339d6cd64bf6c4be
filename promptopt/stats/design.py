"""How two prompts are compared: what counts once in the mean, and whether they are looked at while examples come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.stats import Gain, paired_gain
from promptopt.types import Weigh


@dataclass(frozen=True, slots=True)
class Design:
    """`weigh`: as in `paired_gain`. `sequential`: gains hold at many looks, so that a test may stop once it decides."""

    weigh: Weigh = "turn"
    sequential: bool = False

    def gain(
        self,
        before: Sequence[float],
        after: Sequence[float],
        groups: Sequence[str],
        alpha: float,
        *,
        preferences: bool = False,
    ) -> Gain:
        """As `paired_gain`, or `running_gain`."""
        if self.sequential and before:
            from promptopt.stats.sequences import running_gain

            return running_gain(before, after, alpha=alpha, groups=groups, weigh=self.weigh, preferences=preferences)
        return paired_gain(before, after, alpha=alpha, groups=groups, weigh=self.weigh, preferences=preferences)


PLAIN = Design()
"""A test of a fixed size in which each example counts once."""
