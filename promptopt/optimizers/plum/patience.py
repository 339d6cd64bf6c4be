"""When a search by neighbours ends, and what it can cost by then.

Source   Pan et al. 2024, Plum, arXiv:2311.08364, and its code's defaults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from promptopt.optimizers.plum.neighbours import ATTEMPTS, Editing
from promptopt.optimizers.plum.points import Scoring
from promptopt.ranges import within
from promptopt.types import UpperBounds


@dataclass(frozen=True, slots=True)
class Stopping:
    """When the search ends, if the budget does not end it before."""

    iterations: int = 50
    """T, iterations at most. The paper's command lines; its code's default: 10."""
    patience: int = 7
    """Iterations in a row without a new best score that end the search. As above; code: 2."""

    def __post_init__(self) -> None:
        within(self, iterations=(0, math.inf), patience=(1, math.inf))


STOPPING = Stopping()


class Patience:
    """Counts iterations that did not improve on the best score."""

    def __init__(self, limit: int, best: float) -> None:
        """`limit`: iterations tolerated; `best`: the score to improve on."""
        self._limit, self._best, self._count = limit, best, 0

    def ends(self, best: float) -> bool:
        """Whether the search ends after an iteration that left the best score at `best`."""
        self._count = 0 if best > self._best else self._count + 1
        self._best = max(best, self._best)
        return self._count >= self._limit


def expected(stop: Stopping, edit: Editing, score: Scoring, train: int, *, scored: int, edited: int) -> UpperBounds:
    """Upper bounds on a search over `train` training examples.

    scored: candidates an iteration scores at most; edited: batches of m neighbours (or edits of that number) it draws.
    Every attempt at an edit may ask for a paraphrase; in truth a phrase is asked for once, and a third of edits ask.
    """
    calls = stop.iterations * edited * ATTEMPTS * edit.neighbours * edit.chain
    evaluations = min(score.examples, train) * (1 + stop.iterations * scored)
    return UpperBounds(evaluations, calls, calls * edit.sampling.max_tokens)
