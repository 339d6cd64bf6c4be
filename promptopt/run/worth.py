"""What a candidate is worth by all that its search saw: its own scores, and its lineage, every step down shrunk."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from promptopt.types import Prompt, Proposal, group_means

SHRINK = 10
"""Examples' worth of its parent that every candidate is drawn towards: a handful of lucky examples outranks nobody."""
MOST_SEEN = 80
"""Training examples that count in the final choice at most: beyond them, what the search saw was also chosen by it."""

Values = Mapping[str, float]
"""The score of a prompt on each example it has seen, by the example's id."""
Groups = Mapping[str, str] | None
"""The group of each example by its id, where each group counts once; None: each example does."""


def step_worth(own: Values, parent: Values, of_parent: float, groups: Groups = None) -> float:
    """worth(p) = worth(parent) + sum of the differences on examples that both have seen / (their number + SHRINK).

    Where they share none, the mean of what `own` has seen, drawn towards the parent as far.
    """
    shared = {name: own[name] - parent[name] for name in own if name in parent}
    if shared:
        return of_parent + _sum_of(shared, groups) / (len(shared) + SHRINK)
    return (_sum_of(own, groups) + SHRINK * of_parent) / (len(own) + SHRINK)


def unit_of(cell: str, groups: Groups) -> str:
    """What the score of a cell counts to, by the cell's name: itself, or its group, of which every draw is another."""
    name, _, draw = cell.partition("/")
    group = groups.get(name, "") if groups else ""
    return f"{group}/{draw}" if group else cell


def by_group(values: Values, groups: Groups) -> Values:
    """One value for each group, the mean of its values; the values themselves where each example counts once."""
    if groups is None:
        return values
    held: dict[str, list[float]] = {}
    for cell, value in values.items():
        held.setdefault(unit_of(cell, groups), []).append(value)
    return {unit: math.fsum(each) / len(each) for unit, each in held.items()}


def _sum_of(values: Values, groups: Groups) -> float:
    """Their sum; where groups count once, the mean over these, times the number of values."""
    # `fsum`, for sums in another order of examples must tie to the last digit.
    if groups is None or not values:
        return math.fsum(values.values())
    means = group_means(list(values.values()), [groups[name] for name in values])
    return len(values) * math.fsum(means) / len(means)


def worths(
    prompts: Iterable[Prompt],
    lineage: Mapping[Prompt, Proposal],
    known: Mapping[Prompt, Values],
    of_start: float,
    groups: Groups = None,
) -> dict[Prompt, float]:
    """The worth of every prompt, given in the order they came up; that of the first, the start, is given.

    The parent is the first that a proposal names; the start, where it names none that came before. A prompt with a
    score that is not finite is worth -inf, and its children go by the nearest forebear that is worth something.
    """
    found: dict[Prompt, float] = {}
    forebears: dict[Prompt, Prompt] = {}
    start: Prompt | None = None
    nothing: Values = {}
    for prompt in prompts:
        own = known.get(prompt, nothing)
        if start is None:
            start = prompt
            # Under a start without a finite score children stand by what they score themselves, counted from 0.
            found[prompt] = of_start if math.isfinite(of_start) else 0.0
            continue
        named = lineage[prompt].parents if prompt in lineage else ()
        parent = named[0] if named and named[0] in found else start
        while parent != start and not math.isfinite(found[parent]):
            parent = forebears[parent]
        forebears[prompt] = parent
        if all(map(math.isfinite, own.values())):
            seen = {name: value for name, value in known.get(parent, nothing).items() if math.isfinite(value)}
            found[prompt] = step_worth(own, seen, found[parent], groups)
        else:
            found[prompt] = -math.inf
    return found


def pooled(dev_sum: float, dev: int, worth: float, seen: int) -> float:
    """(dev sum + w worth) / (d + w), w = min(training examples seen, MOST_SEEN): the evidence of both phases in one.

    Without either, the worth alone.
    """
    weight = min(seen, MOST_SEEN)
    # No part of a worth of minus infinity is nothing, where 0 * -inf is no number.
    searched = weight * worth if weight else 0.0
    return (dev_sum + searched) / (dev + weight) if dev + weight else worth
