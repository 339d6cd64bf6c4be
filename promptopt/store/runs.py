"""The store as a whole: its cache, and the runs recorded in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sql
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from promptopt.arguments import checked
from promptopt.errors import ConfigError
from promptopt.store.cache import Cache
from promptopt.store.claims import Claims
from promptopt.store.database import address_without_password, is_there, open_database
from promptopt.store.database_errors import sentences
from promptopt.store.journal import Journal
from promptopt.store.looks import Looks
from promptopt.store.run_locks import held, is_held, tells_held
from promptopt.store.tables import BLOBS, CALLS, JOURNAL, MEMO, RUN_ORDER, RUNS
from promptopt.types import canonical

DAMAGED = "damaged"
"""The status of a run whose row cannot be read."""
FINAL = "/final"
"""Marks the journal of a run's final phase."""

BEGIN = sql.text(
    "INSERT INTO runs (id, fingerprint, config, status, created, updated) "
    "VALUES (:id, :fingerprint, :config, 'running', :now, :now) ON CONFLICT DO NOTHING"
)
END = sql.text("UPDATE runs SET status = :status, result = :result, updated = :now WHERE id = :id")
SET_STATUS = sql.text("UPDATE runs SET status = :status, updated = :now WHERE id = :id")
# By `substr`, for LIKE would take `_` and `%` in what a user types as wildcards.
IDS = sql.text(
    "SELECT id FROM runs LEFT JOIN run_order ON run_order.run = runs.id WHERE substr(id, 1, :length) = :begins "
    "ORDER BY COALESCE(position, 0) DESC, updated DESC, id"
)
AS_THEY_ARE = sql.text(IDS.text.replace("SELECT id", "SELECT CAST(id AS BLOB)", 1))
# `WHERE true`: without it SQLite reads `ON` as that of a join.
TOUCH = sql.text(
    "INSERT INTO run_order (run, position) SELECT :id, COALESCE(MAX(position), 0) + 1 FROM run_order WHERE true "
    "ON CONFLICT (run) DO UPDATE SET position = excluded.position"
)
ONE = sql.text("SELECT * FROM runs WHERE id = :id")
# Each call once, as a run is charged for it. A memo stands in a journal too, and is no call.
ANSWERED = sql.text(
    "SELECT count(DISTINCT journal.key) FROM journal JOIN calls ON calls.key = journal.key "
    "WHERE journal.run IN (:search, :final) AND calls.model <> :memo"
)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as stored. `config` is what started it, `result` what it ended with so far; times are Unix seconds."""

    id: str
    status: str
    config: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    result: Mapping[str, Any] | None
    created: float
    updated: float


class Store:
    """Calls, journals and runs in one place. Close it, or use it as a context manager."""

    @checked
    def __init__(self, location: str | Path | None = None) -> None:
        """`location`: a file, an SQLAlchemy URL, or None for the default under `PROMPTOPT_HOME`. Raises StoreError."""
        if location is not None and not str(location):
            raise ConfigError("store is an empty text; give a file, an SQLAlchemy URL, or None for the default")
        self.database = open_database(location)
        # The URL may hold a password: what is shown never does.
        self.where = address_without_password(self.database.url)
        self.cache = Cache(self.database, self.where)
        self.looks = Looks(self.database, self.where)

    @classmethod
    def if_there(cls, location: str | Path | None = None) -> Store | None:
        """The store that `Store(location)` opens, or None where it would make one. Raises StoreError."""
        return cls(location) if is_there(location) else None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is left and let go of the file."""
        try:
            self.cache.close()
        finally:
            self.database.dispose()

    def journal(self, run_id: str) -> Journal:
        """The journal of one run's search: checked on replay."""
        return Journal(self.database, self.where, run_id)

    def final_journal(self, run_id: str) -> Journal:
        """The journal of one run's final phase: it follows the budget, so it is written anew each time."""
        return Journal(self.database, self.where, run_id + FINAL, afresh=True)

    def recorded(self, run_id: str) -> int:
        """How many calls of earlier executions of a run are answered, those of its final phase among them.

        Of a batch that was broken off the journal has all, and the store what was answered.
        """
        asked = {"search": run_id, "final": run_id + FINAL, "memo": MEMO}
        with sentences(self.where), self.database.connect() as connection:
            return int(connection.execute(ANSWERED, asked).scalar_one())

    def last(self, run_id: str) -> Mapping[str, Any] | None:
        """The result that an earlier execution of exactly this run left; None where there is none."""
        return self._record(run_id).result if run_id in self._ids(run_id) else None

    @contextmanager
    def alone(self, run_id: str, waiting: Callable[[], None]) -> Generator[None]:
        """Hold a run, so that two processes do not pay for the same calls; `waiting` is called while another holds it.

        First at once, then each second; what it raises ends the wait (`run_locks.held`). Raises StoreError.
        """
        with held(self.database, self.where, run_id, waiting):
            yield

    def claims(self, run_id: str) -> Claims | None:
        """The claims of a run that this process holds; None in a store that cannot tell which are held."""
        return Claims(self.database, self.where, run_id) if tells_held(self.database) else None

    def is_held(self, run_id: str) -> bool | None:
        """Whether a process is at the run now; None in a store that is no file, where nothing is asked."""
        return is_held(self.database, run_id)

    def begin(self, run_id: str, *, fingerprint: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Record that a run exists; one that does already keeps its first config, unless its row is damaged."""
        row = {"id": run_id, "fingerprint": canonical(fingerprint), "config": canonical(config), "now": time.time()}
        damaged = run_id in self._ids(run_id) and self._record(run_id).status == DAMAGED
        with sentences(self.where), self.database.begin() as connection:
            if damaged:
                connection.execute(sql.delete(RUNS).where(RUNS.c.id == run_id))
            if connection.execute(BEGIN, row).rowcount:
                connection.execute(TOUCH, {"id": run_id})

    def end(self, run_id: str, *, status: str, result: Mapping[str, Any]) -> None:
        """Record how a run stands now."""
        change = {"id": run_id, "status": status, "result": canonical(result), "now": time.time()}
        with sentences(self.where), self.database.begin() as connection:
            connection.execute(END, change)
            connection.execute(TOUCH, {"id": run_id})

    def mark(self, run_id: str, status: str) -> None:
        """Record how a run stands, which has no (new) result."""
        with sentences(self.where), self.database.begin() as connection:
            connection.execute(SET_STATUS, {"id": run_id, "status": status, "now": time.time()})
            connection.execute(TOUCH, {"id": run_id})

    def runs(self) -> list[RunRecord]:
        """Every run, the one that was last written first, whatever the clock says.

        One whose row is damaged has the status `damaged`, and nothing else.
        """
        return [self._record(name) for name in self._ids()]

    def find(self, run_id: str) -> RunRecord:
        """The run whose id begins with `run_id`. Raises ConfigError when there is none, or more than one."""
        # An empty text begins every id.
        if not run_id.strip():
            raise ConfigError("which run? name one by its id, or by how that begins; `promptopt runs list` shows them")
        matches = self._ids(run_id)
        # A whole id names its run also where another id begins with it.
        if len(matches) != 1 and run_id not in matches:
            found = "no run" if not matches else f"more than one run ({len(matches)})"
            raise ConfigError(f"{found} in {self.where} begins with {run_id!r}; `promptopt runs list` shows them all")
        return self._record(run_id if run_id in matches else matches[0])

    def _ids(self, begins: str = "") -> list[str]:
        asked = {"begins": begins, "length": len(begins)}
        with sentences(self.where), self.database.connect() as connection:
            try:
                return [name for (name,) in connection.execute(IDS, asked) if isinstance(name, str)]
            except OperationalError as cause:
                # What sqlite3 says of a text that is not UTF-8: one such name must not hide the others.
                if "decode" not in str(cause.orig):
                    raise
            rows = connection.execute(AS_THEY_ARE, asked)
            return [name.decode("utf-8", "replace") for (name,) in rows]

    def _record(self, run_id: str) -> RunRecord:
        # Each row by itself: one that cannot be read must not hide the others.
        try:
            with self.database.connect() as connection:
                row = connection.execute(ONE, {"id": run_id}).mappings().one()
            return RunRecord(
                id=run_id,
                status=_stored_word(row["status"]),
                config=_stored_object(row["config"]),
                fingerprint=_stored_object(row["fingerprint"]),
                result=None if row["result"] is None else _stored_object(row["result"]),
                created=_stored_moment(row["created"]),
                updated=_stored_moment(row["updated"]),
            )
        except (SQLAlchemyError, OSError, OverflowError, TypeError, ValueError, RecursionError):
            return RunRecord(
                id=run_id, status=DAMAGED, config={}, fingerprint={}, result=None, created=0.0, updated=0.0
            )

    def delete(self, run_id: str) -> None:
        """Forget a run and its journal; its calls stay until `collect` finds that nobody needs them."""
        with sentences(self.where), self.database.begin() as connection:
            connection.execute(sql.delete(JOURNAL).where(JOURNAL.c.run.in_([run_id, run_id + FINAL])))
            connection.execute(sql.delete(BLOBS).where(BLOBS.c.run == run_id))
            connection.execute(sql.delete(RUN_ORDER).where(RUN_ORDER.c.run == run_id))
            connection.execute(sql.delete(RUNS).where(RUNS.c.id == run_id))

    def collect(self) -> int:
        """Drop the calls that no run's journal needs, and what no run keeps; returns how many calls."""
        with sentences(self.where), self.database.begin() as connection:
            # Calls of `evaluate` and `explain` stand in no journal and go too; asking again brings them back.
            unneeded = CALLS.c.key.not_in(sql.select(JOURNAL.c.key))
            gone = connection.execute(sql.delete(CALLS).where(unneeded, CALLS.c.model != MEMO))
            connection.execute(sql.delete(CALLS).where(unneeded))
            connection.execute(sql.delete(BLOBS).where(BLOBS.c.run.not_in(sql.select(RUNS.c.id))))
        if self.database.dialect.name == "sqlite":
            # VACUUM works outside of transactions only. PostgreSQL does it by itself.
            with (
                sentences(self.where),
                self.database.connect().execution_options(isolation_level="AUTOCOMMIT") as plain,
            ):
                plain.execute(sql.text("VACUUM"))
        return int(gone.rowcount)


def _stored_object(text: Any) -> Mapping[str, Any]:
    """The JSON object in a column. Raises ValueError and TypeError for what is none."""
    found: object = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__} where an object was stored")
    return cast("dict[str, Any]", found)


def _stored_word(value: Any) -> str:
    """Raises TypeError for what is no text."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text was stored")
    return value


def _stored_moment(value: Any) -> float:
    """Unix seconds. Raises OSError, OverflowError, TypeError and ValueError for what no calendar holds."""
    moment = float(value)
    datetime.fromtimestamp(moment)
    return moment
