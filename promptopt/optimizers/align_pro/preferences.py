"""Rewrites and what they earned as preference pairs, for training a rewriter of one's own with TRL's DPO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from promptopt.types import canonical


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A rewrite, the mean and deviation of its answers' rewards, and how many answers these were."""

    text: str
    reward: float
    deviation: float
    answers: int


def preference_lines(source: str, rewrites: Sequence[Rewarded], strength: float) -> list[str]:
    """A JSON record for each pair whose rewards differ by more than two standard errors, the better one chosen.

    Inverting the optimum, R = lambda * log(optimum / reference) + lambda * log Z, so that DPO with beta = lambda trains
    it (Rafailov et al. 2023, arXiv:2305.18290); `beta` stands in every record.
    """
    lines: list[str] = []
    for one, other in combinations(rewrites, 2):
        better, worse = (one, other) if one.reward >= other.reward else (other, one)
        # As of independent means: those of a run share their examples, so their true error is smaller.
        error = math.sqrt(one.deviation**2 / one.answers + other.deviation**2 / other.answers)
        margin = better.reward - worse.reward
        if margin > 2 * error and margin > 0:
            record = {"prompt": source, "chosen": better.text, "rejected": worse.text, "beta": strength}
            lines.append(canonical({**record, "margin": margin}))
    return lines
