"""Every pruned prompt that a search scored, and what the budget still lets it score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptopt.optimizers.promptquine.genes import Genes, Mask
from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt, Proposal


@dataclass(frozen=True, slots=True)
class Individual:
    """A mask, the prompt it leaves, its mean score and its tokens. `count`: the examples it was scored on."""

    mask: Mask
    prompt: Prompt
    fitness: float
    length: int
    count: int

    @property
    def estimate(self) -> Estimate:
        """What is known of it."""
        return Estimate(self.prompt, self.fitness, self.count)


class History:
    """All individuals by their string, in the order they were scored, under a cap and a reserve.

    `reserve` says how many cells must be left for the end after so many individuals; once a batch does not fit beside
    it, or under the cap of `most` individuals, the batch is cut and `closed` is true; so is `cut`, if by the budget.
    """

    def __init__(
        self, run: Run, genes: Genes, examples: Sequence[Example], most: int, reserve: Callable[[int], int]
    ) -> None:
        """`genes`: those of the in-context prompt."""
        self.genes, self.examples = genes, tuple(examples)
        self.closed = self.cut = False
        self._run, self._most, self._reserve = run, most, reserve
        self._found: dict[Prompt, Individual] = {}

    def __len__(self) -> int:
        return len(self._found)

    def individuals(self) -> list[Individual]:
        """All of them, in order."""
        return list(self._found.values())

    def offspring(self, parent: Individual, mask: Mask | None) -> Prompt | None:
        """The prompt that `mask` leaves, unless there is no mask, or the task's contract refuses the prompt."""
        if mask is None:
            return None
        run = self._run
        prompt = parent.prompt.replace(run.task.editable, self.genes.text(mask))
        dropped = len(self.genes.kept(parent.mask)) - len(self.genes.kept(mask))
        admitted = run.admit([Proposal(prompt, (parent.prompt,), "pruned", f"{dropped} dropped")])
        return prompt if admitted else None

    def first(self, prompt: Prompt) -> Individual:
        """The in-context prompt itself, scored whatever the reserve says."""
        return self._score({prompt: self.genes.whole})[0]

    def add(self, children: dict[Prompt, Mask], threshold: float | None = None) -> list[Individual]:
        """Score the children, as many as may be, in one batch.

        `threshold`: those that score less on the first half of the examples are not scored on the second.
        """
        admitted = self._admitted(children)
        if threshold is None or len(self.examples) < 2:
            return self._score(admitted)
        half = self._score(admitted, self.examples[: len(self.examples) // 2])
        worth = {each.prompt: each.mask for each in half if each.fitness >= threshold}
        whole = {each.prompt: each for each in self._score(worth)}
        return [whole.get(each.prompt, each) for each in half]

    def _admitted(self, children: dict[Prompt, Mask]) -> dict[Prompt, Mask]:
        """The children from the first on that fit, and those that cost nothing; others end the search."""
        left = self._run.evaluations_left()
        admitted: dict[Prompt, Mask] = {}
        fresh = 0
        for prompt, mask in children.items():
            known = self._found.get(prompt)
            if known is None or known.count < len(self.examples):
                count = len(self._found) + fresh + 1
                if count > self._most:
                    self.closed = True
                    break
                if left is not None and (fresh + 1) * len(self.examples) + self._reserve(count) > left:
                    self.closed = self.cut = True
                    self._run.follow_budget()
                    break
                fresh += 1
            admitted[prompt] = mask
        return admitted

    def _score(self, children: dict[Prompt, Mask], examples: Sequence[Example] | None = None) -> list[Individual]:
        examples = self.examples if examples is None else examples
        run, found = self._run, list[Individual]()
        scores = run.evaluate(list(children), examples)
        for prompt, mask in children.items():
            values = scores.values(prompt)
            # The mean over all its cells weighs examples, not halves. fsum: equal scores tie, in whatever order.
            fitness = math.fsum(values) / len(values)
            known = self._found.get(prompt)
            if known is not None and known.count >= len(values):
                found.append(known)
                continue
            length = run.count_tokens(prompt[run.task.editable])
            self._found[prompt] = Individual(mask, prompt, fitness, length, len(values))
            found.append(self._found[prompt])
        return found
