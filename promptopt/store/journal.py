"""The ordered call keys of one run: what lets a replay be checked, and `gc` know what is still needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sql

from promptopt.errors import ReplayDiverged
from promptopt.store.database import JOURNAL, insert_new, sentences


class Journal:
    """One run's journal, read and checked as far as it goes, then written on."""

    def __init__(self, engine: sql.Engine, where: str, run_id: str, *, afresh: bool = False) -> None:
        """`afresh` forgets what earlier executions recorded: for the final phase, which follows the budget."""
        self._engine, self._where, self.run_id = engine, where, run_id
        if afresh:
            with sentences(where), engine.begin() as connection:
                connection.execute(sql.delete(JOURNAL).where(JOURNAL.c.run == run_id))
        self.position = 0
        """How many calls of this execution are recorded or checked."""
        with sentences(where), engine.connect() as connection:
            count = sql.select(sql.func.count()).where(JOURNAL.c.run == run_id)
            self.recorded = int(connection.execute(count).scalar_one())
        """How many calls earlier executions recorded."""

    def follow(self, keys: Sequence[bytes], recorded: Callable[[bytes], str | None], asked: Sequence[str]) -> None:
        """Check `keys` against what is recorded at the next positions, and record those that go beyond it.

        `recorded` gives the stored request of a key, `asked` the requests of `keys`: both only for the error.
        Raises ReplayDiverged at the first key that differs.
        """
        with sentences(self._where), self._engine.begin() as connection:
            # The search may ask for more than was recorded: what goes beyond is new, and only that is written.
            known = min(len(keys), max(0, self.recorded - self.position))
            if known:
                span = JOURNAL.c.position.between(self.position, self.position + known - 1)
                query = sql.select(JOURNAL.c.key).where(JOURNAL.c.run == self.run_id, span).order_by(JOURNAL.c.position)
                for offset, (found,) in enumerate(connection.execute(query)):
                    if bytes(found) != keys[offset]:
                        stored = recorded(bytes(found))
                        raise ReplayDiverged(
                            run_id=self.run_id,
                            position=self.position + offset,
                            expected="(no longer stored)" if stored is None else stored,
                            asked=asked[offset],
                        )
            if known < len(keys):
                rows = [
                    {"run": self.run_id, "position": self.position + offset, "key": keys[offset]}
                    for offset in range(known, len(keys))
                ]
                connection.execute(insert_new(self._engine, JOURNAL), rows)
        self.position += len(keys)
        self.recorded = max(self.recorded, self.position)
