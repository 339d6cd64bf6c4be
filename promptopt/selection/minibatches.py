"""Prompts that are scored on minibatches, and now and then one of them on all examples: the selection of MIPROv2."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt


class Minibatches:
    """What every prompt scored on which of the S examples."""

    def __init__(self, run: Run, scored: Sequence[Example]) -> None:
        self._run, self._scored = run, scored
        self._values: dict[Prompt, dict[Example, float]] = {}

    def score(self, prompt: Prompt, examples: Sequence[Example]) -> float:
        """The mean over `examples`, which are scored and kept."""
        values = self._run.evaluate([prompt], examples).values(prompt)
        # By example: one that was drawn twice counts once (the code takes the mean over minibatches).
        known = list(dict.fromkeys([*self._values.get(prompt, {}), *examples]))
        # All of them anew: by floors of several tasks, what is lost on an example depends on the others.
        self._values[prompt] = {example: score.value for example, score in self._run.seen(prompt, known)}
        return math.fsum(values) / len(values)

    def mean(self, prompt: Prompt) -> float:
        """The mean over all examples that it was scored on."""
        values = self._values[prompt].values()
        return math.fsum(values) / len(values)

    def best_of_the_rest(self) -> Prompt | None:
        """The best by its mean of those that lack some examples; ties to the earlier."""
        rest = [prompt for prompt, values in self._values.items() if len(values) < len(self._scored)]
        return max(rest, key=self.mean, default=None)

    def estimates(self) -> list[Estimate]:
        """All prompts: those scored in full, best first, then the others, best first."""
        estimates = [Estimate(prompt, self.mean(prompt), len(values)) for prompt, values in self._values.items()]
        # Full scores first, whatever the means: on a minibatch the luckiest would lead.
        return sorted(estimates, key=lambda each: (each.count < len(self._scored), -each.mean))
