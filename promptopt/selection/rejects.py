"""Successive rejects (Audibert & Bubeck 2010): after every phase the worst prompt leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptopt.arguments import told
from promptopt.selection.arms import Arms, at_least
from promptopt.types import Estimate, Example, Prompt

if TYPE_CHECKING:
    from promptopt.run import Run


def phase_lengths(arms: int, finalists: int, budget: int) -> list[int]:
    """n_1 … n_(K-f): how many examples every arm still in play has seen by the end of each phase.

    n_k = ceil((B - K) / (L·(K + 1 - k))) with L = f/(f + 1) + Σ_{i=f+1..K} 1/i, for B > K > f. With that L the phases
    down to f arms cost at most B and, but for rounding, all of it. With f = 1 it is the paper's 1/2 + Σ_{i=2..K} 1/i.
    """
    scale = finalists / (finalists + 1) + sum(1 / rank for rank in range(finalists + 1, arms + 1))
    return [math.ceil((budget - arms) / (scale * (arms + 1 - phase))) for phase in range(1, arms - finalists + 1)]


@told
@dataclass(frozen=True, slots=True)
class SuccessiveRejects:
    """Phases in which all arms still in play see new examples and the one with the smallest cumulative mean leaves.

    Many small batches, one a phase: SuccessiveHalving suits engines that reuse a prompt's prefix better.
    """

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. As in APO's code."""
    planned_for: Literal["keep", "one"] = "keep"
    """Phases planned down to `keep` arms, or as published to one, stopping early (36 arms, keep 4: 22 % unspent)."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts: survivors by mean, then the rejected, last rejected first.

        Those the budget did not reach are last, with mean NaN and count 0. Raises ConfigError when there are no
        examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)
        alive = list(range(len(arms)))
        # With one evaluation an arm or less there is no phase to plan: the formula needs B > K.
        if len(arms) <= keep or len(arms) >= self.budget:
            arms.spread()
            return arms.estimates(arms.ranked(alive))
        finalists = keep if self.planned_for == "keep" else 1
        rejected: list[int] = []
        seen = 0
        for length in phase_lengths(len(arms), finalists, self.budget)[: len(arms) - keep]:
            arms.pull(alive, length - seen)
            seen = length
            # Of equal means the later one leaves.
            # By the mean over all phases (Audibert & Bubeck); APO's code goes by the latest batch alone.
            worst = arms.ranked(alive)[-1]
            alive.remove(worst)
            rejected.append(worst)
        return arms.estimates([*arms.ranked(alive), *reversed(rejected)])
