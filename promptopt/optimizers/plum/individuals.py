"""Individuals of a population of prompts: each is scored, and takes its bank of deleted phrases along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.optimizers.plum.edits import Bank
from promptopt.optimizers.plum.neighbours import Neighbour
from promptopt.optimizers.plum.points import Scored, Scores


@dataclass(frozen=True, slots=True)
class Individual:
    """A scored prompt with the deletion bank that travels with it."""

    scored: Scored
    bank: Bank = ()


def scored(scores: Scores, made: Sequence[tuple[Neighbour, Bank]]) -> list[Individual]:
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
