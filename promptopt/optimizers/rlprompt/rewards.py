"""From what prompts scored to what the policy learns from: z-scores in a group, and a linear map.

Source   RLPrompt (Deng et al. 2022, arXiv:2205.12548) and its code: the piecewise reward is `labels` with
         `value="piecewise"`; here is what follows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

EPSILON = 1e-4
"""Added to the standard deviation (their code)."""


def finite(rewards: Sequence[float]) -> list[float]:
    """With the least finite reward in the place of every other: of a text that is impossible, its loss is infinite.

    Zeros where none is finite.
    """
    least = min((each for each in rewards if math.isfinite(each)), default=0.0)
    return [each if math.isfinite(each) else least for each in rewards]


def tied(rewards: Sequence[float]) -> bool:
    """Whether all rewards are equal, up to rounding."""
    return max(finite(rewards)) - min(finite(rewards)) < 1e-9


def z_scores(rewards: Sequence[float], among: Sequence[float] | None = None) -> list[float]:
    """(reward - mean) / (population standard deviation + 1e-4); zeros where all are equal.

    `among`: what mean and deviation are taken over; None: the rewards themselves.
    """
    group = rewards if among is None else among
    # By rounding, equal rewards may differ in the last digits, and their deviation would make scores of these.
    if among is None and tied(rewards):
        return [0.0] * len(rewards)
    mean = math.fsum(group) / len(group)
    # Of the population, as their code has it: the group is all there is, and no sample of more.
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in group) / len(group))
    return [(each - mean) / (deviation + EPSILON) for each in rewards]


def shaped(reward: float, old: tuple[float, float], new: tuple[float, float]) -> float:
    """`reward` by the line that maps the range `old` to `new`; beyond the ends too."""
    # Not clamped: z-scores lie outside of the range [0, 1] that their settings are named for.
    return new[0] + (reward - old[0]) / (old[1] - old[0]) * (new[1] - new[0])


def leave_one_out(rewards: Sequence[float]) -> list[float]:
    """Each reward less the mean of the others: the advantages of RLOO (Ahmadian et al. 2024, arXiv:2402.14740).

    They add up to zero, and are zeros where all are equal. At least two rewards.
    """
    if tied(rewards):
        return [0.0] * len(rewards)
    # (r_i - mean of the others) is n / (n - 1) times (r_i - mean of all): the same direction, and unbiased.
    total, others = math.fsum(rewards), len(rewards) - 1
    return [each - (total - each) / others for each in rewards]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of points that no other is above in one number and at least level with in the other, best first.

    By the first number, then by the second; of equal points the first stands for all.
    """
    order = sorted(range(len(points)), key=lambda place: (-points[place][0], -points[place][1], place))
    kept: list[int] = []
    for place in order:
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept
