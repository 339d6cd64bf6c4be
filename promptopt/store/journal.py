"""The ordered call keys of one run: what lets a replay be checked, and `gc` know what is still needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sql

from promptopt.errors import ReplayDiverged
from promptopt.store.database import each_of, first_of_each, octets
from promptopt.store.database_errors import sentences

COUNT = sql.text("SELECT count(*) FROM journal WHERE run = :run")
FORGET = sql.text("DELETE FROM journal WHERE run = :run")
INSERT = "INSERT INTO journal (run, position, key) VALUES ({mark}, {mark}, {mark}) ON CONFLICT DO NOTHING"
SELECT = "SELECT key FROM journal WHERE run = {mark} AND position BETWEEN {mark} AND {mark} ORDER BY position"


class Journal:
    """One run's journal, read and checked as far as it goes, then written on."""

    def __init__(self, database: sql.Engine, where: str, run_id: str, *, afresh: bool = False) -> None:
        """`afresh` forgets what earlier executions recorded: for the final phase, which follows the budget."""
        self._database = database
        self._where = where
        self.run_id = run_id
        if afresh:
            with sentences(where), database.begin() as connection:
                connection.execute(FORGET, {"run": run_id})
        self.position = 0
        """How many calls of this execution are recorded or checked."""
        with sentences(where), database.connect() as connection:
            self.recorded = int(connection.execute(COUNT, {"run": run_id}).scalar_one())
        """How many calls earlier executions recorded."""

    def follow(self, keys: Sequence[bytes], recorded: Callable[[bytes], str | None], asked: Sequence[str]) -> None:
        """Check `keys` against what is recorded at the next positions, and record those that go beyond it.

        `recorded` gives the stored request of a key, `asked` the requests of `keys`: both only for the error.
        Raises ReplayDiverged at the first key that differs.
        """
        with sentences(self._where), self._database.begin() as connection:
            # The search may ask for more than was recorded: what goes beyond is new, and only that is written.
            known = min(len(keys), max(0, self.recorded - self.position))
            if known:
                span = (self.run_id, self.position, self.position + known - 1)
                for offset, found in enumerate(first_of_each(connection, SELECT, span)):
                    if octets(found) != keys[offset]:
                        stored = recorded(octets(found))
                        raise ReplayDiverged(
                            run_id=self.run_id,
                            position=self.position + offset,
                            expected="(no longer stored)" if stored is None else stored,
                            asked=asked[offset],
                        )
            if known < len(keys):
                rows = [(self.run_id, self.position + offset, keys[offset]) for offset in range(known, len(keys))]
                each_of(connection, INSERT, rows)
        self.position += len(keys)
        self.recorded = max(self.recorded, self.position)
