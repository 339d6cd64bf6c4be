"""The objective `worst` in a search: what a candidate is worth less than its mean, by the tasks it does worst.

    value = mean of the lowest tasks' means (`SeveralTasks.worth`)

Methods that make that of their scores themselves (`sprig`, `metaspo`) are shown these as they are. So are all others:
beliefs, rankings and the final choice go by the value.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from promptopt.protocols import HasObjective, Task
from promptopt.run.floors import Known, worth_less
from promptopt.run.worth import Groups, Values, by_group, unit_of
from promptopt.tasks.gate import lowest_of
from promptopt.tasks.weighing import weigh_of
from promptopt.types import Example


def lowest_tasks_of(task: Task, examples: Iterable[Example]) -> LowestTasks | None:
    """What goes by the worst of several tasks on `examples`; None where a search does not."""
    if not (isinstance(task, HasObjective) and task.objective == "worst"):
        return None
    known = list(examples)
    groups = {each.id: each.group for each in known} if weigh_of(task) == "conversation" else None
    return LowestTasks(task, {each.id: task.member_of(each) for each in known}, groups)


class LowestTasks:
    """How far the tasks that prompts do worst lie below their mean over all."""

    def __init__(self, task: HasObjective, members: Mapping[str, str], groups: Groups = None) -> None:
        """`members`: by an example's id, the task that it is of; no other counts. `groups`: as in `worths`."""
        self._task, self._members, self._groups = task, members, groups

    def prices(
        self, known: Sequence[Values], start: int, estimated: Callable[[Sequence[Values]], Sequence[float]]
    ) -> list[float]:
        """As `Shortfalls.prices`: by the estimated mean on each task, so that few looks are drawn to those nearby."""
        del start
        means = {
            member: estimated([{cell: own[cell] for cell in own if self._member(cell) == member} for own in known])
            for member in dict.fromkeys(self._members.values())
        }
        return [
            self._below_mean({member: mean[place] for member, mean in means.items()}) for place in range(len(known))
        ]

    def shown(self, own: Known, start: Known) -> Known:
        """The scores with the price on what was lost of the lowest tasks, so that their mean is the value."""
        del start
        values = {cell: score.value for cell, score in own.items() if score.judged and math.isfinite(score.value)}
        held: dict[str, dict[str, float]] = {}
        for cell, value in values.items():
            if member := self._member(cell):
                held.setdefault(member, {})[cell] = value
        means = {member: self._mean(each) for member, each in held.items()}
        lost = {member: {cell: 1.0 - value for cell, value in held[member].items() if value < 1.0} for member in means}
        # One without a loss is right throughout.
        lowest = [member for member in lowest_of(means) if lost[member]]
        fall = self._below_mean(means) * len(means) / len(lowest) if lowest else 0.0
        if fall <= 0.0:
            return own
        less: dict[str, float] = {}
        for member in lowest:
            sizes = Counter(unit_of(cell, self._groups) for cell in held[member])
            counted = math.fsum(loss / sizes[unit_of(cell, self._groups)] for cell, loss in lost[member].items())
            less |= {cell: fall * len(sizes) * loss / counted for cell, loss in lost[member].items()}
        return {**own, **{cell: worth_less(own[cell], price) for cell, price in less.items()}}

    def _below_mean(self, means: Mapping[str, float]) -> float:
        finite = {member: mean for member, mean in means.items() if math.isfinite(mean)}
        if not finite:
            return 0.0
        # Rounded, for sums in another order differ in the last digits, and equal evidence must tie.
        return round(math.fsum(finite.values()) / len(finite) - self._task.worth(finite), 9)

    def _member(self, cell: str) -> str:
        # A further draw of an example is named after it (`scoreboard.py`).
        return self._members.get(cell.partition("/")[0], "")

    def _mean(self, values: Values) -> float:
        counted = by_group(values, self._groups).values()
        return math.fsum(counted) / len(counted)
