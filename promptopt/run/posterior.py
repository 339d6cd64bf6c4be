"""What every candidate is believed to be worth: a mixed model over the lineage, from all scores of the search.

    score(p, e) = value(p) + ease(e) + noise        value(p) = mean of the parents' values + step

All four parts are independent and normal, so the posterior is one linear system. It is the animal model of breeding
(Henderson 1975, Biometrics 31:423-447), with prompts for animals and examples for herds. A few looks at each of many
relatives tell something about all of them, and an easy example lifts nobody. A plain mean over what a survivor has seen
carries the luck that let it survive; the posterior is drawn towards the relatives by as much as that luck is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, cast

from promptopt.run.worth import Values
from promptopt.stats.threads import one_thread
from promptopt.types import Prompt

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Matrix = NDArray[float64]

STEP, EASE, NOISE = 0.02, 0.4, 0.48
"""Variances of a step, of the ease of examples and of the noise, in variances of a score. They are the best on planted
searches. The optimum is flat: half or twice of each costs a point at most."""
DRIFT = 0.3
"""Variance, in variances of a score, of what all steps have in common. From a good start, or by a weak proposer, most
steps lead down (benchmarks/results/search-drift.md). It must be more than STEP: else bad children make the start look
worse than they make each other look, and one of them is believed to be better that scored less on the same examples."""
NO_VARIANCE = 1e-12
"""A variance of scores below it is none."""
_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Posterior:
    """Mean and standard deviation of the value of each prompt, in the order they came up, the start first.

    `apart`: the standard deviation of each value less the start's. What both lean on, such as easy examples, is no
    part of it.
    """

    mean: Mapping[Prompt, float]
    deviation: Mapping[Prompt, float]
    apart: Mapping[Prompt, float] = field(default_factory=dict[Prompt, float])

    def upper(self, prompt: Prompt, optimism: float) -> float:
        """The mean and `optimism` standard deviations more."""
        # As the means are: bounds of equal evidence must tie on every machine.
        return round(self.mean[prompt] + optimism * self.deviation[prompt], 9)

    def chance(self, prompt: Prompt) -> float:
        """The probability that a prompt is worth more than the start; nan where both are impossible."""
        ahead, apart = self.mean[prompt] - self.mean[next(iter(self.mean))], self.apart[prompt]
        return round(_STANDARD.cdf(ahead / apart), 9) if apart else float(ahead > 0.0)


def posterior(
    parents: Mapping[Prompt, Sequence[Prompt]], known: Mapping[Prompt, Values], drift: float = 0.0
) -> Posterior:
    """The belief about every prompt of `parents`, which come after their own parents and begin with the start.

    `drift`: the variance, in variances of a score, of a mean that all steps share; 0.0: that mean is zero. A prompt
    with a score that is not finite is worth -inf; its scores tell nothing about others.
    """
    place = {prompt: number for number, prompt in enumerate(parents)}
    nothing: Values = {}
    found = beliefs(
        [[place[parent] for parent in own] for own in parents.values()],
        [known.get(prompt, nothing) for prompt in parents],
        drift,
    )
    return Posterior(*(dict(zip(parents, each, strict=True)) for each in found))


def beliefs(
    parents: Sequence[Sequence[int]], known: Sequence[Values], drift: float
) -> tuple[list[float], list[float], list[float]]:
    """As `posterior`, where a prompt is its place: a search asks for it at every look, and ids and places hash fast."""
    import numpy

    nothing: Values = {}
    finite = [own if _all_finite(own) else nothing for own in known]
    columns = {name: number for number, name in enumerate(dict.fromkeys(n for own in finite for n in own))}
    rows = [row for row, own in enumerate(finite) for _ in own]
    cells = rows, [columns[name] for own in finite for name in own]
    scores = numpy.array([value for own in finite for value in own.values()])
    level, spread = (float(scores.mean()), float(scores.var())) if len(scores) else (0.0, 0.0)
    # Scores that are all equal have no spread to count variances in; any unit gives the same order.
    spread = spread if spread > NO_VARIANCE else 1.0
    seen: Matrix = numpy.zeros((len(parents), len(columns)))
    excess: Matrix = numpy.zeros((len(parents), len(columns)))
    seen[cells], excess[cells] = 1.0, scores - level
    with one_thread():
        mean, covariance = _solved(_steps(parents), seen, excess, spread, drift)
    # Rounded, for equal evidence must tie on every machine.
    means = [
        round(level + value, 9) if len(counted) == len(own) else float("-inf")
        for value, counted, own in zip(mean.tolist(), finite, known, strict=True)
    ]
    variance = numpy.diag(covariance)
    # Of the start itself it is none, but for the last digits.
    apart = numpy.sqrt(numpy.maximum(variance + variance[0] - 2 * covariance[0], 0.0))
    return means, numpy.sqrt(variance).tolist(), apart.tolist()


def _solved(steps: Matrix, seen: Matrix, excess: Matrix, spread: float, drift: float) -> tuple[Matrix, Matrix]:
    """Mean, beyond that of all scores, of each prompt, and the covariance of all.

    seen, excess (prompts x examples): which cells are known, and by how much they exceed the mean of all.
    """
    import numpy

    noise, weights = 1 / (NOISE * spread), numpy.full(len(steps), 1 / (STEP * spread))
    # The start has no parents to be drawn towards: its variance is that of all scores.
    weights[0] = 1 / spread
    # The eases are integrated out, example by example (matrix inversion lemma): what all prompts share on an example
    # says nothing about any of them. Without eases a search of 400 calls gains half as much (docs/methods/auto.md).
    shared = seen * (noise**2 / (seen.sum(axis=0) * noise + 1 / (EASE * spread)))
    precision = steps.T @ (weights[:, None] * steps) + numpy.diag(noise * seen.sum(axis=1)) - shared @ seen.T
    # What all steps share is integrated out in the same way; the start is no step.
    moved = steps[1:].T @ weights[1:]
    precision -= numpy.outer(moved, moved) * drift * spread / (1 + drift * spread * weights[1:].sum())
    # The inverse itself, and no solve: it holds the variances.
    covariance = cast("Matrix", numpy.linalg.inv(precision))
    return covariance @ (noise * excess.sum(axis=1) - shared @ excess.sum(axis=0)), covariance


def _steps(parents: Sequence[Sequence[int]]) -> Matrix:
    """(prompts x prompts), which times the values gives each prompt's step beyond the mean of its parents."""
    import numpy

    steps = numpy.eye(len(parents))
    for row, own in enumerate(parents):
        for parent in own:
            steps[row, parent] -= 1 / len(own)
    return steps


def _all_finite(own: Values) -> bool:
    return all(map(math.isfinite, own.values()))
