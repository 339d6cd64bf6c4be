"""How near racing is to a policy that knows the planted set-up: a posterior of all prompts, looks to the closest two.

    python -m benchmarks.racing_contenders [--trials 600] [--prompts 16] [--difficulty 0.8]

The trials of `benchmarks/racing.py`, a third of the evaluations. The policy knows the variances that the prompts were
planted with, and takes scores for normal: value of the prompt + ease of the example + noise. Every look goes to the
prompt at the top, or to the one that is fewest standard deviations of their difference over all examples behind it,
whichever has seen less; what is unseen counts as a remainder only. At the end the highest posterior mean wins, not the
highest plain mean. No model is asked. It is no bound: nobody knows how much better an adaptive policy can be.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.racing import FIRST
from promptopt.run import Run
from promptopt.selection.racing import Racing
from tests.selection.landscape import Landscape, plant

Matrix = NDArray[np.float64]
VALUE, EASE, NOISE = 0.05**2, 0.05, 0.16
"""Variances: of the accuracies as planted, of what prompts share on an example at difficulty 0.8, and of the rest."""
FIRST_LOOK, STEP = 20, 5
"""Examples that everybody sees first, and of one look."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Of the means over all examples: `mean` (prompts), and `gap` (prompts), deviations behind the highest of them."""

    mean: Matrix
    gap: Matrix


def believed(scores: Matrix, seen: NDArray[np.int64]) -> Belief:
    """What the first `seen` (prompts) scores of every row say; scores (prompts x examples)."""
    prompts, examples = scores.shape
    known = (np.arange(examples)[None, :] < seen[:, None]).astype(float)
    level = (scores * known).sum() / known.sum()
    excess, share = (scores - level) * known, 1 / (NOISE / EASE + known.sum(axis=0))
    # The level that all prompts share is not known beforehand: only what they differ by is drawn together.
    precision = (np.eye(prompts) - 1 / prompts) / VALUE + 1e-6 * np.eye(prompts)
    precision += np.diag(seen / NOISE) - (known * share / NOISE) @ known.T
    covariance = np.linalg.inv(precision)
    value = covariance @ (excess.sum(axis=1) - (known * share) @ excess.sum(axis=0)) / NOISE
    ease = (excess - value[:, None] * known).sum(axis=0) * share
    rest = (ease[None, :] * (1 - known)).sum(axis=1)
    mean = (excess.sum(axis=1) + (examples - seen) * value + rest) / examples
    top = int(np.argmax(mean))
    left = (examples - seen) / examples
    spread = left[top] ** 2 * covariance[top, top] + left**2 * np.diag(covariance)
    spread += (left[top] + left) * NOISE / examples - 2 * left[top] * left * covariance[top]
    # What one has seen and the other has not is not paired; half of the ease is known from others.
    spread += np.abs(seen - seen[top]) * 0.5 * EASE / examples**2
    gap = (mean[top] - mean) / np.sqrt(np.maximum(spread, 1e-12))
    gap[top] = math.inf
    return Belief(mean, gap)


def chosen(scores: Matrix, budget: int) -> int:
    """The row that the policy believes to be the best after `budget` cells, each row seen from its left."""
    prompts, examples = scores.shape
    seen = np.full(prompts, FIRST_LOOK)
    left = budget - prompts * FIRST_LOOK
    while left > 0:
        belief = believed(scores, seen)
        top, unseen = int(np.argmax(belief.mean)), seen < examples
        gap = belief.gap if unseen[top] else np.where(unseen, belief.gap, math.inf)
        rival = int(np.argmin(gap))
        if not math.isfinite(gap[rival]):
            break
        arm = rival if not unseen[top] or (unseen[rival] and seen[rival] < seen[top]) else top
        step = min(STEP, examples - int(seen[arm]), left)
        seen[arm] += step
        left -= step
    return int(np.argmax(believed(scores, seen).mean))


def trial(number: int, prompts: int, difficulty: float) -> tuple[bool, bool]:
    """Whether the policy, and whether racing, finds a prompt with the highest mean over all examples."""
    _, right = plant(np.random.default_rng(number), arms=prompts, difficulty=difficulty)
    means, budget = right.mean(axis=1), right.size // 3
    order = np.random.default_rng([number, prompts]).permutation(right.shape[1])
    mine = chosen(right[:, order].astype(float), budget)
    landscape = Landscape(right, seed=number)
    raced = Racing(budget).select(cast(Run, landscape), landscape.prompts, landscape.examples, 1)[0].prompt
    return bool(means[mine] == means.max()), bool(means[landscape.arm[raced]] == means.max())


def main() -> None:
    parser = argparse.ArgumentParser(description="Racing beside a policy that knows the planted set-up.")
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--difficulty", type=float, default=0.8)
    options = parser.parse_args()
    numbers = range(FIRST, FIRST + options.trials)
    found = np.array([trial(number, options.prompts, options.difficulty) for number in numbers], dtype=float)
    lead = found[:, 0] - found[:, 1]
    for name, values in (("the policy", found[:, 0]), ("racing (default)", found[:, 1]), ("the lead", lead)):
        print(f"{name}: {values.mean():.1%} ± {values.std(ddof=1) / math.sqrt(len(values)):.1%}")


if __name__ == "__main__":
    main()
