"""Brute force: every prompt on the same examples (APO's "Uniform")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptopt.arguments import told
from promptopt.selection.arms import Arms, at_least
from promptopt.types import Estimate, Example, Prompt

if TYPE_CHECKING:
    from promptopt.run import Run


@told
@dataclass(frozen=True, slots=True)
class Exhaustive:
    """One sample of min(examples, budget // prompts) for all prompts; ranked by mean. One batch."""

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. As in APO's code."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts, best first; those the budget did not reach are last, with mean NaN and count 0.

        Raises ConfigError when there are no examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)
        arms.spread()
        return arms.estimates(arms.ranked(range(len(arms))))
