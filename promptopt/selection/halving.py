"""Successive halving (Karnin, Koren & Somekh 2013): after every phase the worse half leaves."""

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


@told
@dataclass(frozen=True, slots=True)
class SuccessiveHalving:
    """ρ phases, each with an equal share of the budget; survivors are ranked by cumulative mean. Few, large batches.

    Phase r shows each of the arms in S_r floor(B / (|S_r|·ρ)) new examples and keeps the best ceil(|S_r| / 2), never
    fewer than `keep`.
    """

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. As in APO's code."""
    planned_for: Literal["keep", "one"] = "keep"
    """ρ = ceil(log2(K / keep)), the phases that halve; or as published ceil(log2 K), whose last ones drop nobody."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts: survivors by mean, then those dropped, latest phase first, by mean within a phase.

        Those the budget did not reach are last, with mean NaN and count 0. Raises ConfigError when there are no
        examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)
        alive = list(range(len(arms)))
        # With less than one evaluation an arm no phase could compare all of them.
        if len(arms) <= keep or len(arms) >= self.budget:
            arms.spread()
            return arms.estimates(arms.ranked(alive))
        dropped: list[int] = []
        phases = math.ceil(math.log2(len(arms) / (keep if self.planned_for == "keep" else 1)))
        for _ in range(phases):
            # One example at least, while the budget has one for every arm: a share below one would decide by nothing.
            share = max(1, self.budget // (len(alive) * phases))
            arms.pull(alive, min(share, arms.left // len(alive)))
            ranked = arms.ranked(alive)
            survivors = max(keep, math.ceil(len(alive) / 2))
            # Back in the order given, so that ties go to the earlier arm in every phase.
            alive, dropped = sorted(ranked[:survivors]), [*ranked[survivors:], *dropped]
        return arms.estimates([*arms.ranked(alive), *dropped])
