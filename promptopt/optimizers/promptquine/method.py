"""PromptQuine: an in-context prompt evolves by losing tokens; only the newest children can be parents.

Paper    Wang, Hu & Bing 2025, Evolving Prompts In-Context: An Open-ended, Self-replicating Perspective, ICML 2025,
         arXiv:2506.17930.
Calls    task model: a prompt costs one call a search example; about 15 prompts (steady-state) or 20 (generational) for
         every token of the in-context prompt beyond 15, at most 10,000; then 200 calls for every elite. No proposer.
Departs  slots are elements of their own, and genes are cut between them; a string that was scored before is free;
         cohorts that stay too small are filled from the old population's best (code: its worst), and the search ends
         where no child can be made (code: it may never); halves count by their examples, and what was scored on one
         half is no elite; the start prompt without demonstrations is ranked with the elites; a class gives fewer than
         8 examples where all would give more than 100; search and re-ranking share the training examples at hand.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promptopt.errors import BudgetSpent, ConfigError
from promptopt.evaluators.labels import Labels
from promptopt.optimizers.promptquine.genes import Gene, Mask, genes_of, mutate, prune_anyhow, prune_lightly
from promptopt.optimizers.promptquine.history import History, Individual
from promptopt.optimizers.promptquine.in_context import divide, start_with
from promptopt.optimizers.promptquine.reranking import Reranking, rerank
from promptopt.protocols import Evaluator, Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.tasks.inline import inlined
from promptopt.types import Prompt, UpperBounds

RERANKING = Reranking()
Variant = Literal["auto", "generational", "steady-state", "random"]


@dataclass(frozen=True, slots=True)
class Evolution:
    """The genetic algorithm. There is no crossover, and the rate of mutation does not adapt."""

    population: int = 30
    """Individuals that can be parents."""
    offspring: int = 50
    """Children tried in a generation."""
    tournament: float = 0.2
    """The share of the parents that enters a tournament, drawn with replacement."""
    drops: int = 4
    """The most genes that a child loses; the number is drawn evenly from 1 on."""
    most: int = 10_000
    """Prompts that the search may score."""
    shortest: float = 15.0
    """The mean length of the population, in tokens, at which the search ends."""
    halving: bool | None = None
    """Whether children below the whole population on half of the examples are left at that; None: where the paper has
    it, which is for generational search of tasks without labels."""

    def __post_init__(self) -> None:
        least = {"population": 1, "offspring": 1, "drops": 1, "most": 1, "shortest": 0}
        within(self, tournament=(0.0, 1.0), **{name: (bound, math.inf) for name, bound in least.items()})


@dataclass(frozen=True, slots=True)
class Scoring:
    """The training examples that a search scores prompts on: at most half of those that the prompt does not show."""

    per_class: int = 8
    """Examples of each label."""
    most: int = 100
    """Examples where there are no labels, and the most in any case."""

    def __post_init__(self) -> None:
        within(self, per_class=(1, math.inf), most=(1, math.inf))


@dataclass(frozen=True, slots=True)
class PromptQuine:
    """Evolution by deletion, without elitism; the best of all that was ever scored is ranked again in the end."""

    name: ClassVar[str] = "promptquine"

    shots: int = 1
    """Demonstrations in the prompt that is pruned: of each class, or in all where there are no labels. 0: none."""
    gene: Gene = "token"
    """What is dropped at a time. The paper: a token."""
    variant: Variant = "auto"
    """`auto` (paper): steady-state for one shot, else generational. `random`: the paper's control, random pruning."""
    begin: Literal["copies", "pruned"] = "copies"
    """The first population: copies of the prompt, or lightly pruned ones (style transfer in the code)."""
    evolve: Evolution = Evolution()
    """From parents to children."""
    score: Scoring = Scoring()
    """What prompts are scored on."""
    rerank: Reranking = RERANKING
    """The final ranking."""

    def __post_init__(self) -> None:
        within(self, shots=(0, math.inf))
        if self.evolve.halving and self._variant != "generational":
            raise ConfigError(
                f"the setting 'evolve.halving' needs whole generations, and the variant is {self._variant!r}; set "
                f"variant=generational, or leave out halving"
            )

    def recast(self, task: Task) -> Task:
        """The task with its whole prompt as one editable text."""
        return inlined(task)

    def evaluator_for(self, task: Task) -> str | Evaluator:
        """The piecewise reward of the labels' probabilities (section 5.1); the task's own metric without labels."""
        return Labels(task, value="piecewise") if task.labels else "generation"

    def optimize(self, run: Run) -> None:
        """Search by training examples, rank the elites on others; what was not ranked there is no finalist."""
        if self.evolve.halving and run.task.labels:
            raise ConfigError("the setting 'evolve.halving' is for tasks without labels; leave it out for this one")
        start = start_with(run, self.shots)
        scored, held = divide(run, start.unseen, self.score.per_class, self.score.most, self.rerank.examples)
        run.rank_by(scored)
        run.evaluate([run.initial], scored)
        genes = genes_of(run, start.prompt[run.task.editable], self.gene)
        history = History(
            run, genes, scored, self.evolve.most, lambda count: (self.rerank.bound(count) + 2) * len(held)
        )
        first = history.first(start.prompt)
        run.record([first.estimate], [first.prompt])
        if self._variant == "random":
            self._prune_at_random(run, history, first)
        else:
            self._evolve(run, history, first)
        rerank(run, history, first, held, self.rerank)
        if history.cut:
            raise BudgetSpent(f"{run.spent.evaluations:,} evaluations are spent, the final ranking included")

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; how long it is depends on the prompt."""
        scored = min(self.score.most, -(-train // 2))
        held = min(self.rerank.examples, train)
        most = max(1, self.evolve.most)
        return UpperBounds((1 + most) * scored + (self.rerank.bound(most) + 2) * held, 0, 0)

    @property
    def _variant(self) -> Variant:
        if self.variant != "auto":
            return self.variant
        return "steady-state" if self.shots <= 1 else "generational"

    def _evolve(self, run: Run, history: History, first: Individual) -> None:
        evolve, population = self.evolve, self._first_population(run, history, first)
        halving = evolve.halving if evolve.halving is not None else not run.task.labels
        while not history.closed and sum(each.length for each in population) > evolve.shortest * len(population):
            before = len(history)
            if self._variant == "generational":
                threshold = min(each.fitness for each in population) if halving else None
                children = self._generation(run, history, population, threshold)
            else:
                children = self._steady_state(run, history, population)
            # A population that is filled up with old ones and brings nothing new could go round in circles for ever.
            if len(history) == before and len(children) < evolve.population:
                if not history.closed:
                    run.warn("the search ended before its prompts were short: nothing more could be dropped")
                return
            if len(children) < evolve.population and not history.closed:
                run.warn("a generation had fewer new prompts than the population holds; the best old ones filled it up")
            population = self._survivors(children, population)
            run.record([each.estimate for each in children], [each.prompt for each in population])

    def _first_population(self, run: Run, history: History, first: Individual) -> list[Individual]:
        if self.begin == "copies":
            return [first] * self.evolve.population
        children: dict[Prompt, Mask] = {}
        for _ in range(self.evolve.population):
            mask = prune_lightly(run.rng("evolution"), history.genes)
            child = history.offspring(first, mask)
            if child is not None:
                children.setdefault(child, mask)
        population = history.add(children)
        run.record([each.estimate for each in population], [each.prompt for each in population])
        return population if population else [first]

    def _generation(
        self, run: Run, history: History, population: Sequence[Individual], threshold: float | None
    ) -> list[Individual]:
        """Section 4.5: all children of a generation are scored in one batch."""
        rng = run.rng("evolution")
        present = {each.prompt for each in population}
        children: dict[Prompt, Mask] = {}
        for _ in range(self.evolve.offspring):
            parent = tournament(rng, population, self.evolve.tournament)
            mask = mutate(rng, history.genes, parent.mask, self.evolve.drops)
            child = history.offspring(parent, mask)
            if child is not None and mask is not None and child not in present:
                children.setdefault(child, mask)
        return history.add(children, threshold)

    def _steady_state(self, run: Run, history: History, population: Sequence[Individual]) -> list[Individual]:
        """Section 4.6: a child is scored at once, and may be the next parent."""
        rng = run.rng("evolution")
        pool = list(population)
        present = {each.prompt for each in pool}
        for _ in range(self.evolve.offspring):
            parent = tournament(rng, pool, self.evolve.tournament)
            mask = mutate(rng, history.genes, parent.mask, self.evolve.drops)
            child = history.offspring(parent, mask)
            if child is not None and mask is not None and child not in present:
                pool += history.add({child: mask})
                present.add(child)
            if history.closed:
                break
        return pool[len(population) :]

    def _survivors(self, children: Sequence[Individual], population: Sequence[Individual]) -> list[Individual]:
        """The fittest children; no parent survives, unless there are too few children to fill the population."""
        size = self.evolve.population
        fittest = sorted(children, key=lambda each: -each.fitness)[:size]
        return [*fittest, *sorted(population, key=lambda each: -each.fitness)[: size - len(fittest)]]

    def _prune_at_random(self, run: Run, history: History, first: Individual) -> None:
        """Section 4.8, the control: as many prompts, each with its own share of genes dropped."""
        rng, misses = run.rng("evolution"), 0
        while not history.closed and misses < self.evolve.offspring:
            batch: dict[Prompt, Mask] = {}
            before = len(history)
            for _ in range(self.evolve.offspring):
                mask = prune_anyhow(rng, history.genes)
                child = history.offspring(first, mask)
                if child is not None:
                    batch.setdefault(child, mask)
            found = history.add(batch)
            misses = 0 if len(history) > before else misses + 1
            if found:
                run.record([each.estimate for each in found], [max(found, key=lambda each: each.fitness).prompt])


def tournament(rng: random.Random, pool: Sequence[Individual], share: float) -> Individual:
    """The fittest of max(1, floor(share * pool)) drawn with replacement; ties to the first drawn."""
    # A tenth of a millionth: 0.2 * 35 is a little more than 7, and shares can as well come out a little below.
    drawn = rng.choices(pool, k=max(1, math.floor(share * len(pool) + 1e-7)))
    return max(drawn, key=lambda each: each.fitness)
