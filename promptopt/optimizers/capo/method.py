"""CAPO: instructions with demonstrations, crossed and mutated; races with paired tests pick who goes on; length costs.

Paper    Zehle et al. 2025, CAPO: Cost-Aware Prompt Optimization, AutoML 2025, PMLR 293:18, arXiv:2504.16005.
Calls    proposer: 2c an iteration, and paraphrases that fill the first population; task model: at most D for each of
         the first population and of the c children an iteration, and one for each new demonstration. Replies off their
         form are asked for once more.
Departs  one start prompt may be all there is: its paraphrases fill the first population, and it stands in it with its
         own demonstrations; children of equal rendering are dropped; an example is shown once in a prompt; races go by
         mean less price over the blocks they share (code: raw means over any blocks); a difference that does not vary
         counts from epsilon and two blocks on; the search ends after ten iterations without a new survivor; the last
         population is scored on all blocks. Shuffled blocks are left out: they cost more, and were broken in the code.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.errors import ConfigError
from promptopt.operators.demos import bare, demonstrate, draw, fitting, shows_demos, unlike
from promptopt.operators.reflect import room, show_task
from promptopt.operators.rewrite import rewrites
from promptopt.optimizers.capo.track import RACE, Race, Track
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, normalise
from promptopt.types import Example, Prompt, Proposal, Sampling, UpperBounds

CROSSOVER = Pattern(
    '''Merge two prompts for a language model into one.

{task}Prompt 1:
"""
{first}
"""

Prompt 2:
"""
{second}
"""

The new prompt must be one coherent text that keeps what is special about the language of both. \
Keep the names of the answers. Write it in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "first", "second", "words"),
)

MUTATION = Pattern(
    '''Rephrase a prompt for a language model: the same meaning, in a clearly different style.

{task}Prompt:
"""
{section}
"""

Keep every rule and the names of the answers. \
Write the new prompt in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "section", "words"),
)

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
ATTEMPTS = 3
"""Rounds of paraphrases that the first population is filled up with, before it stays smaller."""
POOL_SHARE, POOL_MOST = 0.1, 200
"""Training examples kept for demonstrations: a tenth (promptolution), or what the blocks leave, up to 200 (code)."""

Action = Literal["add", "drop", "keep"]
ACTIONS: tuple[Action, ...] = ("add", "drop", "keep")


@dataclass(frozen=True, slots=True)
class Breeding:
    """How children come about."""

    crossovers: int = 4
    """c, children of an iteration. Code; 4, 7 and 10 were studied."""
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


@dataclass(frozen=True, slots=True)
class CAPO:
    """Evolution of instruction and demonstrations together, with racing and a price on length."""

    name: ClassVar[str] = "capo"

    population: int = 10
    """mu, prompts that go on to the next iteration. Code."""
    iterations: int = 999
    """Iterations at most. Code, where five million tokens read end the search before."""
    patience: int = 10
    """Iterations without a new survivor that end the search. Ours."""
    seeds: tuple[str, ...] = ()
    """Further start prompts: texts of the part that is edited. Paper: ten in all."""
    breed: Breeding = Breeding()
    """From two parents to a child."""
    demos: Demonstrations = Demonstrations()
    """What prompts show."""
    race: Race = RACE
    """From parents and children to survivors."""

    def __post_init__(self) -> None:
        within(self, population=(1, math.inf), iterations=(0, math.inf), patience=(1, math.inf))
        if not all(seed.strip() for seed in self.seeds):
            raise ConfigError("one of the 'seeds' is empty; give every seed prompt a text, or leave it out")

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt and the seeds; blocks and demonstrations come from `train`."""
        sample, pool = self._examples(run)
        most = min(self.demos.most, len(pool))
        made = self._first(run, pool, most)
        track = Track(run, self.race, sample, [run.initial, *(proposal.prompt for proposal in made)])
        population, idle = [run.initial, *track.admit(made, [run.initial])], 0
        for _ in range(self.iterations):
            children = track.admit(self._children(run, population, pool, most), population)
            survivors = track.race([*population, *children], self.population)
            idle = 0 if any(prompt not in population for prompt in survivors) else idle + 1
            population = survivors
            if idle == self.patience:
                break
        track.finish(population)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies off their form are asked for twice."""
        # Where demonstrations have no place, the races have all examples.
        scored = min(train, self.race.block * self.race.blocks)
        first, children = max(self.population, 1 + len(self.seeds)), self.iterations * self.breed.crossovers
        pool = _set_aside(train, self.race) if self.demos.outputs == "own" else 0
        shown = min(self.demos.most, pool)
        demonstrations = (first - 1) * shown + (children if shown else 0)
        evaluations = (first + children) * scored + demonstrations
        # One of the seeds may be the start.
        missing = self.population - max(1, len({normalise(seed) for seed in self.seeds}))
        calls = 2 * (ATTEMPTS * max(0, missing) + 2 * children)
        return UpperBounds(evaluations, calls, calls * self.breed.sampling.max_tokens)

    def _examples(self, run: Run) -> tuple[list[Example], list[Example]]:
        """The sample that all races run on, in the order of its blocks; and others, to be shown as demonstrations."""
        shuffled = run.rng("examples").sample(run.train, len(run.train))
        aside = _set_aside(len(shuffled), self.race) if self.demos.most else 0
        if aside and not shows_demos(run.task):
            aside = 0
            run.warn("the task's layout has no place for demonstrations: CAPO searches for instructions alone")
        elif self.demos.most and not aside:
            run.warn("one training example leaves none to be shown: CAPO searches for instructions alone")
        sample = shuffled[aside:][: self.race.block * self.race.blocks]
        if len(sample) < self.race.block:
            run.warn(f"{len(sample)} examples are fewer than a block of {self.race.block}: one smaller block decides")
        return sample, shuffled[:aside]

    def _first(self, run: Run, pool: Sequence[Example], most: int) -> list[Proposal]:
        """P_0 but for the start, which stands as it is: seeds and paraphrases with up to k_max demonstrations each."""
        editable = run.task.editable
        given = [run.initial, *(run.initial.replace(editable, seed) for seed in self.seeds)]
        found: dict[str, Proposal] = {}
        for prompt in given:
            found.setdefault(normalise(prompt[editable]), Proposal(prompt, operator="seed"))
        sources = [proposal.prompt for proposal in found.values()]
        for _ in range(ATTEMPTS):
            asked = [sources[place % len(sources)] for place in range(self.population - len(found))]
            for source, text in zip(asked, self._rephrase(run, asked, "paraphraser"), strict=True):
                if text is not None:
                    found.setdefault(normalise(text[editable]), Proposal(text, (source,), "paraphraser"))
        if len(found) < self.population:
            run.warn(
                f"the first population has {len(found)} of {self.population} prompts, as the proposer wrote no more "
                f"different paraphrases: give it seeds, or another proposer"
            )
        rng = run.rng("demonstrations")
        return [
            replace(each, prompt=self._showing(run, each.prompt, draw(rng, pool, rng.randint(0, most))))
            for each in found.values()
            if each.prompt != run.initial
        ]

    def _children(self, run: Run, population: Sequence[Prompt], pool: Sequence[Example], most: int) -> list[Proposal]:
        """One child a crossover; it is missing where the crossover gave nothing that can be used."""
        rng, editable = run.rng("parents"), run.task.editable
        pairs = [_pair(rng, population) for _ in range(self.breed.crossovers)]
        asked = [
            (first, self._request(run, CROSSOVER, first, {"first": first[editable], "second": second[editable]}))
            for first, second in pairs
        ]
        crossed = self._write(run, asked, "crossover")
        bred = [(pair, child) for pair, child in zip(pairs, crossed, strict=True) if child is not None]
        rephrased = self._rephrase(run, [child for _, child in bred], "mutation")
        children: list[Proposal] = []
        for (parents, child), text in zip(bred, rephrased, strict=True):
            # Where the mutation gave nothing, the crossover stands.
            prompt = child if text is None else text
            demos = inherit(run.rng("demonstrations"), *parents, most)
            action = run.rng("actions").choice(ACTIONS)
            if action == "add" and len(demos) < most:
                shown = [demo.fields for demo in demos]
                unused = [example for example in pool if example.fields not in shown]
                demos += self._showing(run, prompt, draw(run.rng("demonstrations"), unused, 1)).demos
            elif action == "drop" and demos:
                demos.pop(run.rng("demonstrations").randrange(len(demos)))
            run.rng("demonstrations").shuffle(demos)
            children.append(Proposal(prompt.with_demos(demos), tuple(dict.fromkeys(parents)), "crossover", action))
        return children

    def _showing(self, run: Run, prompt: Prompt, examples: Sequence[Example]) -> Prompt:
        """The prompt with these examples as its demonstrations: make_demo."""
        own = self.demos.outputs == "own"
        demos = demonstrate(run, prompt, examples) if own else [bare(example) for example in examples]
        return prompt.with_demos(fitting(run, prompt, demos))

    def _rephrase(self, run: Run, prompts: Sequence[Prompt], who: str) -> list[Prompt | None]:
        editable = run.task.editable
        asked = [(prompt, self._request(run, MUTATION, prompt, {"section": prompt[editable]})) for prompt in prompts]
        return self._write(run, asked, who)

    def _write(self, run: Run, asked: Sequence[tuple[Prompt, str]], who: str) -> list[Prompt | None]:
        return rewrites(run, asked, self.breed.sampling, who=who, longest=self.breed.longest)

    def _request(self, run: Run, pattern: Pattern, parent: Prompt, texts: Mapping[str, str]) -> str:
        most = room(parent[run.task.editable], self.breed.longest, run.count_tokens)
        # A token is about three quarters of a word; two thirds leave a margin.
        return pattern.render({"task": show_task(run.task, parent), "words": str(most * 2 // 3), **texts})


def inherit(rng: random.Random, first: Prompt, second: Prompt, most: int) -> list[Example]:
    """floor((k1 + k2) / 2) of both parents' demonstrations, at most `most`, none of an example twice."""
    return draw(rng, unlike([*first.demos, *second.demos]), min(most, (len(first.demos) + len(second.demos)) // 2))


def _pair(rng: random.Random, population: Sequence[Prompt]) -> tuple[Prompt, Prompt]:
    """Two different members; a population of one is crossed with itself."""
    first, *others = rng.sample(population, min(2, len(population)))
    return first, others[0] if others else first


def _set_aside(train: int, race: Race) -> int:
    """Of `train` examples, how many are for demonstrations: a tenth, or what the blocks leave, up to 200.

    One at least stays for the races.
    """
    spare = max(math.ceil(POOL_SHARE * train), train - race.block * race.blocks)
    return max(0, min(POOL_MOST, spare, train - 1))
