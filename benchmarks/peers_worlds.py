"""The pools of the peers' arena: planted landscapes that all begin at the same accuracy, with their examples."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache

from benchmarks.peers_proxy import World
from benchmarks.peers_settings import DESCRIPTION
from benchmarks.search_landscape import CHECKS, KINDS, LABELS, NOUNS, Landscape, instruction, plant
from benchmarks.search_proposer import SKILL
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Example

ARENA = (*KINDS, "harmful", "weak")
START = 0.55
"""Accuracy of every start."""
EXAMPLES = 500
"""Of a pool: ours divide them as they do by default, peers are given what is train and dev to ours."""


@lru_cache(maxsize=4)
def pool(kind: str, seed: int) -> tuple[World, Task]:
    """A landscape with a start of four words, two of which help, and its task. Raises KeyError for an unknown kind."""
    landscape = begun(plant(kind, seed), seed)
    first = int(uniform("peers", kind, str(seed)) * 10**6) * 1000
    examples = [Example.of(LABELS[number % 2], question=f"q{first + number}") for number in range(EXAMPLES)]
    task = Task.from_examples(
        examples,
        prompt=landscape.start,
        labels=LABELS,
        name=landscape.name,
        description=DESCRIPTION,
        splits=Splits(seed=seed),
    )
    skill = {**KINDS, **CHECKS}[kind].skill
    return World(landscape, SKILL if skill is None else skill, START - landscape.accuracy(landscape.start)), task


def begun(landscape: Landscape, seed: int) -> Landscape:
    """The landscape with a start of its own: two words that help, one that hurts, one that does nothing."""
    rng = random.Random(f"start/{landscape.name}/{seed}")
    hurting = [noun for noun in NOUNS if landscape.worth.get(noun, 0.0) < 0]
    idle = [noun for noun in NOUNS if noun not in landscape.good and noun not in hurting]
    alone = [noun for noun in landscape.good if landscape.worth.get(noun, 0.0) > 0]
    chosen = [*rng.sample(alone, 2), *rng.sample(hurting, 1), *rng.sample(idle if idle else hurting, 1)]
    rng.shuffle(chosen)
    return replace(landscape, start=instruction(chosen))
