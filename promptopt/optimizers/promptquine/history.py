"""Every pruned prompt that a search scored, and what the budget still lets it score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from promptopt.optimizers.promptquine.genes import Gene, Genes, Mask, genes_of, mutate
from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt, Proposal

LOOKS = 5
"""Draws for each child wanted that is unlike all known ones. Ours."""
NO_GENES = Genes((), ())


@dataclass(frozen=True, slots=True)
class PrunedPrompt:
    """A mask, the prompt it leaves, its mean score and its tokens. `count`: the examples it was scored on.

    `genes`: what the mask is of.
    """

    mask: Mask
    prompt: Prompt
    fitness: float
    length: int
    count: int
    genes: Genes = NO_GENES

    @property
    def estimate(self) -> Estimate:
        """What is known of it."""
        return Estimate(self.prompt, self.fitness, self.count)


Genotype = tuple[Genes, Mask]
"""What a prompt is left of, and how."""


def offspring(run: Run, parent: PrunedPrompt, mask: Mask | None) -> Prompt | None:
    """The prompt that `mask` leaves, unless there is no mask, or the task's contract refuses the prompt."""
    if mask is None:
        return None
    genes = parent.genes
    prompt = parent.prompt.replace(run.task.editable, genes.text(mask))
    dropped = len(genes.kept(parent.mask)) - len(genes.kept(mask))
    return prompt if run.admit([Proposal(prompt, (parent.prompt,), "pruned", f"{dropped} dropped")]) else None


def unpruned(run: Run, prompt: Prompt, gene: Gene) -> PrunedPrompt:
    """A prompt that nothing was dropped of, not scored yet."""
    text = prompt[run.task.editable]
    genes = genes_of(run, text, gene)
    return PrunedPrompt(genes.whole, prompt, math.nan, run.count_tokens(text), 0, genes)


def new_children(
    run: Run, parents: Sequence[PrunedPrompt], known: Mapping[Prompt, PrunedPrompt], count: int, drops: int
) -> dict[Prompt, PrunedPrompt]:
    """Up to `count` children, not scored yet, that are not known; of short prompts many are alike."""
    rng, found = run.rng("evolution"), dict[Prompt, PrunedPrompt]()
    # Draws are bounded: a prompt that is nearly pruned away has few children left.
    for _ in range(LOOKS * count):
        parent = rng.choice(parents)
        mask = mutate(rng, parent.genes, parent.mask, drops)
        child = offspring(run, parent, mask)
        if child is not None and mask is not None and child not in known:
            length = run.count_tokens(child[run.task.editable])
            found[child] = PrunedPrompt(mask, child, math.nan, length, 0, parent.genes)
        if len(found) == count:
            break
    return found


class History:
    """All individuals by their string, in the order they were scored, under a cap and a reserve.

    `reserve` says how many cells must be left for the end after so many individuals. Once a batch does not fit beside
    it, or under the cap of `most` individuals, the batch is cut and `closed` is true. So is `cut`, if by the budget.
    Several in-context prompts can be searched from, one after the other, each with its part of the cap and the budget.
    """

    def __init__(self, run: Run, examples: Sequence[Example], most: int, reserve: Callable[[int], int]) -> None:
        """Empty."""
        self.examples = tuple(examples)
        self.closed = self.cut = False
        self._run = run
        self._whole = most
        self._reserve = reserve
        self._most, self._spared = most, 0
        self._found: dict[Prompt, PrunedPrompt] = {}

    def __len__(self) -> int:
        return len(self._found)

    def individuals(self) -> list[PrunedPrompt]:
        """All of them, in order."""
        return list(self._found.values())

    def first(self, prompt: Prompt, genes: Genes, *, part: int = 1, parts: int = 1) -> PrunedPrompt:
        """An in-context prompt itself, scored whatever the reserve says.

        The `part`-th of `parts` searches begins with it, and may use an even share of what those before it have left.
        """
        left, later = self._run.evaluations_left(), parts - part
        self.closed = self.cut = False
        # A cap on all so far: what one search leaves of its share the next may use.
        self._most = self._whole * part // parts
        if left is not None and later:
            free = max(0, left - self._reserve(len(self._found) + 1))
            self._spared = free * later // (later + 1)
            # The share depends on the budget, and so does all that follows.
            self._run.follow_budget()
        else:
            self._spared = 0
        return self._score({prompt: (genes, genes.whole)})[0]

    def add(self, children: dict[Prompt, Genotype], threshold: float | None = None) -> list[PrunedPrompt]:
        """Score the children, as many as may be, in one batch.

        `threshold`: those that score less on the first half of the examples are not scored on the second.
        """
        admitted = self._admitted(children)
        if threshold is None or len(self.examples) < 2:
            return self._score(admitted)
        # The first half for all; the second only for those that it does not put below the whole population (code).
        half = self._score(admitted, self.examples[: len(self.examples) // 2])
        worth = {each.prompt: (each.genes, each.mask) for each in half if each.fitness >= threshold}
        whole = {each.prompt: each for each in self._score(worth)}
        return [whole.get(each.prompt, each) for each in half]

    def _admitted(self, children: dict[Prompt, Genotype]) -> dict[Prompt, Genotype]:
        """The children from the first on that fit, and those that cost nothing; others end the search."""
        left = self._run.evaluations_left()
        admitted: dict[Prompt, Genotype] = {}
        fresh = 0
        for prompt, genotype in children.items():
            known = self._found.get(prompt)
            # What was scored on all examples is free; what was left at one half has the other still to pay.
            if known is None or known.count < len(self.examples):
                count = len(self._found) + fresh + 1
                if count > self._most:
                    self.closed = True
                    break
                if left is not None and (fresh + 1) * len(self.examples) + self._reserve(count) + self._spared > left:
                    # A larger budget goes on here, so what follows is no part of the journal that a replay is held to.
                    self.closed = self.cut = True
                    self._run.follow_budget()
                    break
                fresh += 1
            admitted[prompt] = genotype
        return admitted

    def _score(self, children: dict[Prompt, Genotype], examples: Sequence[Example] | None = None) -> list[PrunedPrompt]:
        examples = self.examples if examples is None else examples
        run, found = self._run, list[PrunedPrompt]()
        scores = run.evaluate(list(children), examples)
        for prompt, (genes, mask) in children.items():
            values = scores.values(prompt)
            # The mean over all its cells weighs examples, not halves. fsum: equal scores tie, in whatever order.
            fitness = math.fsum(values) / len(values)
            known = self._found.get(prompt)
            # Two masks that leave one string are one individual, the first.
            if known is not None and known.count >= len(values):
                found.append(known)
                continue
            length = run.count_tokens(prompt[run.task.editable])
            self._found[prompt] = PrunedPrompt(mask, prompt, fitness, length, len(values), genes)
            found.append(self._found[prompt])
        return found
