"""The pool of GEPA: everyone who was scored on all examples of the fronts, with lineage and pointers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from promptopt.optimizers.gepa.frontier import Frontier, front_row
from promptopt.optimizers.gepa.pareto import Fronts, best_of, fronts, survivors
from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt


class CandidatePool:
    """Candidates by number, in the order they joined; nobody leaves."""

    def __init__(self, run: Run, examples: Sequence[Example], frontier: Frontier = "instance") -> None:
        """`examples`: those of the fronts. The start is scored on them and is number 0."""
        self._run, self.examples = run, tuple(examples)
        self._frontier: Frontier = frontier
        self._front_rows: list[Mapping[str, float]] = []
        self.prompts: list[Prompt] = []
        self.parents: list[tuple[int, ...]] = []
        self.pointers: list[int] = []
        """For each candidate the place of the part that is to be rewritten next."""
        self.rows: list[Mapping[str, float]] = []
        """For each candidate its scores by example."""
        self.means: list[float] = []
        self.fronts: Fronts = {}
        self.join(run.initial, ())

    def join(self, prompt: Prompt, parents: tuple[int, ...]) -> None:
        """Score a candidate on all examples of the fronts and take it in, whatever it scores. BudgetSpent may pass."""
        # Before anything is kept: BudgetSpent leaves the pool as it was.
        scores = self._run.evaluate([prompt], self.examples)[prompt]
        values = [score.value for score in scores]
        self.prompts.append(prompt)
        self.parents.append(parents)
        # A merged prompt goes on where the further of its two parents stood (code).
        self.pointers.append(max((self.pointers[parent] for parent in parents), default=0))
        self.rows.append({example.id: value for example, value in zip(self.examples, values, strict=True)})
        self.means.append(math.fsum(values) / len(values))
        self._front_rows.append(front_row(self._frontier, self.examples, scores))
        self.fronts = fronts(self._front_rows)
        # A rejected child was seen on b examples: their luck must not bring it before the final choice.
        self._run.rank_by(self.examples, self.finalists(), others=False)

    def finalists(self) -> list[Prompt]:
        """The best mean, and the two others that stand on most fronts of those that survive; ties to the older."""
        best = best_of(self.means)
        weights = survivors(self.fronts, self.means)
        rest = sorted((each for each in weights if each != best), key=lambda each: (-weights[each], each))
        return [self.prompts[number] for number in (best, *rest[:2])]

    def estimates(self) -> list[Estimate]:
        """Everyone with the mean over the fronts' examples, best first; ties to the older."""
        order = sorted(range(len(self.prompts)), key=lambda each: (-self.means[each], each))
        return [Estimate(self.prompts[each], self.means[each], len(self.examples)) for each in order]
