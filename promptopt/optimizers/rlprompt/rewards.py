"""From what prompts scored to what the policy learns from: z-scores in a group, a linear map, the best of groups.

Source   RLPrompt (Deng et al. 2022, arXiv:2205.12548) and its code: the piecewise reward is `labels` with
         `value="piecewise"`; here is what follows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.errors import ConfigError

EPSILON = 1e-4
"""Added to the standard deviation (their code)."""


def z_scores(rewards: Sequence[float], among: Sequence[float] | None = None) -> list[float]:
    """(reward - mean) / (population standard deviation + 1e-4); zeros where all are equal.

    `among`: what mean and deviation are taken over; None: the rewards themselves.
    """
    group = rewards if among is None else among
    mean = math.fsum(group) / len(group)
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in group) / len(group))
    return [(each - mean) / (deviation + EPSILON) for each in rewards]


def shaped(reward: float, old: tuple[float, float], new: tuple[float, float]) -> float:
    """`reward` by the line that maps the range `old` to `new`; beyond the ends too."""
    return new[0] + (reward - old[0]) / (old[1] - old[0]) * (new[1] - new[0])


def mean_of_maxima(worths: Sequence[float], groups: int) -> float:
    """The mean over consecutive groups of equal size of the best in each: the reward of a prompt that is sampled from.

    Raises ConfigError where the groups are not of equal size.
    """
    if groups < 1 or not worths or len(worths) % groups:
        raise ConfigError(
            f"{len(worths)} outputs cannot be divided into {groups} groups of equal size; draw a multiple of {groups}"
        )
    size = len(worths) // groups
    return math.fsum(max(worths[begin : begin + size]) for begin in range(0, len(worths), size)) / groups


def leave_one_out(rewards: Sequence[float]) -> list[float]:
    """Each reward less the mean of the others: the advantages of RLOO (Ahmadian et al. 2024, arXiv:2402.14740).

    They add up to zero. At least two rewards.
    """
    total, others = math.fsum(rewards), len(rewards) - 1
    return [each - (total - each) / others for each in rewards]
