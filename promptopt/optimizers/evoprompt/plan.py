"""What an evolution by a proposer plans on its budget, and how it begins on fresh examples.

Source   Guo et al. 2024, EvoPrompt, arXiv:2309.08532, for the constants. How they follow a budget is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Protocol

from promptopt.optimizers.evoprompt.evolution import Breeder, paraphrases, request_paraphrase
from promptopt.run import Run
from promptopt.selection.generations import SMALL, Fixed, Fresh, GenerationalSelection, Preset, fresh
from promptopt.types import Estimate, Prompt, Room, Sampling, UpperBounds

POPULATION = 10
"""N of the paper: prompts that go on, and children of a generation."""
GENERATIONS = 10
"""T of the paper."""
EXAMPLES = 200
"""|D| of the paper for classes; 100 for free text, 50 on BBH."""
BREEDERS = 3
"""Prompts that go on under a budget: the fewest that differ in whom they are crossed with. Ours."""


class Evolving(Protocol):
    """The settings that both algorithms share."""

    @property
    def population(self) -> int | None:
        """N."""
        ...

    @property
    def generations(self) -> int | None:
        """T."""
        ...

    @property
    def examples(self) -> int | None:
        """|D|."""
        ...

    @property
    def seeds(self) -> tuple[str, ...]:
        """Further start prompts."""
        ...

    @property
    def preset(self) -> Preset:
        """What open settings follow."""
        ...


def evolution_plan(settings: Evolving, room: Room, *, keep: int, fixed: bool = False) -> Fixed | Fresh:
    """The paper's way for its preset, for a set size that was asked for, and where the room affords it; else by budget.

    `fixed`: the paper's way whatever the room. `keep`: as of `Fresh`.
    """
    way = fresh(room, keep=keep, children=settings.population, most=settings.generations, small=SMALL, again=True)
    size = POPULATION if settings.population is None else settings.population
    rounds = GENERATIONS if settings.generations is None else settings.generations
    examples = min(EXAMPLES if settings.examples is None else settings.examples, room.train)
    open_to_it = not fixed and settings.preset == "budget" and settings.examples is None
    # The first population and all children on |D| examples each.
    if way is None or way.evaluations >= examples * (size + rounds * size) or not open_to_it:
        return Fixed(rounds, size, examples)
    return way


def bounds(settings: Evolving, sampling: Sampling, train: int) -> UpperBounds:
    """Upper bounds on a search over `train` training examples without a cap, which goes by the paper's constants."""
    size = POPULATION if settings.population is None else settings.population
    rounds = GENERATIONS if settings.generations is None else settings.generations
    examples = EXAMPLES if settings.examples is None else settings.examples
    pool, children = 1 + len(settings.seeds), rounds * size
    # The pool, the paraphrases that join the better half of the first population, and every child.
    prompts = pool + size - min(pool, math.ceil(size / 2)) + children
    calls = paraphrases(size) + 2 * children
    return UpperBounds(min(examples, train) * prompts, calls, calls * sampling.max_tokens)


class Lineage:
    """A population on fresh examples: who lives on, what is new, and when it must begin again."""

    def __init__(self, run: Run, breeder: Breeder, seeds: Sequence[str], way: Fresh) -> None:
        """Begins with the start and the seeds; nothing is scored yet."""
        self._run, self._breeder, self._way = run, breeder, way
        self._generations = GenerationalSelection(run, run.train, way)
        self._seen = dict.fromkeys(breeder.pool(seeds))
        self.members = [Estimate(prompt, math.nan, 0) for prompt in self._seen]
        """The prompts that live on, best first."""

    @property
    def open(self) -> bool:
        """Whether there is another generation."""
        return self._generations.open

    @property
    def count(self) -> int:
        """Children asked for in a generation."""
        return self._way.children

    def paraphrases(self) -> list[Prompt | None]:
        """A generation of paraphrases of the members, in turn."""
        editable = self._run.task.editable
        sources = islice(cycle([member.prompt for member in self.members]), self._way.children)
        asked = [((source,), request_paraphrase(source[editable])) for source in sources]
        return self._breeder.children(asked, "paraphraser", bare=True)

    def select(self, children: Sequence[Prompt | None]) -> None:
        """Look at the members and at the children that are new, and let the best live on; the round is recorded.

        Where generations bring nothing new, the best of all goes on alone, once: its paraphrases are a new beginning.
        """
        # What was looked at before is no child again: its looks are spent.
        new = [child for child in dict.fromkeys(children) if child is not None and child not in self._seen]
        self._seen |= dict.fromkeys(new)
        ranked, kept = self._generations.select([member.prompt for member in self.members], new)
        self.members = ranked[: len(kept)]
        self._run.record(ranked, kept)
