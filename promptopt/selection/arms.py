"""The prompts of one `select` call as the arms of a bandit: what each has seen, and what is left to spend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from promptopt.errors import ConfigError
from promptopt.types import Estimate, Example, Prompt

if TYPE_CHECKING:
    from promptopt.run import Run


class Arms:
    """Arms 0 … K-1 (the distinct prompts, in the order given), each on a prefix of one shuffled order of the examples.

    Arms that have seen equally many examples have therefore seen the same ones, and no difficulty of examples comes
    between their means.

    Every call shuffles anew. With one order for the whole run the survivors' old cells would be free, but the same
    noise would favour the same prompts in every round. Simulated over six rounds of APO at equal paid evaluations, that
    left the beam 0.4 to 2 points of accuracy lower. It did so for every selector, and for 100, 200 and 1,000 examples
    alike.
    """

    def __init__(
        self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], budget: int, keep: int
    ) -> None:
        """`budget`: the most (arm, example) evaluations `pull` will ask for, whether or not the run has them stored.

        Raises ConfigError when `examples` is empty or `keep` is below 1.
        """
        if not examples:
            raise ConfigError("a selector was given no examples to score prompts on; give the task training examples")
        at_least(1, "keep", keep)
        self.prompts = tuple(dict.fromkeys(prompts))
        # A repeated example would weigh twice in a mean that counts distinct examples.
        self.sample = list(dict.fromkeys(examples))
        run.rng("selection").shuffle(self.sample)
        self.left = budget
        self._run = run
        self._values: list[list[float]] = [[] for _ in self.prompts]

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def pulled(self) -> int:
        """The (arm, example) evaluations of all arms so far."""
        return sum(map(len, self._values))

    def count(self, arm: int) -> int:
        """How many examples `arm` has seen."""
        return len(self._values[arm])

    def exhausted(self, arm: int) -> bool:
        """Whether `arm` has seen every example, so that its mean is exact."""
        return self.count(arm) == len(self.sample)

    def values(self, arm: int) -> Sequence[float]:
        """The scores of `arm` on all it has seen, in the order of `sample`."""
        return self._values[arm]

    def mean(self, arm: int) -> float:
        """The mean of `arm` over all it has seen; NaN before the first."""
        values = self._values[arm]
        # fsum: equal scores tie exactly, in whatever batches they came.
        return math.fsum(values) / len(values) if values else math.nan

    def pull(self, arms: Iterable[int], each: int) -> None:
        """Show each arm its next `each` examples, fewer where data or budget end; the first in line are served first.

        A stop raised by the run passes through.
        """
        batches: dict[tuple[int, int], list[int]] = {}
        for arm in arms:
            start = self.count(arm)
            stop = min(start + each, len(self.sample), start + self.left)
            if stop > start:
                self.left -= stop - start
                batches.setdefault((start, stop), []).append(arm)
        # Arms that stand equally far are asked together: one batch a stretch, not one an arm.
        for (start, stop), members in batches.items():
            self._run.evaluate([self.prompts[arm] for arm in members], self.sample[start:stop])
            for arm in members:
                # All of them anew: by floors of several tasks, what is lost on an example depends on the others.
                known = self._run.seen(self.prompts[arm], self.sample[:stop])
                self._values[arm] = [score.value for _, score in known]

    def spread(self) -> None:
        """Spend what is left evenly; with less than one evaluation an arm, the first arms get one each."""
        if self.prompts:
            self.pull(range(len(self)), max(1, self.left // len(self)))

    def ranked(self, arms: Iterable[int]) -> list[int]:
        """`arms` by mean, best first; ties stay as they came, arms never evaluated go last."""
        # At 0, as in APO's code, what was never seen would lead wherever scores are negative (log-likelihoods).
        return sorted(arms, key=lambda arm: (not self.count(arm), -self.mean(arm) if self.count(arm) else 0.0))

    def estimates(self, order: Iterable[int]) -> list[Estimate]:
        """What is known of the arms, in `order`. An arm never evaluated has mean NaN and count 0."""
        return [Estimate(self.prompts[arm], self.mean(arm), self.count(arm)) for arm in order]


def at_least(least: float, name: str, value: float) -> None:
    """Raise ConfigError when the setting `name` is below `least`, or NaN."""
    if not value >= least:
        raise ConfigError(f"a selector's {name} is {value!r}; set it to {least!r} or more")
