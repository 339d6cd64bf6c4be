"""When a proposer is asked no more: where it writes nothing new, its calls are worth more elsewhere."""

from __future__ import annotations

from promptopt.run import Run

IN_VAIN = 24
"""Replies in a row without a new prompt, after which the proposer is asked no more. Ours: one that repeats itself four
times in five comes to that once in 200 times."""
FREE = ("prune", "demo")
"""Operators that need no call."""


class Fruitless:
    """Counts the requests in a row that came to nothing new: repeats, and what is no prompt."""

    def __init__(self, run: Run) -> None:
        """`run`: whose user is told."""
        self._run, self._count, self._again = run, 0, False

    @property
    def full(self) -> bool:
        """Whether so many came to nothing new."""
        return self._count >= IN_VAIN

    @property
    def over(self) -> bool:
        """Whether the proposer is asked no more: a second time, after the search has begun again from its best."""
        return self._again and self.full

    def begin_again(self) -> None:
        """The search begins again from its best."""
        self._count, self._again = 0, True

    def note(self, operator: str, new: bool) -> None:
        """Whether a child of that operator says something new."""
        if operator not in FREE and not self.over:
            self._count = 0 if new else self._count + 1

    def left(self, operators: list[str]) -> list[str]:
        """Of the operators those that are still drawn; the user is told where some no longer are."""
        if not self.over:
            return operators
        free = [each for each in operators if each in FREE]
        on = "goes on with deletions and demonstrations" if free else "ends before its budget, as nothing else is left"
        self._run.warn(
            f"{IN_VAIN} replies of the proposer in a row gave no new prompt, twice, so it is asked no more: the search "
            f"{on}",
            ends=not free,
        )
        return free
