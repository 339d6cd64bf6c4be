"""EvoPrompt: an evolutionary algorithm whose crossover and mutation are one request to a language model.

Paper    Guo et al. 2024, Connecting Large Language Models with Evolutionary Algorithms Yields Powerful Prompt
         Optimizers, ICLR 2024, arXiv:2309.08532.
Calls    task model: |D| for each prompt of the pool (start and seeds), each paraphrase that fills the first population,
         and each new child, N a generation; proposer: one a paraphrase, N a generation. Without seeds, by the paper's
         constants, 200 * (1 + 9 + 100) and 9 + 100. A reply off its form is asked for once more.
Scales   under a cap that does not afford the paper's constants, old and new prompts of a generation are seen together
         on few examples, drawn anew each time, and three live on (four with a random donor): by the posterior over
         the lineage where S is below 1,000, else the worst leave one by one. Of S evaluations, a generation has 0.7
         S^(1/3) children (4 or more), each seen on 0.8 S^(1/4) examples on average (3 or more), fewer at first
         and more towards the end, until all is spent. The first is paraphrases of the start and the seeds; where
         generations bring nothing new, the best begins again alone, once. Where S is below 210 and calls are capped, a
         child is paraphrased once before it is scored. DE asks for a whole generation at once
         there, with the best of the last as its donor. `preset=paper`, or a number for `examples`, scores all on a
         fixed set and keeps the paper's rules whatever the cap.
Departs  one start prompt may be all there is: paraphrases of it fill the population, which may stay smaller; two
         parents are drawn for each child and differ (code: two places of a mating pool); scores that are negative or
         all zero are made fit for the wheel; an operator's reply without a complete pair of tags is no prompt, and its
         slot has no child; a child that copies the worked example is dropped, one that was scored before costs
         nothing, and no prompt fills two slots; DE draws members other than the donor where there are enough; of
         equals the older stays, then the shorter.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.optimizers.evoprompt.evolution import (
    REWRITING,
    Breeder,
    Rewriting,
    fitness,
    fittest_first,
    fixed_sample,
    para_topk,
    wheel,
)
from promptopt.optimizers.evoprompt.plan import BREEDERS, Lineage, bounds, evolution_plan
from promptopt.optimizers.evoprompt.requests import OPERATOR, request_child
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fixed, Fresh, Preset, least, writings_of
from promptopt.text import counted
from promptopt.types import Estimate, Prompt, Room, UpperBounds


@told
@dataclass(frozen=True, slots=True)
class EvoPromptGA:
    """Genetic algorithm: two parents are crossed and the result mutated; the best of old and new go on."""

    name: ClassVar[str] = "evoprompt-ga"

    population: int | None = None
    """N, children of a generation, and on a fixed set the prompts that go on; None: by the budget. Paper: 10."""
    generations: int | None = None
    """T, generations; None: by the budget. The paper's iterations: 10."""
    examples: int | None = None
    """|D|, examples that every prompt is scored on; None: by the budget. Paper: 200 classes, 100 free text, 50 BBH."""
    seeds: tuple[str, ...] = ()
    """Further start prompts: texts of the part that is edited. Paper: about ten and more."""
    parents: Literal["roulette", "tournament", "random"] = "roulette"
    """How a parent is drawn: by its score, as the better of two, or any."""
    update: Literal["topk", "std"] = "topk"
    """Who goes on: the best N of old and new, or each child in its slot (code)."""
    rewrite: Rewriting = REWRITING
    """How the proposer is asked."""
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        _check_settings(self, fewest=1)

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt and the seeds."""
        plan = self.plan(run.room)
        breeder = Breeder(run, self.rewrite, OPERATOR, writings=writings_of(run, plan.writings))
        if isinstance(plan, Fixed):
            self._on_one_set(run, breeder, plan)
            return
        lineage = Lineage(run, breeder, self.seeds, plan)
        lineage.select(lineage.paraphrases())
        while lineage.open:
            # After a dry spell the best goes on alone, and has nobody to be crossed with.
            crossed = len(lineage.members) > 1
            lineage.select(
                self._children(run, breeder, lineage.members, lineage.count) if crossed else lineage.paraphrases()
            )

    def plan(self, room: Room) -> Fixed | Fresh:
        """How many generations of how many children there are, and what those are seen on."""
        return evolution_plan(self, room, keep=BREEDERS, fixed=self.update == "std")

    def least(self, room: Room) -> int:
        """Evaluations of one generation that is of use."""
        return least(room, self.plan(room), keep=BREEDERS)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap.

        Replies off their form are asked for twice.
        """
        return bounds(self, self.rewrite.sampling, train)

    def _on_one_set(self, run: Run, breeder: Breeder, plan: Fixed) -> None:
        """The paper's algorithm, on up to |D| training examples."""
        examples, size = fixed_sample(run, plan.examples), plan.children
        population = para_topk(run, breeder, self.seeds, examples, size)
        for _ in range(plan.rounds):
            children = self._children(run, breeder, population, size)
            scored = fitness(run, [child for child in children if child is not None], examples)
            # Of equals the older comes first, then the shorter: the sort by score is stable.
            union = list(
                dict.fromkeys([*population, *sorted(scored, key=lambda each: _instruction_length(run, each.prompt))])
            )
            # Paper: the best N of old and new together.
            if self.update == "topk":
                population = fittest_first(union)[:size]
            else:
                population = _overwritten(population, children, {each.prompt: each for each in union})
            run.record(union, [member.prompt for member in fittest_first(population)])

    def _children(self, run: Run, breeder: Breeder, population: Sequence[Estimate], count: int) -> list[Prompt | None]:
        """A child of each of `count` pairs; None where a reply was of no use."""
        pairs = [self._pair(run.rng("parents"), population) for _ in range(count)]
        asked = [
            ((first, second), request_child(run, "ga", {"Prompt 1": first, "Prompt 2": second}))
            for first, second in pairs
        ]
        return breeder.children(asked, "crossover")

    def _pair(self, rng: random.Random, population: Sequence[Estimate]) -> tuple[Prompt, Prompt]:
        """Two different members; a population of one is crossed with itself."""
        first = self._draw(rng, population)
        # The code draws places of a mating pool, and may cross a prompt with itself.
        others = [member for member in population if member.prompt != first]
        return first, self._draw(rng, others) if others else first

    def _draw(self, rng: random.Random, members: Sequence[Estimate]) -> Prompt:
        if self.parents == "roulette":
            return rng.choices(members, wheel([member.mean for member in members]))[0].prompt
        # The better of two different ones.
        if self.parents == "tournament":
            return fittest_first(rng.sample(members, min(2, len(members))))[0].prompt
        return rng.choice(members).prompt


