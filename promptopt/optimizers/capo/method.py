"""CAPO: instructions with demonstrations, crossed and mutated; races with paired tests pick who goes on; length costs.

Paper    Zehle et al. 2025, CAPO: Cost-Aware Prompt Optimization, AutoML 2025, PMLR 293:18, arXiv:2504.16005.
Scales   with the budget, of S evaluations: max(4, 0.7 S^(1/3)) children an iteration, all looked at together with the
         population of 2 on max(3, 0.8 S^(1/4)) examples drawn anew (0.4 of that at first, 1.6 in the end), of which
         the 2 best go on (by the posterior over the lineage where S is below 1,000, else by successive rejects); of
         equal ones the prompt goes on that is clearly shorter, which is what length costs there. 500
         evaluations are about 14 iterations of 5 children, 2,000 are 33 of 8.
Paper's  rule, by `preset=paper` and where there is no cap: a population of 10, 4 children, races over blocks of 30 in a
         fixed order, each score less the price of length. Proposer: 2c an iteration, and paraphrases that fill the
         first population; task model: at most D for each of the first population and of the children, and one for each
         new demonstration. Replies off their form are asked for once more.
Departs  the budget's rule, which is ours; one start prompt may be all there is: its paraphrases fill the first
         population, and it stands in it with its own demonstrations; children of equal rendering are dropped; an
         example is shown once in a prompt; races go by mean less price over the blocks they share (code: raw means over
         any blocks); a difference that does not vary counts from epsilon and two blocks on; the search ends after ten
         iterations without a new survivor; the last population is scored on all blocks. Shuffled blocks are left out:
         they cost more, and were broken in the code.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.operators.demos import demonstrate, draw, fitting, inherit, set_aside, shows_demos, with_target
from promptopt.operators.drafts import words_allowed
from promptopt.operators.reflect import show_task
from promptopt.operators.rewrite import again, rewrites
from promptopt.optimizers.capo.plan import ITERATIONS, CAPOPlan
from promptopt.optimizers.capo.requests import CROSSOVER, FORM, MUTATION
from promptopt.optimizers.capo.track import RACE, Lengths, Race, Track
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import SMALL, Fresh, GenerationalSelection, Preset, fresh, least_generation
from promptopt.tasks.parts import wording
from promptopt.text import Pattern, counted, normalise
from promptopt.types import Example, Prompt, Proposal, Room, Sampling, UpperBounds

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
ATTEMPTS = 3
"""Rounds of paraphrases that the first population is filled up with, before it stays smaller. Ours."""
SURVIVORS = 2
"""Prompts that go on by the budget: as few as a crossover takes. On planted tasks 3 were no better."""

Action = Literal["add", "drop", "keep"]
ACTIONS: tuple[Action, ...] = ("add", "drop", "keep")


@dataclass(frozen=True, slots=True)
class Breeding:
    """How children come about."""

    crossovers: int | None = None
    """c, children of an iteration. None: by the budget; paper: 4 (7 and 10 were studied)."""
    longest: int = 400
    """Tokens an instruction may have; one whose parent is longer may have a quarter more than that. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        within(self, crossovers=(1, math.inf), longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """The examples that a prompt shows."""

    most: int = 5
    """k_max, demonstrations of a prompt. Code. 0: none."""
    outputs: Literal["own", "target"] = "own"
    """What they show: the task model's own reply where that is right, or bare right answers, which cost nothing."""

    def __post_init__(self) -> None:
        within(self, most=(0, math.inf))


@told
@dataclass(frozen=True, slots=True)
class CAPO:
    """Evolution of instruction and demonstrations together, with racing and a price on length."""

    name: ClassVar[str] = "capo"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    population: int | None = None
    """mu, prompts that go on to the next iteration. None: 2 by the budget; paper: 10."""
    iterations: int | None = None
    """Iterations at most. None: by the budget; paper: 999 (where five million tokens read end the search before)."""
    patience: int = 10
    """Iterations without a new survivor (by the budget: without a new child) that end the search. By the budget it
    begins again from its best once, before they do. Ours."""
    seeds: tuple[str, ...] = ()
    """Further start prompts: texts of the part that is edited. Paper: ten in all."""
    breed: Breeding = Breeding()
    """From two parents to a child."""
    demos: Demonstrations = Demonstrations()
    """What prompts show."""
    race: Race = RACE
    """The paper's way from parents and children to survivors."""

    def __post_init__(self) -> None:
        within(self, population=(1, math.inf), iterations=(0, math.inf), patience=(1, math.inf))
        if not all(seed.strip() for seed in self.seeds):
            raise ConfigError("one of the 'seeds' is empty; give every seed prompt a text, or leave it out")

    def plan(self, room: Room) -> CAPOPlan:
        """By the budget where there is one, else by the paper's rule."""
        found = None
        if self.preset == "budget":
            # A child brings a crossover and a mutation; the first prompts are a generation of their own.
            most = None if self.iterations is None else 1 + self.iterations
            found = fresh(
                room, children=self.breed.crossovers, keep=self._keep, calls_per_child=2.0, most=most, small=SMALL
            )
        if found is None:
            iterations = ITERATIONS if self.iterations is None else self.iterations
            crossovers = 4 if self.breed.crossovers is None else self.breed.crossovers
            return CAPOPlan(iterations, 10 if self.population is None else self.population, crossovers, None)
        rounds = found.rounds if self.iterations is None else self.iterations
        return CAPOPlan(rounds, self._keep, found.children, found)

    @property
    def _keep(self) -> int:
        return SURVIVORS if self.population is None else self.population

    def least(self, room: Room) -> int:
        """Three iterations; of the paper's rule a first race of two blocks, for one of several ranks nobody well."""
        plan = self.plan(room)
        if plan.fresh is not None:
            return 3 * least_generation(plan.population)
        return (plan.population + plan.crossovers) * min(2 * self.race.block, room.train)

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt and the seeds; blocks and demonstrations come from `train`."""
        plan = self.plan(run.room)
        sample, pool = self._examples(run, plan)
        most = min(self.demos.most, len(pool))
        if plan.fresh is None:
            self._published(run, plan, sample, pool, most)
        else:
            self._planned(run, plan, plan.fresh, sample, pool, most)

    def _planned(
        self,
        run: Run,
        plan: CAPOPlan,
        planned: Fresh,
        sample: Sequence[Example],
        pool: Sequence[Example],
        most: int,
    ) -> None:
        """Small iterations on fresh examples; of equals the shorter goes on."""
        search = GenerationalSelection(run, sample, planned, self.patience)
        made = self._first(run, pool, most, planned.children + 1)
        track = Lengths(run, self.race.gamma, [run.initial, *(proposal.prompt for proposal in made)])
        population = search.survivors([run.initial], track.admit(made, [run.initial]), track.dearness)
        while search.open:
            children = track.admit(self._children(run, plan, population, pool, most), population)
            population = search.survivors(population, children, track.dearness)

    def _published(
        self, run: Run, plan: CAPOPlan, sample: Sequence[Example], pool: Sequence[Example], most: int
    ) -> None:
        """The paper's loop."""
        made = self._first(run, pool, most, plan.population)
        track = Track(run, self.race, sample, [run.initial, *(proposal.prompt for proposal in made)])
        population, idle = [run.initial, *track.admit(made, [run.initial])], 0
        for _ in range(plan.rounds):
            children = track.admit(self._children(run, plan, population, pool, most), population)
            survivors = track.race([*population, *children], plan.population)
            # A survivor that is new: children that all fall behind leave the search where it was.
            idle = 0 if any(prompt not in population for prompt in survivors) else idle + 1
            population = survivors
            if idle == self.patience:
                break
        track.finish(population)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a whole search in that room; replies off their form are asked for twice."""
        plan, train = self.plan(room), room.train
        if plan.fresh is not None:
            calls = 2 * (ATTEMPTS * plan.crossovers + plan.fresh.bound * 2 * plan.crossovers)
            # Calls that the proposer leaves go to evaluations.
            cells = room.cells()
            evaluations = plan.fresh.evaluations if cells is None or room.calls is None else cells
            return UpperBounds(evaluations, calls, calls * self.breed.sampling.max_tokens)
        # Where demonstrations have no place, the races have all examples.
        scored = min(train, self.race.block * self.race.blocks)
        first, children = max(plan.population, 1 + len(self.seeds)), plan.rounds * plan.crossovers
        pool = set_aside(train, self.race.block * self.race.blocks) if self.demos.outputs == "own" else 0
        shown = min(self.demos.most, pool)
        # The start keeps its own; every child may add one.
        demonstrations = (first - 1) * shown + (children if shown else 0)
        evaluations = (first + children) * scored + demonstrations
        # One of the seeds may be the start.
        missing = plan.population - max(1, len({normalise(seed) for seed in self.seeds}))
        calls = 2 * (ATTEMPTS * max(0, missing) + 2 * children)
        return UpperBounds(evaluations, calls, calls * self.breed.sampling.max_tokens)

    def _examples(self, run: Run, plan: CAPOPlan) -> tuple[list[Example], list[Example]]:
        """The sample that prompts are compared on, in the order of its blocks; and others, for demonstrations."""
        shuffled = run.rng("examples").sample(run.train, len(run.train))
        most = len(shuffled) if plan.fresh is not None else self.race.block * self.race.blocks
        aside = set_aside(len(shuffled), most) if self.demos.most else 0
        if aside and not shows_demos(run.task):
            aside = 0
            run.warn("the task's layout has no place for demonstrations: CAPO searches for instructions alone")
        elif self.demos.most and not aside:
            run.warn("one training example leaves none to be shown: CAPO searches for instructions alone")
        sample = shuffled[aside:][:most]
        if plan.fresh is None and len(sample) < self.race.block:
            run.warn(
                f"{counted(len(sample), 'example is', 'examples are')} fewer than a block of {self.race.block}: "
                "one smaller block decides"
            )
        # What is shown is never scored on: a prompt that holds the answer would win by it.
        return sample, shuffled[:aside]

    def _first(self, run: Run, pool: Sequence[Example], most: int, count: int) -> list[Proposal]:
        """P_0 but for the start, which stands as it is: seeds and paraphrases with up to k_max demonstrations each."""
        editable = run.task.editable
        given = [run.initial, *(run.initial.replace(editable, seed) for seed in self.seeds)]
        found: dict[str, Proposal] = {}
        for prompt in given:
            found.setdefault(wording(run.task, prompt), Proposal(prompt, operator="seed"))
        sources = [proposal.prompt for proposal in found.values()]
        for _ in range(ATTEMPTS):
            asked = [sources[place % len(sources)] for place in range(count - len(found))]
            for source, text in zip(asked, self._rephrase(run, asked, "paraphraser"), strict=True):
                if text is not None:
                    found.setdefault(wording(run.task, text), Proposal(text, (source,), "paraphraser"))
        if len(found) < count:
            run.warn(
                f"the first population has {len(found)} of {counted(count, 'prompt')}, as the proposer wrote no more "
                f"different paraphrases: give it seeds, or another proposer"
            )
        rng = run.rng("demonstrations")
        return [
            # kappa, the number of them, is uniform from 0 to k_max.
            replace(each, prompt=self._showing(run, each.prompt, draw(rng, pool, rng.randint(0, most))))
            for each in found.values()
            if each.prompt != run.initial
        ]

    def _children(
        self, run: Run, plan: CAPOPlan, population: Sequence[Prompt], pool: Sequence[Example], most: int
    ) -> list[Proposal]:
        """One child a crossover; it is missing where the crossover gave nothing that can be used."""
        rng, editable = run.rng("parents"), run.task.editable
        pairs = [_parent_pair(rng, population) for _ in range(plan.crossovers)]
        asked = [
            (first, self._request(run, CROSSOVER, first, {"first": first[editable], "second": second[editable]}))
            for first, second in pairs
        ]
        # Where the mutation gives nothing, the crossover stands.
        crossed = again(self._write(run, asked, "crossover"), lambda drafts: self._rephrase(run, drafts, "mutation"))
        children: list[Proposal] = []
        for parents, prompt in zip(pairs, crossed, strict=True):
            if prompt is None:
                continue
            # Each kind of draw has a stream of its own: more demonstrations move no later parent or action.
            demos = inherit(run.rng("demonstrations"), *parents, most)
            # Each a third of the times; what cannot be done leaves them as they are.
            action = run.rng("actions").choice(ACTIONS)
            if action == "add" and len(demos) < most:
                # By inputs, as outputs differ where a reply is shown. The addition was lost in the paper's code.
                shown = [demo.fields for demo in demos]
                unused = [example for example in pool if example.fields not in shown]
                demos += self._showing(run, prompt, draw(run.rng("demonstrations"), unused, 1)).demos
            elif action == "drop" and demos:
                demos.pop(run.rng("demonstrations").randrange(len(demos)))
            # Part of the mutation in the paper: the order of demonstrations is searched too.
            run.rng("demonstrations").shuffle(demos)
            children.append(Proposal(prompt.with_demos(demos), tuple(dict.fromkeys(parents)), "crossover", action))
        return children

    def _showing(self, run: Run, prompt: Prompt, examples: Sequence[Example]) -> Prompt:
        """The prompt with these examples as its demonstrations, own replies or bare answers."""
        own = self.demos.outputs == "own"
        demos = demonstrate(run, prompt, examples) if own else [with_target(example) for example in examples]
        return prompt.with_demos(fitting(run, prompt, demos))

    def _rephrase(self, run: Run, prompts: Sequence[Prompt], who: str) -> list[Prompt | None]:
        editable = run.task.editable
        asked = [(prompt, self._request(run, MUTATION, prompt, {"section": prompt[editable]})) for prompt in prompts]
        return self._write(run, asked, who)

    def _write(self, run: Run, asked: Sequence[tuple[Prompt, str]], who: str) -> list[Prompt | None]:
        return rewrites(run, asked, self.breed.sampling, who=who, longest=self.breed.longest, form=FORM)

    def _request(self, run: Run, pattern: Pattern, parent: Prompt, texts: Mapping[str, str]) -> str:
        editable = run.task.editable
        words = words_allowed(run.task, editable, parent[editable], self.breed.longest, run.count_tokens)
        return pattern.render({"task": show_task(run.task, parent), "words": str(words), **texts})


def _parent_pair(rng: random.Random, population: Sequence[Prompt]) -> tuple[Prompt, Prompt]:
    """Two different members; a population of one is crossed with itself."""
    drawn = rng.sample(population, min(2, len(population)))
    return drawn[0], drawn[-1]
