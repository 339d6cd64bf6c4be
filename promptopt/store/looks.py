"""The ledger of looks: how often the examples of a sealed split were opened, whatever run, seed or size did it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from promptopt.errors import StoreError
from promptopt.store.database import among, each_of
from promptopt.store.database_errors import DAMAGED, sentences

RECORDED = sql.text("SELECT number FROM looks WHERE shown = :shown")
# Above the numbers of examples, too: where a damaged store has lost its looks, these still say what was opened.
ENTER = sql.text(
    "INSERT INTO looks (number, shown, entered) SELECT COALESCE(MAX(number), 0) + 1, :shown, :now "
    "FROM (SELECT MAX(number) AS number FROM looks UNION ALL SELECT MAX(look) FROM looked_at) AS openings"
)
ALL = sql.text("SELECT number, shown, entered FROM looks ORDER BY number")
ALL_EXAMPLES = sql.text("SELECT look, example FROM looked_at")
ENTER_EXAMPLE = "INSERT INTO looked_at (look, example) VALUES ({mark}, {mark})"
SHARING = "SELECT look, example FROM looked_at WHERE example IN ({values})"
EXAMPLES_AT_ONCE = 500
"""Examples that one query asks for: SQLite takes no more than 999 values in its older versions."""

TRIES = 100
"""Processes that may enter an opening in the same moment before one of them gives up. Ours."""


@dataclass(frozen=True, slots=True)
class Opening:
    """`earlier`: openings before this one that share an example with it. `shared`: the most that one of them shares."""

    earlier: int
    shared: int


class Looks:
    """The openings recorded in one store; nothing in it is ever taken back."""

    def __init__(self, database: sql.Engine, where: str) -> None:
        """`where`: the store, as errors name it."""
        self._database, self._where = database, where

    def enter(self, shown: str, examples: Sequence[str], known_by: Mapping[str, int] | None = None) -> Opening:
        """Record an opening of `examples` (keys), which showed `shown`; one that showed the same is that opening.

        `known_by`: the keys under which earlier openings may hold the same examples, each with the number of its
        example; where None, `examples`. Raises StoreError.
        """
        with sentences(self._where):
            number = self._entered(shown, examples, time.time())
        return self._before(_numbered(examples) if known_by is None else known_by, number)

    def entered(self, shown: str) -> bool:
        """Whether an opening that showed just this is recorded. Raises StoreError."""
        with sentences(self._where), self._database.connect() as connection:
            return connection.execute(RECORDED, {"shown": shown}).scalar() is not None

    def copy_from(self, other: Looks) -> None:
        """Add the openings of another ledger that this one has not, in their order; raises StoreError.

        Each gets a number of this ledger: in two ledgers one number stands for two openings. What an opening showed
        tells it apart, so what is copied twice stands once.
        """
        with sentences(other._where), other._database.connect() as reading:
            openings = reading.execute(ALL).all()
            looked_at: dict[int, list[str]] = {}
            for look, example in reading.execute(ALL_EXAMPLES):
                looked_at.setdefault(look, []).append(example)
        with sentences(self._where):
            for number, shown, entered in openings:
                self._entered(shown, looked_at.get(number, []), entered)

    def ahead(self, known_by: Sequence[str] | Mapping[str, int]) -> Opening:
        """What the next opening of the examples of these keys would be (as in `enter`). Raises StoreError."""
        return self._before(known_by if isinstance(known_by, Mapping) else _numbered(known_by), None)

    def _entered(self, shown: str, examples: Sequence[str], now: float) -> int:
        refused: BaseException | None = None
        for _ in range(TRIES):
            with self._database.connect() as connection:
                found = connection.execute(RECORDED, {"shown": shown}).scalar()
            if found is not None:
                return int(found)
            try:
                # One change: a look whose examples a kill has kept out would be a look at nothing.
                with self._database.begin() as connection:
                    connection.execute(ENTER, {"shown": shown, "now": now})
                    number = int(connection.execute(RECORDED, {"shown": shown}).scalar_one())
                    rows = [(number, example) for example in dict.fromkeys(examples)]
                    if rows:
                        each_of(connection, ENTER_EXAMPLE, rows)
                    return number
            except IntegrityError as taken:
                # Another process took the number, or showed the same, in this moment: look again.
                refused = taken.orig
        raise StoreError(
            f"store {self._where}: the look at the test could not be entered in {TRIES} tries ({refused}); run "
            f"the same command again, and where that says the same: {DAMAGED}"
        )

    def _before(self, known_by: Mapping[str, int], number: int | None) -> Opening:
        # An example can be known by several keys, and counts once.
        found: dict[int, set[int]] = {}
        keys = list(known_by)
        with sentences(self._where), self._database.connect() as connection:
            for begin in range(0, len(keys), EXAMPLES_AT_ONCE):
                for look, key in among(connection, SHARING, keys[begin : begin + EXAMPLES_AT_ONCE]):
                    # Earlier ones alone: a look keeps its number, and the level that was said with it, whatever comes
                    # after.
                    # A number that is damaged cannot be told to be later.
                    if number is None or not isinstance(look, int) or look < number:
                        found.setdefault(look, set()).add(known_by[key])
        return Opening(len(found), max(map(len, found.values()), default=0))


def _numbered(keys: Sequence[str]) -> dict[str, int]:
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}
