"""Successive rejects on few fresh examples: the whole field sees one, two or three, and the worst leave one by one.

With a few examples an arm no comparison can prove anything. What counts then is that each call looks at other examples.
In a fixed order the same lucky examples would choose every time. A mean over all that an arm has seen carries the luck
that let it survive. On planted tasks at equal budgets this rule found better prompts than races with paired tests,
halving, bandits and equal shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.selection.arms import at_least
from promptopt.types import Estimate, Example, Prompt

if TYPE_CHECKING:
    from promptopt.run import Run


def looks(arms: int, keep: int, budget: float) -> list[int]:
    """m_K … m_(keep+1): how many examples the r arms that are left have seen when the next one leaves.

    m_r = max(1, floor(B / (H max(r, keep)))), H = sum over r = 1 … K of 1 / max(r, keep). That is Audibert & Bubeck
    (2010) with all arms below `keep` treated alike. The whole asks for at most B + K evaluations.
    """
    scale = math.fsum(1 / max(rank, keep) for rank in range(1, arms + 1))
    # A quotient just below a whole number is that number. Divided first, B / H times r would lose the last digit too.
    return [max(1, math.floor(budget / (scale * max(rank, keep)) + 1e-9)) for rank in range(arms, keep, -1)]


def evaluations_of(arms: int, phases: Sequence[int]) -> int:
    """The evaluations that these looks come to where nothing is known yet."""
    before = [0, *phases]
    return sum((late - early) * (arms - place) for place, (early, late) in enumerate(pairwise(before)))


@told
@dataclass(frozen=True, slots=True)
class FreshRejects:
    """Successive rejects on a fresh shuffle of the examples; survival by this call's examples only.

    Cells that the run knows are free, and count where they are among this call's examples.
    """

    budget: int = 50
    """B, (prompt, example) evaluations that one call asks for, known ones included; up to one more an arm. Ours."""

    def __post_init__(self) -> None:
        at_least(1, "budget", self.budget)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts: survivors by their sum, then the rejected, last rejected first.

        Of equal sums the later in the order given leaves. Raises ConfigError when there are no examples or `keep` is
        below 1.
        """
        if not examples:
            raise ConfigError("a selector was given no examples to score prompts on; give the task training examples")
        at_least(1, "keep", keep)
        alive = list(dict.fromkeys(prompts))
        # A repeated example would weigh twice in a mean that counts distinct examples.
        order = list(dict.fromkeys(examples))
        run.rng("order").shuffle(order)
        phases = looks(len(alive), keep, self.budget)
        # Nobody has to leave: equal shares for all.
        if not phases and alive:
            return _by_dense_sum(run, alive, order[: max(1, self.budget // len(alive))])
        rejected: list[Estimate] = []
        seen: Sequence[Example] = ()
        # Each phase looks at a longer beginning of one order, so it pays for what is new in it alone.
        for count in phases:
            seen = order[:count]
            known = _by_dense_sum(run, alive, seen)
            rejected.append(known[-1])
            alive.remove(known[-1].prompt)
        return [*_by_dense_sum(run, alive, seen), *reversed(rejected)]


def _by_dense_sum(run: Run, prompts: Sequence[Prompt], examples: Sequence[Example]) -> list[Estimate]:
    """By their sums on the same examples, best first; of equal ones the earlier first.

    The sums are of dense scores where the evaluator gives them; the means reported are of the values.
    """
    scores = run.evaluate(prompts, examples)
    # fsum: equal scores tie exactly, in whatever order they come.
    sums = {prompt: math.fsum(score.dense for score in scores[prompt]) for prompt in prompts}
    means = [Estimate(prompt, math.fsum(scores.values(prompt)) / len(examples), len(examples)) for prompt in prompts]
    return sorted(means, key=lambda estimate: -sums[estimate.prompt])
