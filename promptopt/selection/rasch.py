"""How able each prompt is and how easy each example: the one-parameter logistic model of right and wrong.

    P(prompt i is right on example j) = logistic(ability_i + ease_j)

That is Rasch's model (1960), both parts normal beforehand, at the mode of their posterior (Mislevy 1986, Psychometrika
51:177-195) with a normal curve around it. An example that all get right says little about who is best, and the model
knows before a look how little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import bool_, float64
    from numpy.typing import NDArray

    Matrix = NDArray[float64]

ABILITIES = 0.3
"""Standard deviation of the abilities, in logits: accuracies around 0.7 that differ by 0.06."""
EASES = 1.3
"""Standard deviation of the eases, in logits, which the data soon correct. Ours."""
ALREADY = 10
"""Examples that `EASES` counts for beside those that were seen. Ours."""
ROUNDS, CLOSE = 25, 1e-6
"""Newton steps at most, and the step, in logits, that ends them."""
LONGEST_STEP = 1.5
"""Logits of one Newton step: from a poor start a full one can overshoot for ever."""


@dataclass(frozen=True, slots=True)
class RaschPosterior:
    """What the answers seen say; K prompts, N examples.

    `ability` (K) and `ease` (N) in logits; `doubt` (K x K): covariance of the abilities; `unsure` (N): variance of each
    ease where the abilities are known; `right` (K x N): the probability of a right answer; `spread`: standard deviation
    of the eases.
    """

    ability: Matrix
    ease: Matrix
    doubt: Matrix
    unsure: Matrix
    right: Matrix
    spread: float

    def chance(self) -> Matrix:
        """The variance of each unseen answer (K x N)."""
        return self.right * (1.0 - self.right)

    def slope(self) -> Matrix:
        """What a logit more of ability or ease adds to each answer (K x N); less, where the ease is unsure."""
        import numpy

        return self.chance() / numpy.sqrt(1.0 + math.pi * self.unsure / 8.0)


def beginning(prompts: int, examples: int, level: float) -> RaschPosterior:
    """Before any answer: all prompts right with probability `level`."""
    import numpy

    level = min(max(level, 0.02), 0.98)
    return RaschPosterior(
        numpy.full(prompts, math.log(level / (1.0 - level))), numpy.zeros(examples), ABILITIES**2 * numpy.eye(prompts),
        numpy.full(examples, EASES**2), numpy.full((prompts, examples), level), EASES,
    )  # fmt: skip


def learned(before: RaschPosterior, answers: Matrix, seen: NDArray[bool_]) -> RaschPosterior:
    """The belief after `answers` (K x N, 0 or 1, and anything where not `seen`), from `before` as the first guess."""
    ability, ease, doubt, diagonal = _mode(before, answers, seen)
    met = seen.sum(axis=0) > 0
    unsure: Matrix = 1.0 / diagonal
    squares = float((ease[met] ** 2 + unsure[met]).sum())
    spread = math.sqrt((squares + ALREADY * EASES**2) / (int(met.sum()) + ALREADY))
    logits: Matrix = ability[:, None] + ease[None, :]
    right = _logistic(logits)
    # Without its own cell, an ease is what the others' answers say: so every seen cell was once unseen.
    others: Matrix = diagonal - right * (1.0 - right) * seen
    expected = _logit_of_mean(logits - (answers - right) * seen / others, 1.0 / others)
    lifted = _logit_of_mean(logits, unsure) + _lift(expected[seen], answers[seen])
    return RaschPosterior(ability, ease, doubt, unsure, _logistic(lifted), spread)


def _mode(before: RaschPosterior, answers: Matrix, seen: NDArray[bool_]) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Abilities (K) and eases (N) at the mode, covariance of the abilities (K x K), curvature of each ease (N)."""
    import numpy

    ability, ease, prompts = before.ability, before.ease, len(before.ability)
    # The level that all prompts share is not known beforehand: only what they differ by is drawn together.
    prior: Matrix = (numpy.eye(prompts) - 1.0 / prompts) / ABILITIES**2 + 1e-3 * numpy.eye(prompts)
    level, precision = float(ability.mean()), 1.0 / before.spread**2
    doubt, diagonal = before.doubt, numpy.full(len(ease), precision)
    for _ in range(ROUNDS):
        right = _logistic(ability[:, None] + ease[None, :])
        weight: Matrix = right * (1.0 - right) * seen
        excess: Matrix = (answers - right) * seen
        # Every ease meets the abilities alone, never another ease: the large block is diagonal and goes first.
        diagonal = weight.sum(axis=0) + precision
        share: Matrix = weight / diagonal
        doubt = numpy.asarray(numpy.linalg.inv(prior + numpy.diag(weight.sum(axis=1)) - share @ weight.T), dtype=float)
        pull: Matrix = excess.sum(axis=0) - ease * precision
        step: Matrix = doubt @ (excess.sum(axis=1) - prior @ (ability - level) - share @ pull)
        move: Matrix = (pull - weight.T @ step) / diagonal
        ability = ability + numpy.clip(step, -LONGEST_STEP, LONGEST_STEP)
        ease = ease + numpy.clip(move, -LONGEST_STEP, LONGEST_STEP)
        if max(float(numpy.abs(step).max()), float(numpy.abs(move).max())) < CLOSE:
            break
    return ability, ease, doubt, diagonal


def _logit_of_mean(logits: Matrix, variance: Matrix) -> Matrix:
    """The logit of a logistic's mean under a normal logit (MacKay 1992, Neural Computation 4:720-736): nearer to 0."""
    import numpy

    return logits / numpy.sqrt(1.0 + math.pi * variance / 8.0)


def _lift(logits: Matrix, answers: Matrix) -> float:
    """What must be added to `logits` so that as many answers are expected to be right as are.

    The mode lies beside the mean, and by up to three points of accuracy: whoever has seen less would be thought worse.
    """
    lift = 0.0
    for _ in range(ROUNDS):
        right = _logistic(logits + lift)
        move = float((answers - right).sum() / ((right * (1.0 - right)).sum() + 1e-9))
        lift += max(-LONGEST_STEP, min(LONGEST_STEP, move))
        if abs(move) < CLOSE:
            break
    return max(-LONGEST_STEP, min(LONGEST_STEP, lift))


def _logistic(logits: Matrix) -> Matrix:
    import numpy

    return 1.0 / (1.0 + numpy.exp(-logits))
