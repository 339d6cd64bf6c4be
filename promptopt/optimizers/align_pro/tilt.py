"""The optimum of a KL-regularised rewriter, taken over samples: the reference's own draws, tilted by what they earn.

Source   Trivedi et al. 2025, Align-Pro, AAAI 2025, arXiv:2501.03486: maximise E[R] - lambda KL(rewriter || reference),
         whose optimum is the reference times exp(R / lambda), normalised. The draws of the reference stand for it here.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_WEIGHT, MOST_WEIGHT = 1e-9, 1e9
"""Of lambda, in the reward's unit, between which a bound on KL is solved."""
EQUAL = 1e-200
"""Rewards that differ by less are equal: a lambda for them would be no number."""
# Some sixty leave less of the interval than a float can tell apart, and the others cost next to nothing.
HALVINGS = 200


@dataclass(frozen=True, slots=True)
class Tilt:
    """Weights that add up to 1, their KL to the reference in nats, and the lambda they belong to.

    `value`: E[R] - lambda * KL, by the rewards that were seen; E[R] itself where lambda is infinite. Where the weights
    are the optimum of these very rewards it is lambda * log Z; of corrected ones it is at most that.
    """

    weights: tuple[float, ...]
    kl: float
    strength: float
    reference_reward: float
    reward: float
    value: float

    @property
    def effective(self) -> float:
        """How many rewrites the weights are spread over: 1 / the sum of their squares (Kish 1965)."""
        return 1 / math.fsum(each * each for each in self.weights)

    def told_by(self, rewards: Sequence[float], counts: Sequence[int]) -> Tilt:
        """The same weights, with the mean rewards that they give of these."""
        reference = math.fsum(map(operator.mul, rewards, counts)) / sum(counts)
        reward = math.fsum(map(operator.mul, rewards, self.weights))
        value = reward - self.strength * self.kl if math.isfinite(self.strength) else reward
        return Tilt(self.weights, self.kl, self.strength, reference, reward, value)


def tilted(rewards: Sequence[float], counts: Sequence[int], strength: float) -> Tilt:
    """The optimum for lambda = `strength`; `counts`: how often the reference drew each rewrite."""
    total = sum(counts)
    # Shifted by the largest, which the normalisation takes out again: exp of a large R / lambda would overflow.
    top = max(rewards)
    raised = [
        # Reference times exp(R / lambda), the optimum of the paper; a count is the reference, up to a factor.
        count * math.exp((reward - top) / strength) if math.isfinite(strength) else float(count)
        for reward, count in zip(rewards, counts, strict=True)
    ]
    mass = math.fsum(raised)
    # Divided by Z, estimated over the draws.
    weights = tuple(each / mass for each in raised)
    kl = math.fsum(w * math.log(w * total / count) for w, count in zip(weights, counts, strict=True) if w > 0)
    # KL is never negative, but rounding can make it so.
    return Tilt(weights, max(0.0, kl), strength, 0.0, 0.0, 0.0).told_by(rewards, counts)


def within_bound(rewards: Sequence[float], counts: Sequence[int], bound: float) -> Tilt:
    """The optimum for the smallest lambda whose KL is at most `bound` nats; KL falls as lambda grows.

    Where all rewards are equal nothing is tilted, and lambda is infinite. Where the bound is above what any weights
    have, all weight is on the best.
    """
    spread = max(rewards) - min(rewards)
    if spread < EQUAL:
        return tilted(rewards, counts, math.inf)
    # In logs and in units of the spread, since lambda has the unit of rewards, whatever that is.
    low, high = math.log(LEAST_WEIGHT * spread), math.log(MOST_WEIGHT * spread)
    sharpest = tilted(rewards, counts, math.exp(low))
    if sharpest.kl <= bound:
        return sharpest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if tilted(rewards, counts, math.exp(middle)).kl > bound:
            low = middle
        else:
            high = middle
    # The upper end: the one side of the bisection that surely keeps the bound.
    return tilted(rewards, counts, math.exp(high))


def corrected(rewards: Sequence[float], deviations: Sequence[float], answers: int, strength: float) -> list[float]:
    """Mean rewards less the bias that the exponential of a noisy mean has: s^2 / (2 m lambda).

    As if the mean of m answers were normal about its truth: the log of E exp(X) is then the mean of X and half its
    variance, here of X = R / lambda. Ours.

    `deviations`: of single answers; of fewer than four answers they say little, and the pooled one stands for all.
    """
    if not math.isfinite(strength):
        return list(rewards)
    squares = [each * each for each in deviations]
    if answers < 4:
        squares = [math.fsum(squares) / len(squares)] * len(squares)
    return [reward - square / (2 * answers * strength) for reward, square in zip(rewards, squares, strict=True)]


def draw_place(weights: Sequence[float], rng: random.Random) -> int:
    """A place by its weight."""
    return rng.choices(range(len(weights)), weights)[0]
