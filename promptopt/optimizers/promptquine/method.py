"""PromptQuine: an in-context prompt evolves by losing tokens; only the newest children can be parents.

Paper    Wang, Hu & Bing 2025, Evolving Prompts In-Context: An Open-ended, Self-replicating Perspective, ICML 2025,
         arXiv:2506.17930.
Calls    task model: a prompt costs one call a search example; about 15 prompts (steady-state) or 20 (generational) for
         every token of the in-context prompt beyond 15, at most 10,000; then 200 calls for every elite. No proposer.
Scales   under a cap of less than 30,000 evaluations, generations of 0.35 S^(1/3) children (S: evaluations granted; 4
         or more) are looked at beside their parents, on 0.8 S^(1/4) examples on average (3 or more; more where the
         prompt is short), drawn anew each time, until all is spent; the two best live on, parents too, and go to the
         final choice with the in-context prompt, which stands for the ranking. `preset=paper`, `quick`, or a number
         for any size goes by one set and ranks again, whatever the cap.
Departs  slots are elements of their own, and genes are cut between them; a string that was scored before is free;
         cohorts that stay too small are filled from the old population's best (code: its worst), and the search ends
         where no child can be made (code: it may never); halves count by their examples, and what was scored on one
         half is no elite; the start prompt without demonstrations is ranked with the elites; a class gives fewer than
         8 examples where all would give more than 100; search and re-ranking share the training examples at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.errors import BudgetSpent, ConfigError
from promptopt.evaluators.labels import Labels
from promptopt.optimizers.promptquine.genes import Gene, genes_of
from promptopt.optimizers.promptquine.history import History, PrunedPrompt, new_children, unpruned
from promptopt.optimizers.promptquine.in_context import divide, starts_with
from promptopt.optimizers.promptquine.plan import KEEP, FixedSetSizes, PruningPreset, pruning_plan
from promptopt.optimizers.promptquine.reproduction import Reproduction
from promptopt.optimizers.promptquine.reranking import Reranking, rerank
from promptopt.optimizers.promptquine.selection import survivors
from promptopt.protocols import Evaluator, Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fresh, GenerationalSelection, least
from promptopt.tasks.inline import inlined
from promptopt.text import counted
from promptopt.types import Example, Prompt, Room, UpperBounds

RERANKING = Reranking()
ACCEPTED = 1.0
"""Generations for each that shortens the best, on fresh examples, where parents live on. Ours."""
Variant = Literal["auto", "generational", "steady-state", "random"]


@dataclass(frozen=True, slots=True)
class Evolution:
    """The genetic algorithm. There is no crossover, and the rate of mutation does not adapt."""

    population: int | None = None
    """Individuals that can be parents; None: by the budget, or the preset. Paper: 30."""
    offspring: int | None = None
    """Children tried in a generation; None: as above. Paper: 50."""
    tournament: float = 0.2
    """The share of the parents that enters a tournament, drawn with replacement. Paper, code."""
    drops: int = 4
    """The most genes that a child loses; the number is drawn evenly from 1 on. Paper, code."""
    most: int | None = None
    """Prompts that the search may score; None: as above. Paper: 10,000."""
    shortest: float = 15.0
    """The mean length of the population, in tokens, at which the search ends; by the budget, at most half the start.
    Code; the paper: below it."""
    halving: bool | None = None
    """Whether children below the whole population on half of the examples are left at that. None: where the paper has
    it, for generational search of tasks without labels."""

    def __post_init__(self) -> None:
        within(self, tournament=(0.0, 1.0), drops=(1, math.inf), shortest=(0, math.inf))
        within(self, population=(1, math.inf), offspring=(1, math.inf), most=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Scoring:
    """The training examples that a search scores prompts on: at most half of those that the prompt does not show."""

    per_class: int | None = None
    """Examples of each label; None: by the budget, few and drawn anew. Paper: 8."""
    most: int | None = None
    """Examples where there are no labels, and the most in any case; None: as above. Paper: 100."""

    def __post_init__(self) -> None:
        within(self, per_class=(1, math.inf), most=(1, math.inf))


@told
@dataclass(frozen=True, slots=True)
class PromptQuine:
    """Evolution by deletion, without elitism; the best of all that was ever scored is ranked again in the end."""

    name: ClassVar[str] = "promptquine"

    shots: int = 1
    """Demonstrations in the prompt that is pruned: of each class, or in all where there are no labels. 0: none. Paper:
    1 and 4."""
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
    starts: int = 1
    """In-context prompts, each with demonstrations of its own, that are searched from; the best of all are ranked.
    Ours."""
    preset: PruningPreset = "budget"
    """What open settings follow: the budget, the paper, or `quick`: 400 prompts in generations of 20."""

    def __post_init__(self) -> None:
        within(self, shots=(0, math.inf), starts=(1, math.inf))
        if self.evolve.halving and self._variant != "generational":
            raise ConfigError(
                f"the setting 'evolve.halving' needs whole generations, and the variant is {self._variant!r}; set "
                f"variant=generational, or leave out halving"
            )

    def recast(self, task: Task) -> Task:
        """The task with its whole prompt as one editable text."""
        return inlined(task)

    def evaluator_for(self, task: Task) -> str | Evaluator:
        """The piecewise reward of the labels' probabilities; the task's own metric without labels."""
        return Labels(task, value="piecewise") if task.labels else "generation"

    def optimize(self, run: Run) -> None:
        """Search by training examples, and rank the best on others, or leave that to the final choice."""
        # Only here: the settings by themselves say nothing of the task.
        if self.evolve.halving and run.task.labels:
            raise ConfigError("the setting 'evolve.halving' is for tasks without labels; leave it out for this one")
        plan = self.plan(run.room)
        prompts, unseen = starts_with(run, self.shots, self.starts)
        if isinstance(plan, Fresh):
            self._on_fresh_examples(run, plan, prompts)
        else:
            self._on_one_set(run, plan, prompts, unseen)

    def plan(self, room: Room) -> FixedSetSizes | Fresh:
        """How many prompts there are, and what they are seen on."""
        evolve, score = self.evolve, self.score
        return pruning_plan(
            room,
            self.preset,
            {
                "population": evolve.population,
                "offspring": evolve.offspring,
                "most": evolve.most,
                "per_class": score.per_class,
                "examples": score.most,
                "held": self.rerank.examples,
            },
        )

    def least(self, room: Room) -> int:
        """Evaluations of one generation that is of use."""
        plan = self.plan(room)
        if isinstance(plan, Fresh):
            return least(room, plan, keep=KEEP + self.starts)
        scored, held = min(plan.examples, -(-room.train // 2)), min(plan.held, room.train)
        return (1 + self.starts + plan.offspring) * scored + self._ranked(plan.offspring) * held

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; the prompt sets its length."""
        plan = self.plan(Room.uncapped(train))
        assert isinstance(plan, FixedSetSizes)
        scored, held = min(plan.examples, -(-train // 2)), min(plan.held, train)
        most = max(self.starts, plan.most)
        return UpperBounds((1 + most) * scored + self._ranked(most) * held, 0, 0)

    def _ranked(self, scored: int) -> int:
        """The most prompts of the final ranking, once so many were scored: elites, in-context prompts, the start."""
        return self.rerank.bound(scored) + 1 + self.starts

    def _on_fresh_examples(self, run: Run, plan: Fresh, prompts: Sequence[Prompt]) -> None:
        """Old and new are looked at together: on few examples a cohort alone forgets what was good by bad luck."""
        _refuse_below(run, 2 + len(prompts), "one look at the start, the in-context prompt and one child")
        known = {each: unpruned(run, each, self.gene) for each in dict.fromkeys([*prompts, run.initial])}
        population: list[PrunedPrompt] = list(known.values())
        shortest = min(self.evolve.shortest, min(each.length for each in population) / 2)
        deepened = self._deepened(run, plan, max(each.length for each in population) - shortest)
        # No child at all is a dry spell: pruning has come to its end there.
        selection = GenerationalSelection(run, run.train, deepened, dry=1)
        while selection.open:
            long = sum(each.length for each in population) > shortest * len(population)
            wanted = plan.children if long else 0
            children = new_children(run, population, known, wanted, self.evolve.drops)
            known |= children
            ranked, kept = selection.select([each.prompt for each in population], list(children))
            population = [known[prompt] for prompt in kept]
            if not children:
                continue
            # On few examples pruning may harm unseen: what it began with is a finalist beside the best.
            run.rank_by(run.train, [kept[0], *prompts, *kept[1:]])
            run.record(ranked, kept)

    def _deepened(self, run: Run, plan: Fresh, surplus: float) -> Fresh:
        """A plan that sees more of each prompt where few generations can be had: a short prompt is soon pruned."""
        # A child loses (1 + drops) / 2 genes on average, as their number is drawn evenly.
        generations_had = ACCEPTED * surplus / ((1 + self.evolve.drops) / 2)
        depth = plan.evaluations / ((plan.children + plan.keep) * max(1.0, generations_had))
        return replace(plan, depth=max(plan.depth, min(depth, len(run.train))))

    def _on_one_set(
        self, run: Run, plan: FixedSetSizes, prompts: Sequence[Prompt], unseen: tuple[Example, ...]
    ) -> None:
        """The paper's algorithm; what was not ranked in the end is no finalist before what was."""
        scored, held = divide(run, unseen, plan.per_class, plan.examples, plan.held)
        run.rank_by(scored)
        _refuse_below(
            run,
            (2 + len(prompts)) * len(scored) + self._ranked(1 + len(prompts)) * len(held),
            f"one child, the start and the in-context prompt on {counted(len(scored), 'example')}, and their "
            f"ranking on {counted(len(held), 'other')}",
        )
        run.evaluate([run.initial], scored)
        # Set aside from the first: the ranking costs about as much as the search.
        history = History(run, scored, plan.most, lambda count: self._ranked(count) * len(held))
        firsts: list[PrunedPrompt] = []
        for number, prompt in enumerate(prompts, 1):
            genes = genes_of(run, prompt[run.task.editable], self.gene)
            first = history.first(prompt, genes, part=number, parts=len(prompts))
            firsts.append(first)
            run.record([first.estimate], [first.prompt])
            if self._variant == "random":
                self._reproduction(run, history, plan).prune_at_random(first)
            else:
                self._evolve(run, history, first, plan)
        rerank(run, history, firsts, held, self.rerank)
        # Said only now, for what was set aside paid for the ranking in between.
        if history.cut:
            raise BudgetSpent(
                f"{counted(run.spent.evaluations, 'evaluation is', 'evaluations are')} spent, the final ranking "
                "included"
            )

    @property
    def _variant(self) -> Variant:
        if self.variant != "auto":
            return self.variant
        return "steady-state" if self.shots <= 1 else "generational"

    def _reproduction(self, run: Run, history: History, plan: FixedSetSizes) -> Reproduction:
        return Reproduction(run, history, plan.offspring, tournament=self.evolve.tournament, drops=self.evolve.drops)

    def _evolve(self, run: Run, history: History, first: PrunedPrompt, plan: FixedSetSizes) -> None:
        evolve, reproduction = self.evolve, self._reproduction(run, history, plan)
        population = reproduction.first_population(first, plan.population, pruned=self.begin == "pruned")
        halving = evolve.halving if evolve.halving is not None else not run.task.labels
        while not history.closed and sum(each.length for each in population) > evolve.shortest * len(population):
            before = len(history)
            if self._variant == "generational":
                # Of the generation's beginning, for all of its children alike.
                threshold = min(each.fitness for each in population) if halving else None
                children = reproduction.generation(population, threshold)
            else:
                children = reproduction.steady_state(population)
            # A population that is filled up with old ones and brings nothing new could go round in circles for ever.
            if len(history) == before and len(children) < plan.population:
                if not history.closed:
                    run.warn("the search ended before its prompts were short: nothing more could be dropped")
                return
            if len(children) < plan.population and not history.closed:
                run.warn("a generation had fewer new prompts than the population holds; the best old ones filled it up")
            population = survivors(children, population, plan.population)
            run.record([each.estimate for each in children], [each.prompt for each in population])


def _refuse_below(run: Run, least: int, what: str) -> None:
    """Raise ConfigError where the budget does not pay for one child, before anything is spent."""
    left = run.evaluations_left()
    if left is not None and left < least:
        raise ConfigError(
            f"the budget leaves {counted(left, 'evaluation')} to the search, and pruning needs {least:,} at "
            f"least: {what}; "
            f"allow more, or score and rank on fewer examples"
        )
