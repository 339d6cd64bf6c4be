"""Which of several editable parts a method edits now, and what stands in the others meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.protocols import Task
from promptopt.tasks.parts import editables_of, focused
from promptopt.types import Prompt


class PartTurns:
    """The parts take turns: a part a round, in the task's order.

    From the second time around, a part whose round brought a new best prompt is edited once more before the next one
    is: its edits pay now. No part waits longer than two rounds for each of the others. Ours.
    """

    def __init__(self, task: Task) -> None:
        """The part that the task names begins: the first, unless the user turned it."""
        self.parts = editables_of(task)
        self._first = task
        self.begin(task.initial)

    def begin(self, start: Prompt) -> None:
        """From `start`, with the first part."""
        self.task = self._first
        self._initial = self._best = start
        self._rounds, self._held = 0, False
        self._again = False

    @property
    def base(self) -> Prompt:
        """The start, with the texts of the best prompt in all editable parts but the one that is edited now."""
        base = self._initial
        for part in self.parts:
            if part != self.task.editable and self._best[part] != base[part]:
                base = base.replace(part, self._best[part])
        return base

    def take(self, part: str, *, hold: bool = False) -> None:
        """Edit `part` now; `hold`: and nothing else from here on."""
        self.task, self._held = focused(self.task, part), hold

    def end(self, kept: Sequence[Prompt]) -> None:
        """A round is over, and `kept` go on, best first."""
        if len(self.parts) == 1 or self._held:
            return
        part = self.task.editable
        # By the part alone: another best prompt may differ in a part that was not edited now.
        paid = bool(kept) and kept[0][part] != self._best[part]
        if kept:
            self._best = kept[0]
        self._rounds += 1
        self._again = paid and not self._again and self._rounds > len(self.parts)
        if not self._again:
            self.take(self.parts[(self.parts.index(part) + 1) % len(self.parts)])
