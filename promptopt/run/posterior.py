"""What every candidate is believed to be worth: a mixed model over the lineage, from all scores of the search.

    score(p, e) = value(p) + ease(e) + noise        value(p) = mean of the parents' values + step

All four parts are independent and normal, so the posterior is one linear system. It is the animal model of breeding
(Henderson 1975, Biometrics 31:423-447), with prompts for animals and examples for herds. A few looks at each of many
relatives tell something about all of them, and an easy example lifts nobody. A plain mean over what a survivor has seen
carries the luck that let it survive; the posterior is drawn towards the relatives by as much as that luck is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from promptopt.types import Prompt

STEP, EASE, NOISE = 0.02, 0.4, 0.48
"""Variances of a step, of the ease of examples and of the noise, in variances of a score: of planted searches the best,
and flat there: half or twice of each costs a point at most."""
ALIKE = 1e-12
"""A variance of scores below it is none."""

Values = Mapping[str, float]
"""The score of a prompt on each example it has seen, by the example's id."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Mean and standard deviation of the value of each prompt, in the order they came up."""

    mean: Mapping[Prompt, float]
    deviation: Mapping[Prompt, float]

    def upper(self, prompt: Prompt, optimism: float) -> float:
        """The mean and `optimism` standard deviations more."""
        return round(self.mean[prompt] + optimism * self.deviation[prompt], 9)


def posterior(parents: Mapping[Prompt, Sequence[Prompt]], known: Mapping[Prompt, Values]) -> Posterior:
    """The belief about every prompt of `parents`, which come after their own parents and begin with the start.

    A prompt with a score that is not finite is worth -inf; its scores tell nothing about others.
    """
    prompts = list(parents)
    place = {prompt: number for number, prompt in enumerate(prompts)}
    finite = {prompt: known[prompt] for prompt in prompts if prompt in known and _finite(known[prompt])}
    columns = {name: number for number, name in enumerate(dict.fromkeys(n for own in finite.values() for n in own))}
    rows = [place[prompt] for prompt, own in finite.items() for _ in own]
    cells = rows, [columns[name] for own in finite.values() for name in own]
    scores = np.array([value for own in finite.values() for value in own.values()])
    level, spread = (float(scores.mean()), float(scores.var())) if len(scores) else (0.0, 0.0)
    spread = spread if spread > ALIKE else 1.0
    seen, excess = np.zeros((len(prompts), len(columns))), np.zeros((len(prompts), len(columns)))
    seen[cells], excess[cells] = 1.0, scores - level
    noise = 1 / (NOISE * spread)
    # The eases are integrated out: what all prompts share on an example says nothing about any of them.
    shared = seen * (noise**2 / (seen.sum(axis=0) * noise + 1 / (EASE * spread)))
    # Threads gain nothing on matrices of this size, and on a busy machine they wait for each other.
    with _pools().limit(limits=1, user_api="blas"):
        precision = _lineage(parents, place, spread) + np.diag(noise * seen.sum(axis=1)) - shared @ seen.T
        covariance = np.linalg.inv(precision)
    mean = level + covariance @ (noise * excess.sum(axis=1) - shared @ excess.sum(axis=0))
    deviation = np.sqrt(np.diag(covariance))
    # Rounded, for equal evidence must tie on every machine.
    means = {prompt: round(float(value), 9) for prompt, value in zip(prompts, mean, strict=True)}
    impossible = {prompt: float("-inf") for prompt in prompts if prompt in known and prompt not in finite}
    return Posterior({**means, **impossible}, dict(zip(prompts, map(float, deviation), strict=True)))


def _lineage(parents: Mapping[Prompt, Sequence[Prompt]], place: Mapping[Prompt, int], spread: float) -> np.ndarray:
    """The prior precision (prompts x prompts): a step is what a value has beyond the mean of the parents' values."""
    steps, weights = np.eye(len(place)), np.full(len(place), 1 / (STEP * spread))
    for prompt, own in parents.items():
        for parent in own:
            steps[place[prompt], place[parent]] -= 1 / len(own)
        if not own:
            weights[place[prompt]] = 1 / spread
    return steps.T @ (weights[:, None] * steps)


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def _finite(own: Values) -> bool:
    return all(np.isfinite(value) for value in own.values())
