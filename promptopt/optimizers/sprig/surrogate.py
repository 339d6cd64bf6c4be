"""What prompts of components are worth, learned from those that were scored: it ranks the thousands that are not.

Source   Zhang et al. 2024, SPRIG, version 3 (arXiv:2410.14826): a reward model of pairs, the loss of one being
         -log sigmoid(r_winner - r_loser - margin) with the gap of their scores as the margin.
Departs  the reference trains an encoder (ModernBERT) on 10,000 scored prompts. This one is linear in the components,
         their categories and their number: it needs no training library, learns from dozens of prompts, and knows no
         interplay of two components. It is fitted to all pairs until it converges, where the reference trains one epoch
         and keeps the checkpoint that ranks a held-out fifth best. Pairs are of one draw of examples, so that luck in
         the draw is in neither.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from promptopt.optimizers.sprig.edits import Parts

PAIRS_LEARNED = 20_000
"""Pairs learned from, about: as many of each draw as its share of the prompts, by chance where it has more. The paper:
100,000."""
GAP = 10.0
"""Margin of a pair whose scores are 1 apart: a linear model of scores in [0, 1] needs no percentage points. Ours."""

Weights = Mapping[str, float]
"""By feature."""
ScoredDraws = Sequence[tuple[Parts, float]]
"""Prompts that were scored on one draw of examples, and what they are worth."""


class ScorePredictor(Protocol):
    """Learns from scored prompts, and says what others may be worth; only the order of that counts."""

    def fit(self, draws: Sequence[ScoredDraws]) -> Weights:
        """What was learned, as numbers by name: a function of `draws` alone, kept by the run."""
        ...

    def worth(self, parts: Parts, weights: Weights) -> float:
        """What a prompt may be worth."""
        ...


@dataclass(frozen=True, slots=True)
class RewardModel:
    """Linear in what a prompt is made of. `ridge`: how far weights are held at 0, a share of the loss of a pair."""

    ridge: float = 0.01

    def fit(self, draws: Sequence[ScoredDraws]) -> Weights:
        """The weights of least loss; none where no two prompts of a draw differ."""
        # Imported here, so that `import promptopt` stays light.
        import numpy as np
        from scipy.optimize import minimize

        prompts = sum(map(len, draws))
        pairs = [pair for draw in draws for pair in _ordered_pairs(draw, max(1, PAIRS_LEARNED * len(draw) // prompts))]
        # In the order they come up: that of a set would differ between processes.
        names = list(
            dict.fromkeys(name for better, worse, _ in pairs for name in (*_features(better), *_features(worse)))
        )
        if not pairs:
            return {}
        place = {name: at for at, name in enumerate(names)}
        apart = np.zeros((len(pairs), len(names)))
        for row, (better, worse, _) in enumerate(pairs):
            for parts, sign in ((better, 1.0), (worse, -1.0)):
                for name, value in _features(parts).items():
                    apart[row, place[name]] += sign * value
        margins = GAP * np.array([gap for *_, gap in pairs])

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            ahead = apart @ weights - margins
            # Clipped and by logaddexp: exp of a large number would overflow.
            slope = -1.0 / (1.0 + np.exp(np.clip(ahead, -500.0, 500.0)))
            value = float(np.logaddexp(0.0, -ahead).mean()) + self.ridge * float(weights @ weights)
            return value, apart.T @ slope / len(pairs) + 2.0 * self.ridge * weights

        # Convex with the ridge, so where it begins makes no difference.
        found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B")
        # Rounded: what libraries differ by in the last digits must not rank anything.
        return {name: round(float(weight), 6) for name, weight in zip(names, found.x, strict=True)}

    def worth(self, parts: Parts, weights: Weights) -> float:
        """The sum over what it is made of; what was never scored counts nothing."""
        # As the product with `_features`, in a fraction of its time: it is taken of thousands in each step.
        own = (
            weights.get(f"family {each.family}", 0.0) + weights.get(f"category {each.category}", 0.0) for each in parts
        )
        return weights.get("length", 0.0) * len(parts) + sum(own)


def _ordered_pairs(draw: ScoredDraws, most: int) -> Iterator[tuple[Parts, Parts, float]]:
    """(better, worse, by how much) of two that differ: of all, or of `most` by chance."""
    count = len(draw)
    if count * (count - 1) // 2 <= most:
        places = list(combinations(range(count), 2))
    else:
        # A generator of its own, for what is learned has to follow from the scored prompts alone.
        rng = random.Random(f"pairs {count}")
        places = [(rng.randrange(count), rng.randrange(count)) for _ in range(most)]
    for at, to in places:
        (one, first), (other, second) = draw[at], draw[to]
        if first != second:
            yield (one, other, first - second) if first > second else (other, one, second - first)


def _features(parts: Parts) -> dict[str, float]:
    found: dict[str, float] = {"length": float(len(parts))}
    for each in parts:
        for name in (f"family {each.family}", f"category {each.category}"):
            found[name] = found.get(name, 0.0) + 1.0
    return found
