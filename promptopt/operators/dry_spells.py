"""When a proposer has no new ideas: a search starts again from its best once, and then hands back what is left."""

from __future__ import annotations

from promptopt.run import Run


class Dryness:
    """Counts rounds in a row without a new prompt."""

    def __init__(self, run: Run, limit: int) -> None:
        """`limit`: rounds of a dry spell. After the first spell the search starts again, after the second it ends."""
        self._run = run
        self._limit = limit
        self._count = 0
        self._spells = 0
        self.again = False
        """Whether the search starts again from its best after the last round."""

    def ends(self, new: bool) -> bool:
        """Whether the search ends after a round with new prompts, or without; then the user is told."""
        self._count = 0 if new else self._count + 1
        # Told once a spell: the count begins anew after it.
        dry = self._count == self._limit
        if dry:
            self._count, self._spells = 0, self._spells + 1
        self.again = dry and self._spells == 1
        if dry and not self.again:
            self._run.warn("the proposer wrote nothing new, so the search ended before its budget or its rounds did")
        return dry and not self.again
