"""Item response: looks go to the prompt, and to the examples, that may still change who is best.

After a first look of all on the same examples a model of ability and ease (`rasch`) says how likely each unseen answer
is to be right. An example that the others got right will most likely be right again. One that divides them tells more.
So a prompt sees what divides first, and the rest counts by its expectation. The next look goes to the prompt by which
the probability of choosing wrongly falls most for each look: KG(*) of Frazier & Powell 2010, Decision Analysis
7:378-403. A single look is often worth nothing, so that is the best over how many looks one plans with.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from promptopt.arguments import told
from promptopt.selection.arms import Arms, at_least
from promptopt.selection.racing import Racing
from promptopt.selection.rasch import RaschPosterior, beginning, learned
from promptopt.stats.threads import one_thread
from promptopt.types import Estimate, Example, Prompt

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

    from promptopt.run import Run

    Matrix = NDArray[float64]

HORIZONS = (10, 40, 160, 640)
"""Looks that are planned with. Ours."""
NODES = 21
"""Points of the integral over what these looks may show. Ours."""
SETTLED = 1e-9
"""Probability of choosing wrongly that one more look takes away: below it, the rest of the budget is kept."""


@told
@dataclass(frozen=True, slots=True)
class ItemResponse:
    """Looks by the value of information under an item response model of right and wrong; other scores are raced."""

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. As in APO's code."""
    first: int = 20
    """Examples that all see before anything is decided; fewer where that took more than a quarter of the budget."""
    step: int = 10
    """Examples of one look; 20 take half as many batches, and find the best some two points less often."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)
        at_least(1, "first", self.first)
        at_least(1, "step", self.step)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts by what is believed of their means over all examples, best first, ties as they came.

        The means reported are of what was seen, which is not what was believed: hard examples are seen more. Where a
        score is neither 0 nor 1, the rest of the budget goes to a race. Whoever has a score of minus infinity comes
        after all others. Raises ConfigError when there are no examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)
        if len(arms) <= keep or len(arms) >= self.budget:
            arms.spread()
            return arms.estimates(arms.ranked(range(len(arms))))
        first = min(len(arms.sample), self.first, max(1, self.budget // (4 * len(arms))))
        arms.pull(range(len(arms)), first)
        # The model is of right and wrong: what it would take for noise in a graded score is not there.
        if any(value not in (0.0, 1.0) for arm in range(len(arms)) for value in arms.values(arm)):
            return Racing(self.budget, first).race(run, arms, keep)
        table = CellTable(run, arms, first)
        belief = table.believed(None)
        while table.left > 0:
            row = worthwhile(belief, table, keep)
            if row is None:
                break
            table.score(row, table.dividing(belief, row)[: min(self.step, table.left)])
            belief = table.believed(belief)
        means, impossible = table.means(belief), table.impossible()
        return table.estimates(sorted(range(len(arms)), key=lambda arm: (impossible[arm], -means[arm])))


class CellTable:
    """What is known of the cells: K prompts, N examples. `seen` (K x N); `left`: evaluations of the budget."""

    def __init__(self, run: Run, arms: Arms, first: int) -> None:
        """Begins with what `arms` saw, the `first` examples of the sample."""
        import numpy

        self._run, self._prompts, self._examples = run, arms.prompts, arms.sample
        self._scores: Matrix = numpy.zeros((len(arms), len(arms.sample)))
        self._scores[:, :first] = [arms.values(arm) for arm in range(len(arms))]
        self.seen: NDArray[bool_] = numpy.zeros((len(arms), len(arms.sample)), dtype=bool)
        self.seen[:, :first] = True
        self.left = arms.left

    def score(self, row: int, columns: Sequence[int]) -> None:
        """Score this prompt on these examples. A stop raised by the run passes through."""
        # In the order of the sample, which is the one that other looks were asked in.
        columns = sorted(columns)
        found = self._run.evaluate([self._prompts[row]], [self._examples[at] for at in columns])
        self._scores[row, columns] = found.values(self._prompts[row])
        self.seen[row, columns] = True
        self.left -= len(columns)

    def answers(self) -> Matrix:
        """Right or wrong (K x N), where they were seen."""
        import numpy

        # A metric may give another score after all: less than nothing right is wrong.
        return numpy.clip(self._scores, 0.0, 1.0)

    def believed(self, before: RaschPosterior | None) -> RaschPosterior:
        """The belief after all looks so far."""
        if before is None:
            prompts, examples = self.seen.shape
            before = beginning(prompts, examples, float(self.answers()[self.seen].mean()))
        with one_thread():
            return learned(before, self.answers(), self.seen)

    def impossible(self) -> list[bool]:
        """Whether a prompt has a score of minus infinity, which no other makes up for (K)."""
        import numpy

        return [bool(each.any()) for each in numpy.isneginf(self._scores)]

    def means(self, belief: RaschPosterior) -> Matrix:
        """What is believed of each prompt's mean over all examples (K)."""
        import numpy

        # Rounded, for equal evidence must tie on every machine.
        return numpy.round(numpy.where(self.seen, self.answers(), belief.right).mean(axis=1), 9)

    def dividing(self, belief: RaschPosterior, row: int) -> list[int]:
        """What the prompt has not seen, the least certain answer first."""
        chance = belief.chance().round(9)[row]
        return sorted((int(at) for at in (~self.seen[row]).nonzero()[0]), key=lambda at: -chance[at])

    def estimates(self, order: Sequence[int]) -> list[Estimate]:
        """What was seen of the prompts, in `order`."""
        found: list[Estimate] = []
        for row in order:
            own = self._scores[row, self.seen[row]].tolist()
            found.append(Estimate(self._prompts[row], math.fsum(own) / len(own), len(own)))
        return found


