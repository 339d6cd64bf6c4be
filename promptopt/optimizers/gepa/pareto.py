"""Fronts over single examples, who survives on them, and who is drawn as a parent."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.ranges import within

Rule = Literal["pareto", "best", "epsilon", "top-k"]
TOLERANCE = 1e-6
"""Scores that differ by less are equal on a front: graded scores would else never tie. Ours."""

Fronts = Mapping[str, tuple[int, ...]]
"""For every key (an example, a sub-score) the numbers of the candidates that are jointly best on it, ascending."""


@dataclass(frozen=True, slots=True)
class Parents:
    """How parents are drawn."""

    rule: Rule = "pareto"
    """`pareto`: survivors of the fronts, each by the number of fronts it is on. `best`: the highest mean. `epsilon`:
    anyone now and then, else the best. `top-k`: as `pareto`, among the k best means."""
    epsilon: float = 0.1
    """How often `epsilon` draws from the whole pool. Code."""
    top: int = 5
    """k of `top-k`. Code."""

    def __post_init__(self) -> None:
        within(self, epsilon=(0.0, 1.0), top=(1, math.inf))


PARENTS = Parents()


def fronts(rows: Sequence[Mapping[str, float]]) -> Fronts:
    """The candidates that are best on each key, equal ones together; `rows`: the scores of each candidate by key."""
    found: dict[str, tuple[float, tuple[int, ...]]] = {}
    for number, row in enumerate(rows):
        for key, value in row.items():
            best, holders = found.get(key, (-math.inf, ()))
            # Somebody has to hold a front where all are -inf, than which nothing is less.
            if value > best + TOLERANCE or not holders:
                found[key] = value, (number,)
            elif value >= best - TOLERANCE:
                # The best stays the measure: else ties within the tolerance could creep downwards.
                found[key] = best, (*holders, number)
    return {key: holders for key, (_, holders) in found.items()}


def survivors(on: Fronts, means: Sequence[float]) -> dict[int, int]:
    """Each candidate that is not dominated, with the number of fronts it is on, in the order of the candidates.

    Dominated is who stands on no front alone among those that are left (`remove_dominated_programs` of the code, which
    removes more than the paper's algorithm 2). They are asked in ascending order of mean, of equals the older first.
    """
    standing: dict[int, list[str]] = {}
    left = {key: len(holders) for key, holders in on.items()}
    for key, holders in on.items():
        for number in holders:
            standing.setdefault(number, []).append(key)
    # One pass is enough: a removal makes fronts emptier, so whoever was not dominated before is not afterwards.
    for number in sorted(standing, key=lambda each: (means[each], each)):
        if all(left[key] > 1 for key in standing[number]):
            for key in standing.pop(number):
                left[key] -= 1
    return {number: len(standing[number]) for number in sorted(standing)}


def draw_parent(rule: Parents, on: Fronts, means: Sequence[float], rng: random.Random) -> int:
    """The number of a parent. Ties for the best mean go to the oldest."""
    best = best_of(means)
    match rule.rule:
        case "best":
            return best
        case "epsilon":
            return rng.randrange(len(means)) if rng.random() < rule.epsilon else best
        case "top-k":
            top = sorted(range(len(means)), key=lambda each: (-means[each], each))[: rule.top]
            # Fronts on which none of the k stands are left out (code).
            cut = {key: tuple(each for each in holders if each in top) for key, holders in on.items()}
            on = {key: holders for key, holders in cut.items() if holders}
        case "pareto":
            pass
    weights = survivors(on, means)
    # Algorithm 2 of the paper: a parent is as likely as the number of fronts that it is on.
    return rng.choices(list(weights), list(weights.values()))[0] if weights else best


def best_of(means: Sequence[float]) -> int:
    """The number of the highest mean; of equals the oldest."""
    return max(range(len(means)), key=lambda each: means[each])
