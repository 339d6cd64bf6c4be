"""Upper confidence bounds: prompts that may still prove best get the next examples (Auer et al. 2002; UCB-E).

The published code takes for t the round, so that ln t = 0 repeats the first choice; it starts from a random few of the
arms. Here t counts examples, every arm is pulled before an index is used, and ties go to the earlier arm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptopt.arguments import told
from promptopt.selection.arms import Arms, at_least
from promptopt.types import Estimate, Example, Prompt

if TYPE_CHECKING:
    from promptopt.run import Run


def ucb_index(mean: float, count: int, total: int, exploration: float) -> float:
    """μ + c·sqrt(ln t / N): an arm's mean over its `count` examples, with `total` examples over all arms."""
    # UCB1 of Auer et al. 2002 is this with c = sqrt(2).
    return mean + exploration * math.sqrt(math.log(total) / count)


def ucb_e_index(mean: float, count: int, exploration: float) -> float:
    """μ + sqrt(a / N) (Audibert & Bubeck 2010, UCB-E)."""
    return mean + math.sqrt(exploration / count)


@told
@dataclass(frozen=True, slots=True)
class UCB:
    """Each round, new examples for the arms with the largest μ + c·sqrt(ln t / N)."""

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. APO: 8 rounds of 8 arms on 32 examples."""
    exploration: float = 0.25
    """c, in units of score. APO's code: 1.0, which gained less in every setting tried."""
    arms_per_round: int = 8
    """Arms pulled before the indices are computed anew. APO's code: 8."""
    examples_per_pull: int = 16
    """New examples for an arm in one pull. APO's code: 32, which leaves half as many pulls to adapt with."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)
        at_least(0, "exploration", self.exploration)
        at_least(1, "arms_per_round", self.arms_per_round)
        at_least(1, "examples_per_pull", self.examples_per_pull)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts, best first; those the budget did not reach are last, with mean NaN and count 0.

        Raises ConfigError when there are no examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)

        def index(arm: int) -> float:
            return ucb_index(arms.mean(arm), arms.count(arm), arms.pulled, self.exploration)

        return _pull_largest(arms, keep, self.arms_per_round, self.examples_per_pull, index)


@told
@dataclass(frozen=True, slots=True)
class UCBE:
    """Each round, new examples for the arms with the largest μ + sqrt(a / N)."""

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. APO's code, as for UCB."""
    exploration: float = 0.3
    """a, in units of score squared. APO's code: c³ = 1; the guideline (25/36)(B - K) / ΣΔ⁻² needs the gaps Δ."""
    arms_per_round: int = 8
    """Arms pulled before the indices are computed anew. APO's code: 8."""
    examples_per_pull: int = 16
    """New examples for an arm in one pull. APO's code: 32."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)
        at_least(0, "exploration", self.exploration)
        at_least(1, "arms_per_round", self.arms_per_round)
        at_least(1, "examples_per_pull", self.examples_per_pull)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts, best first; those the budget did not reach are last, with mean NaN and count 0.

        Raises ConfigError when there are no examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)

        def index(arm: int) -> float:
            return ucb_e_index(arms.mean(arm), arms.count(arm), self.exploration)

        return _pull_largest(arms, keep, self.arms_per_round, self.examples_per_pull, index)


def _pull_largest(
    arms: Arms, keep: int, arms_per_round: int, examples_per_pull: int, index: Callable[[int], float]
) -> list[Estimate]:
    everyone = range(len(arms))
    # Nobody has to leave, so there is nothing to find out: all are looked at alike.
    if len(arms) <= keep:
        arms.spread()
        return arms.estimates(arms.ranked(everyone))
    # A small budget shrinks the pulls: were it gone after the first look, nothing would be left to adapt with.
    each = max(1, min(examples_per_pull, arms.left // (2 * len(arms))))
    arms.pull(everyone, each)
    while arms.left:
        # An arm that has seen all the data has an exact mean: no bonus, no pull.
        indices = [arms.mean(arm) if arms.exhausted(arm) else index(arm) for arm in everyone]
        # As many as are kept at least, or an arm that goes on might be chosen by its first look alone.
        leaders = sorted(everyone, key=indices.__getitem__, reverse=True)[: max(keep, arms_per_round)]
        open_arms = [arm for arm in leaders if not arms.exhausted(arm)]
        # The leaders' means are exact and no other's bound is above them: further looks would change nothing.
        if not open_arms:
            break
        arms.pull(open_arms[:arms_per_round], each)
    return arms.estimates(arms.ranked(everyone))
