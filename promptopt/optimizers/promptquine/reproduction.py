"""Children of a population of pruned prompts, scored: by generations, one by one, or pruned at random."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.optimizers.promptquine.genes import mutate, prune_anyhow, prune_lightly
from promptopt.optimizers.promptquine.history import Genotype, History, PrunedPrompt, offspring
from promptopt.optimizers.promptquine.selection import tournament
from promptopt.run import Run
from promptopt.types import Prompt


class Reproduction:
    """Makes children, and has them scored by the history. All draws are of the run's stream "evolution"."""

    def __init__(self, run: Run, history: History, count: int, *, tournament: float, drops: int) -> None:
        """`count`: children tried at a time. `tournament`, `drops`: as in `Evolution`."""
        self._run, self._history, self._offspring = run, history, count
        self._tournament, self._drops = tournament, drops

    def first_population(self, first: PrunedPrompt, size: int, *, pruned: bool) -> list[PrunedPrompt]:
        """Copies of the in-context prompt, or lightly pruned ones, which are recorded."""
        run = self._run
        if not pruned:
            return [first] * size
        children: dict[Prompt, Genotype] = {}
        for _ in range(size):
            mask = prune_lightly(run.rng("evolution"), first.genes)
            child = offspring(run, first, mask)
            if child is not None:
                children.setdefault(child, (first.genes, mask))
        population = self._history.add(children)
        run.record([each.estimate for each in population], [each.prompt for each in population])
        # The contract may refuse all of them, and a cap leave none.
        return population if population else [first]

    def generation(self, population: Sequence[PrunedPrompt], threshold: float | None) -> list[PrunedPrompt]:
        """The children of a generation, scored in one batch; `threshold`: the fitness below which half is enough."""
        run, rng = self._run, self._run.rng("evolution")
        present = {each.prompt for each in population}
        children: dict[Prompt, Genotype] = {}
        for _ in range(self._offspring):
            parent = tournament(rng, population, self._tournament)
            mask = mutate(rng, parent.genes, parent.mask, self._drops)
            child = offspring(run, parent, mask)
            if child is not None and mask is not None and child not in present:
                children.setdefault(child, (parent.genes, mask))
        # One batch, whose prompts share their beginnings. `present` is the code's: it knows the population alone.
        return self._history.add(children, threshold)

    def steady_state(self, population: Sequence[PrunedPrompt]) -> list[PrunedPrompt]:
        """Children of which each is scored at once, and may be the next parent."""
        run, rng, history = self._run, self._run.rng("evolution"), self._history
        pool = list(population)
        present = {each.prompt for each in pool}
        for _ in range(self._offspring):
            # The pool grows by its children, and tournaments with it.
            parent = tournament(rng, pool, self._tournament)
            mask = mutate(rng, parent.genes, parent.mask, self._drops)
            child = offspring(run, parent, mask)
            if child is not None and mask is not None and child not in present:
                pool += history.add({child: (parent.genes, mask)})
                present.add(child)
            if history.closed:
                break
        return pool[len(population) :]

    def prune_at_random(self, first: PrunedPrompt) -> None:
        """The paper's control: as many prompts, each with its own share of genes dropped."""
        run, rng, history = self._run, self._run.rng("evolution"), self._history
        misses = 0
        while not history.closed and misses < self._offspring:
            batch: dict[Prompt, Genotype] = {}
            before = len(history)
            for _ in range(self._offspring):
                mask = prune_anyhow(rng, first.genes)
                child = offspring(run, first, mask)
                if child is not None:
                    batch.setdefault(child, (first.genes, mask))
            found = history.add(batch)
            # Draws in vain end it: of a short prompt all that can be left of it may be known.
            misses = 0 if len(history) > before else misses + 1
            if found:
                run.record([each.estimate for each in found], [max(found, key=lambda each: each.fitness).prompt])
