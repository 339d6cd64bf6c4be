"""Who asks for an answer that several runs want at one moment: one of them, and the others wait for it.

A claim is a row with the run that asks. It holds while that run is held (`holding`), so one whose process died holds
nothing. In a store that cannot tell which runs are held, every run asks for all it lacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Sequence

import sqlalchemy as sql

from promptopt.store.database import among, each_of
from promptopt.store.database_errors import sentences
from promptopt.store.run_locks import held_of

OTHERS_S = 0.1
"""Seconds between two looks for answers that another run asks for. Ours."""
KEYS_AT_ONCE = 500
"""Keys in one statement."""

TAKE = "INSERT INTO claims (key, run) VALUES ({mark}, {mark}) ON CONFLICT DO NOTHING"
HOLDERS = "SELECT key, run FROM claims WHERE key IN ({values})"
GIVE = "DELETE FROM claims WHERE key = {mark} AND run = {mark}"


class Claims:
    """The claims of one run."""

    def __init__(self, database: sql.Engine, where: str, run_id: str) -> None:
        """`run_id`: a run that this process holds."""
        self._database = database
        self._where = where
        self._run = run_id

    def turns(
        self, keys: Sequence[bytes], stored: Callable[[Sequence[bytes]], Collection[bytes]], look: Callable[[], None]
    ) -> Generator[list[bytes]]:
        """Yield those of `keys` that this run is to ask, until each has been yielded or is stored.

        What is yielded is to be stored before the next step. `stored`: which keys have an answer by now. `look` is
        called while others ask for all that is left; what it raises ends it. Close it where it is left. Raises
        StoreError.
        """
        left: list[bytes] = list(keys)
        while left:
            mine = self._take(left)
            try:
                # Whoever claimed one before may have stored it and let go of it since it was looked for.
                have = stored(mine)
                asked = [key for key in mine if key not in have]
                if asked:
                    yield asked
            finally:
                # Also where asking failed: another run may ask then.
                self._give(mine)
            done = set(mine)
            done |= set(stored([key for key in left if key not in done]))
            left = [key for key in left if key not in done]
            # Nothing was for this run to ask: what is left comes from others, in their time.
            if left and not asked:
                look()
                time.sleep(OTHERS_S)

    def _take(self, keys: Sequence[bytes]) -> list[bytes]:
        """Claim those that nobody else has, and say which these are."""
        # In one order for all runs: two that claim the same keys would else wait for each other's.
        rows = [(key, self._run) for key in sorted(keys)]
        with sentences(self._where), self._database.begin() as connection:
            # Nobody contests them, as is the rule: the holders need not be looked up.
            if each_of(connection, TAKE, rows) == len(rows):
                return list(keys)
            others = self._others(connection, keys)
            living = held_of(self._database, connection, sorted(set(others.values())))
            dead = [(key, run) for key, run in others.items() if run not in living]
            if dead:
                # Let go of by name of the dead run, in case another one has taken it since: then TAKE leaves it there.
                each_of(connection, GIVE, sorted(dead))
                each_of(connection, TAKE, [(key, self._run) for key, _ in sorted(dead)])
                others = self._others(connection, keys)
        return [key for key in keys if key not in others]

    def _others(self, connection: sql.Connection, keys: Sequence[bytes]) -> dict[bytes, str]:
        found: dict[bytes, str] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            rows = among(connection, HOLDERS, keys[start : start + KEYS_AT_ONCE])
            found.update({bytes(key): str(run) for key, run in rows if run != self._run})
        return found

    def _give(self, keys: Sequence[bytes]) -> None:
        if not keys:
            return
        with sentences(self._where), self._database.begin() as connection:
            each_of(connection, GIVE, [(key, self._run) for key in sorted(keys)])
