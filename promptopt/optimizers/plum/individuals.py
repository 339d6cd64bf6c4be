"""Individuals of a population of prompts: each is scored, and takes its bank of deleted phrases along."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from promptopt.optimizers.plum.edits import Bank, crossover
from promptopt.optimizers.plum.neighbours import EDITS_TRIED, Editor, Neighbour
from promptopt.optimizers.plum.points import Scored, Scores
from promptopt.run import Run

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Individual:
    """A scored prompt with the deletion bank that travels with it."""

    scored: Scored
    bank: Bank = ()


def score_candidates(scores: Scores, made: Sequence[tuple[Neighbour, Bank]]) -> list[Individual]:
    """Candidates with their banks, scored."""
    found = scores.score([candidate for candidate, _ in made])
    return [Individual(each, bank) for each, (_, bank) in zip(found, made, strict=True)]


def fittest(pool: Sequence[Individual], size: int) -> list[Individual]:
    """The best by points; of equals those that were there first."""
    # Stable, and the old stand first: a child that ties is not let in.
    return sorted(pool, key=lambda each: -each.scored.points)[:size]


def fitter(pool: Sequence[Individual]) -> Individual:
    """The best by points; of equals the first."""
    return max(pool, key=lambda each: each.scored.points)


def draws(rng: random.Random, pool: Sequence[_Item], count: int) -> list[_Item]:
    """So many of the pool, with replacement: one may enter a tournament twice."""
    return [rng.choice(pool) for _ in range(count)]


def bred(run: Run, editor: Editor, pool: Sequence[Individual], tournament: int) -> tuple[Neighbour, Bank] | None:
    """A child of two winners of tournaments that is not in the pool, and the first one's bank; None where none came."""
    editable = run.task.editable
    tournaments, splits = run.rng("tournament"), run.rng("crossover")
    for _ in range(EDITS_TRIED):
        first, second = (fitter(draws(tournaments, pool, tournament)) for _ in range(2))
        parents = (first.scored.prompt, second.scored.prompt)
        cuts = [editor.cut(parent[editable]) for parent in parents]
        places = max(len(each.solid) for each in cuts)
        if not places:
            return None
        # Up to the longer of the two: beyond the end of the shorter, one parent gives all or nothing.
        split = splits.randrange(places)
        text = crossover(cuts[0], cuts[1], split)
        # A copy of a parent, mostly: another cut or another pair may give something new.
        if parents[0].replace(editable, text) in [each.scored.prompt for each in pool]:
            continue
        prompt = editor.admit(text, parents, "crossover", f"split {split}")
        if prompt is not None:
            # The first parent's bank as it is now: the code's children share one list with it.
            return Neighbour(prompt), first.bank
    return None