@told
@dataclass(frozen=True, slots=True)
class EvoPromptDE:
    """Differential evolution: what differs between two members, mutated, goes into the best prompt, and into the base.

    A child takes the slot of its own base, and only where it is strictly better.
    """

    name: ClassVar[str] = "evoprompt-de"

    population: int | None = None
    """N, children of a generation, and on a fixed set the prompts that go on; None: by the budget. Paper: 10."""
    generations: int | None = None
    """T, generations; None: by the budget. The paper's iterations: 10."""
    examples: int | None = None
    """|D|, examples that every prompt is scored on; None: by the budget. Paper: 200 classes, 100 free text, 50 BBH."""
    seeds: tuple[str, ...] = ()
    """Further start prompts: texts of the part that is edited. Paper: about ten and more."""
    variant: Literal["v1", "v2", "v3"] = "v1"
    """The operator: differing parts and a donor (paper), no donor, or whole prompts mutated (code)."""
    donor: Literal["best", "random"] = "best"
    """Prompt 3: the best prompt so far, or a third member."""
    rewrite: Rewriting = REWRITING
    """How the proposer is asked."""
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        _check_settings(self, fewest=self._fewest)

    @property
    def _fewest(self) -> int:
        """Members without which there is nothing to draw: the base, two others, and a donor that is a member."""
        # The code draws three beside the base for every variant, and needs four.
        return 4 if self.donor == "random" and self.variant != "v2" else 3

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt and the seeds."""
        plan = self.plan(run.room)
        breeder = Breeder(run, self.rewrite, OPERATOR, writings=writings_of(run, plan.writings))
        if isinstance(plan, Fixed):
            self._on_one_set(run, breeder, plan)
            return
        lineage = Lineage(run, breeder, self.seeds, plan)
        lineage.select(lineage.paraphrases())
        while lineage.open:
            members = lineage.members
            # So after a dry spell, from which the best goes on alone.
            if len(members) < self._fewest:
                lineage.select(lineage.paraphrases())
                continue
            # All at once, by the best of the last generation: one batch, where the paper asks for one after another.
            bases = islice(cycle(members), lineage.count)
            roles = [self._roles(run.rng("members"), members, base, members[0]) for base in bases]
            lineage.select(breeder.children([self._asked(run, each) for each in roles], "differential"))

    def plan(self, room: Room) -> Fixed | Fresh:
        """How many generations of how many children there are, and what those are seen on."""
        return evolution_plan(self, room, keep=self._fewest)

    def least(self, room: Room) -> int:
        """Evaluations of one generation that is of use."""
        return least(room, self.plan(room), keep=self._fewest)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap.

        Replies off their form are asked for twice.
        """
        return bounds(self, self.rewrite.sampling, train)

    def _on_one_set(self, run: Run, breeder: Breeder, plan: Fixed) -> None:
        """The paper's algorithm, on up to |D| training examples."""
        examples = fixed_sample(run, plan.examples)
        population = para_topk(run, breeder, self.seeds, examples, plan.children)
        best = population[0]
        if len(population) < self._fewest:
            run.warn(
                f"differential evolution needs {counted(self._fewest, 'different prompt')} and has "
                f"{len(population)}: it ends"
            )
            return
        for _ in range(plan.rounds):
            # Bases and Prompts 1 and 2 are of the old generation, whatever its children score (paper).
            survivors, tried = list(population), list[Estimate]()
            # One after the other: a record is the donor of the very next child.
            for slot, base in enumerate(population):
                asked = self._asked(run, self._roles(run.rng("members"), population, base, best))
                # One or none.
                for scored in fitness(run, _children(breeder, asked), examples):
                    tried.append(scored)
                    # Against its own base alone (paper). A prompt in two slots could be Prompt 1 and Prompt 2 at once.
                    if scored.mean > base.mean and scored not in [*population, *survivors]:
                        survivors[slot] = scored
                    if scored.mean > best.mean:
                        best = scored
            union = list(dict.fromkeys([*population, *tried]))
            population = survivors
            run.record(union, [member.prompt for member in fittest_first(population)])

    def _asked(self, run: Run, roles: Mapping[str, Prompt]) -> tuple[tuple[Prompt, ...], str]:
        # The base comes last among the roles, and first among the parents.
        return tuple(reversed(list(roles.values()))), request_child(run, self.variant, roles)

    def _roles(
        self, rng: random.Random, population: Sequence[Estimate], base: Estimate, best: Estimate
    ) -> dict[str, Prompt]:
        """Different members for the base; those that are not the donor as well, where there are enough."""
        others = [member.prompt for member in population if member.prompt != base.prompt]
        # The variant without a donor.
        if self.variant == "v2":
            first, second = rng.sample(others, 2)
            return {"Prompt 1": first, "Prompt 2": second, "Base prompt": base.prompt}
        if self.donor == "random":
            first, second, donor = rng.sample(others, 3)
        else:
            donor = best.prompt
            rest = [member for member in others if member != donor]
            first, second = rng.sample(rest if len(rest) >= 2 else others, 2)
        return {"Prompt 1": first, "Prompt 2": second, "Prompt 3": donor, "Base prompt": base.prompt}


def _children(breeder: Breeder, asked: tuple[tuple[Prompt, ...], str]) -> list[Prompt]:
    """The child of one request, or nothing."""
    return [child for child in breeder.children([asked], "differential") if child is not None]


def _overwritten(
    population: Sequence[Estimate], children: Sequence[Prompt | None], known: Mapping[Prompt, Estimate]
) -> list[Estimate]:
    """Each child in the slot of its number, unless it is a member already; slots that are missing are added."""
    slots = list(population)
    for slot, child in enumerate(children):
        if child is not None and known[child] not in slots:
            # A slice: a population that stayed small has no such slot yet.
            slots[slot : slot + 1] = [known[child]]
    return slots


def _instruction_length(run: Run, prompt: Prompt) -> int:
    return len(prompt[run.task.editable])


def _check_settings(settings: EvoPromptGA | EvoPromptDE, *, fewest: int) -> None:
    within(settings, population=(fewest, math.inf), generations=(0, math.inf), examples=(1, math.inf))
    if not all(seed.strip() for seed in settings.seeds):
        raise ConfigError("one of the 'seeds' is empty; give every seed prompt a text, or leave it out")
