"""Floors in a search: what a candidate is worth less where it loses more than is borne on one of several tasks.

    value = mean - 10 * sum over tasks of max(0, (start's mean - margin) - own mean)

Both means of a task are over the examples of it that the start and the candidate were scored on, so none is easier.
Where each conversation counts once, they are over these, as the verdict's are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from promptopt.protocols import HoldsFloors, MemberFloor, Task
from promptopt.run.worth import Groups, Values, by_group, unit_of
from promptopt.tasks.weighing import weigh_of
from promptopt.types import Example, Score

STEEPNESS = 10.0
"""What a shortfall costs, in shortfalls: so much that hardly a gain elsewhere pays for one."""
Known = Mapping[str, Score]
"""The scores of a prompt, by the names of its cells."""


def goes_by_floors(task: Task) -> bool:
    """Whether a search of the task holds the floors of its tasks."""
    return isinstance(task, HoldsFloors) and bool(task.floors)


def shortfalls_of(task: Task, examples: Iterable[Example]) -> Shortfalls | None:
    """What holds the floors of a task on `examples`; None where a search does not go by any."""
    if not (isinstance(task, HoldsFloors) and task.floors):
        return None
    known = list(examples)
    groups = {each.id: each.group for each in known} if weigh_of(task) == "conversation" else None
    return Shortfalls(task.floors, {each.id: task.member_of(each) for each in known}, groups)


class Shortfalls:
    """How far prompts fall below the floors of tasks, held against the start."""

    def __init__(self, floors: Mapping[str, MemberFloor], members: Mapping[str, str], groups: Groups = None) -> None:
        """`floors`: by task. `members`: by an example's id, the task that it is of; no other example counts.

        `groups`: as in `worths`.
        """
        self._floors, self._members, self._groups = floors, members, groups

    def prices(
        self, known: Sequence[Values], start: int, estimated: Callable[[Sequence[Values]], Sequence[float]]
    ) -> list[float]:
        """What each prompt is worth less by what is estimated of its mean on each task, from its scores there.

        `known`: the scores of all prompts, that of place `start` the start's. So few looks are drawn towards those at
        relatives here as they are in the estimate of the whole: a loss by chance is seldom taken for a shortfall.
        """
        prices = [0.0] * len(known)
        for member in self._floors:
            means = estimated([{cell: own[cell] for cell in own if self._member(cell) == member} for own in known])
            for place, mean in enumerate(means):
                loss = means[start] - mean
                # What is impossible is worth nothing as it is.
                prices[place] += STEEPNESS * self._shortfall(member, loss) if math.isfinite(loss) else 0.0
        return prices

    def shown(self, own: Known, start: Known) -> Known:
        """The scores as a search is shown them: lost examples of a task below its floor bear the price.

        By what was lost on each. So the (weighted) mean over all that is known of the prompt is its value, right
        answers stay right, and whatever a method makes of scores goes by floors.
        """
        less: dict[str, float] = {}
        for member, losses in self._losses(own, start).items():
            shortfall = self._shortfall(member, self._mean(losses))
            if shortfall:
                lost = {cell: loss for cell, loss in losses.items() if loss > 0}
                sizes = Counter(unit_of(cell, self._groups) for cell in own if self._member(cell) == member)
                counted = math.fsum(loss / sizes[unit_of(cell, self._groups)] for cell, loss in lost.items())
                # The mean of the task falls by STEEPNESS shortfalls, over its share in the mean of all.
                each = STEEPNESS * shortfall * len(sizes) / self._floors[member].share / counted
                less |= {cell: each * loss for cell, loss in lost.items()}
        return {**own, **{cell: worth_less(own[cell], price) for cell, price in less.items()}} if less else own

    def _losses(self, own: Known, start: Known) -> dict[str, dict[str, float]]:
        """By task, what was lost on each cell that says something of both prompts."""
        found: dict[str, dict[str, float]] = {}
        for cell, score in own.items():
            # What nobody could judge, or is impossible, tells of no loss.
            member = self._member(cell)
            if member and cell in start and _tells(score) and _tells(start[cell]):
                found.setdefault(member, {})[cell] = start[cell].value - score.value
        return found

    def _member(self, cell: str) -> str:
        # A further draw of an example is named after it (`scoreboard.py`).
        return self._members.get(cell.partition("/")[0], "")

    def _mean(self, losses: Values) -> float:
        counted = by_group(losses, self._groups).values()
        return math.fsum(counted) / len(counted)

    def _shortfall(self, member: str, loss: float) -> float:
        # Rounded, for a loss of just the margin is borne, and sums differ in the last digits.
        return max(0.0, round(loss - self._floors[member].margin, 9))


def _tells(score: Score) -> bool:
    return score.judged and math.isfinite(score.value)


def worth_less(score: Score, price: float) -> Score:
    """The score, worth so much less."""
    probability = None if score.probability is None else score.probability - price
    return replace(score, value=score.value - price, probability=probability)