def worthwhile(belief: RaschPosterior, table: CellTable, keep: int) -> int | None:
    """Whose next look takes away the most probability of choosing wrongly; None where no look does.

    Each prompt is compared with the edge: those that would be kept with the best that would not, all others with the
    last that would be. That the comparisons share the edge's own luck is left out.
    """
    import numpy
    from scipy.special import ndtr

    means = table.means(belief)
    prompts, examples = table.seen.shape
    unseen = ~table.seen
    order = numpy.argsort(-means, kind="stable")
    inside, outside = int(order[keep - 1]), int(order[keep])
    kept = numpy.isin(numpy.arange(prompts), order[:keep])
    edge = numpy.where(kept, outside, inside)
    lead = numpy.abs(means - means[edge])
    chance = numpy.where(unseen, belief.chance(), 0.0) / examples**2
    slope = numpy.where(unseen, belief.slope(), 0.0) / examples
    learnt = slope.sum(axis=1) ** 2 * numpy.diag(belief.doubt)
    spread = _contrast_deviation(belief, chance, slope, edge)
    wrong = ndtr(-lead / spread)
    # The least certain answers first, as they are looked at.
    resolved = numpy.cumsum(-numpy.sort(-chance, axis=1), axis=1)
    remaining = unseen.sum(axis=1)
    best, found = SETTLED, None
    for horizon in HORIZONS:
        looks = numpy.minimum(numpy.minimum(horizon, remaining), table.left)
        shown = resolved[numpy.arange(prompts), numpy.maximum(looks, 1) - 1] + learnt * looks / numpy.maximum(
            remaining, 1
        )
        own = wrong - _wrong_after(lead, spread, shown)
        # A look at a prompt of the edge bears on everybody who is compared with it.
        for at in (inside, outside):
            rivals = edge == at
            own[at] = (wrong - _wrong_after(lead, spread, numpy.full(prompts, shown[at])))[rivals].sum()
        worth = numpy.where(looks > 0, own / numpy.maximum(looks, 1), 0.0).round(12)
        if float(worth.max()) > best:
            best, found = float(worth.max()), int(worth.argmax())
    return found


def _contrast_deviation(belief: RaschPosterior, chance: Matrix, slope: Matrix, edge: NDArray[int64]) -> Matrix:
    """Standard deviation (K) of each prompt's mean over all examples less that of its prompt of the edge.

    chance, slope (K x N): of the mean, by each unseen example, the variance and what a logit more adds.
    """
    import numpy

    # An ease that neither has met lifts both.
    shared = (slope * slope[edge] * belief.unsure).sum(axis=1)
    answers = chance.sum(axis=1) + chance[edge].sum(axis=1)
    total, own = slope.sum(axis=1), numpy.diag(belief.doubt)
    ability = total**2 * own + total[edge] ** 2 * own[edge]
    ability -= 2.0 * total * total[edge] * belief.doubt[numpy.arange(len(total)), edge]
    return numpy.sqrt(numpy.maximum(answers + ability - 2.0 * shared, 1e-16))


def _wrong_after(lead: Matrix, spread: Matrix, shown: Matrix) -> Matrix:
    """The probability of choosing wrongly once looks of variance `shown` (K) are in, expected over what they show."""
    import numpy
    from scipy.special import ndtr

    nodes, weights = _nodes()
    shown = numpy.minimum(shown, spread**2 * (1.0 - 1e-6))
    rest = numpy.sqrt(spread**2 - shown)
    leads = lead[:, None] + numpy.sqrt(shown)[:, None] * nodes[None, :]
    return (ndtr(-numpy.abs(leads) / rest[:, None]) * weights).sum(axis=1)


@cache
def _nodes() -> tuple[Matrix, Matrix]:
    """Of the Gauss-Hermite integral over a standard normal variable."""
    import numpy

    nodes, weights = numpy.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()
