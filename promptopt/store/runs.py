"""The store as a whole: its cache, and the runs recorded in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from promptopt.arguments import checked
from promptopt.errors import ConfigError
from promptopt.places import home
from promptopt.store.cache import Cache
from promptopt.store.database import CALLS, JOURNAL, RUNS, open_engine, sentences
from promptopt.store.journal import Journal
from promptopt.store.looks import Looks
from promptopt.types import canonical

FINAL = "/final"
"""Marks the journal of a run's final phase."""

BEGIN = sql.text(
    "INSERT INTO runs (id, fingerprint, config, status, created, updated) "
    "VALUES (:id, :fingerprint, :config, 'running', :now, :now) ON CONFLICT DO NOTHING"
)
END = sql.text("UPDATE runs SET status = :status, result = :result, updated = :now WHERE id = :id")
ALL = sql.text("SELECT * FROM runs ORDER BY updated DESC, id")
BEGINNING = sql.text("SELECT * FROM runs WHERE substr(id, 1, :length) = :begins ORDER BY updated DESC, id")


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
        self.engine = open_engine(location)
        # The URL may hold a password: what is shown never does.
        self.where = str(location) if location is not None else str(home() / "store.db")
        if "://" in self.where:
            self.where = self.engine.url.render_as_string(hide_password=True)
        self.cache = Cache(self.engine, self.where)
        self.looks = Looks(self.engine, self.where)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is left and let go of the file."""
        try:
            self.cache.close()
        finally:
            self.engine.dispose()

    def journal(self, run_id: str) -> Journal:
        """The journal of one run's search: checked on replay."""
        return Journal(self.engine, self.where, run_id)

    def final_journal(self, run_id: str) -> Journal:
        """The journal of one run's final phase: it follows the budget, so it is written anew each time."""
        return Journal(self.engine, self.where, run_id + FINAL, afresh=True)

    def begin(self, run_id: str, *, fingerprint: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Record that a run exists; one that does already keeps its first config."""
        row = {"id": run_id, "fingerprint": canonical(fingerprint), "config": canonical(config), "now": time.time()}
        with sentences(self.where), self.engine.begin() as connection:
            connection.execute(BEGIN, row)

    def end(self, run_id: str, *, status: str, result: Mapping[str, Any]) -> None:
        """Record how a run stands now."""
        change = {"id": run_id, "status": status, "result": canonical(result), "now": time.time()}
        with sentences(self.where), self.engine.begin() as connection:
            connection.execute(END, change)

    def mark(self, run_id: str, status: str) -> None:
        """Record that a run ended without a result: `failed`, or `stopped`."""
        change = {"status": status, "updated": time.time()}
        with sentences(self.where), self.engine.begin() as connection:
            connection.execute(sql.update(RUNS).where(RUNS.c.id == run_id).values(change))

    def runs(self) -> list[RunRecord]:
        """Every run, newest first."""
        return self._read(ALL)

    def _read(self, query: sql.TextClause, **values: str | int) -> list[RunRecord]:
        with sentences(self.where), self.engine.connect() as connection:
            rows = connection.execute(query, values).mappings().all()
        return [
            RunRecord(
                row["id"],
                row["status"],
                json.loads(row["config"]),
                json.loads(row["fingerprint"]),
                None if row["result"] is None else json.loads(row["result"]),
                row["created"],
                row["updated"],
            )
            for row in rows
        ]

    def find(self, run_id: str) -> RunRecord:
        """The run whose id begins with `run_id`. Raises ConfigError when there is none, or more than one."""
        matches = self._read(BEGINNING, begins=run_id, length=len(run_id))
        if len(matches) != 1:
            found = "no run" if not matches else f"more than one run ({len(matches)})"
            raise ConfigError(f"{found} in {self.where} begins with {run_id!r}; `promptopt runs list` shows them all")
        return matches[0]

    def delete(self, run_id: str) -> None:
        """Forget a run and its journal; its calls stay until `collect` finds that nobody needs them."""
        with sentences(self.where), self.engine.begin() as connection:
            connection.execute(sql.delete(JOURNAL).where(JOURNAL.c.run.in_([run_id, run_id + FINAL])))
            connection.execute(sql.delete(RUNS).where(RUNS.c.id == run_id))

    def collect(self) -> int:
        """Drop the calls that no run's journal needs; returns how many."""
        with sentences(self.where), self.engine.begin() as connection:
            # Calls of `evaluate` and `explain` stand in no journal and go too; asking again brings them back.
            needed = sql.select(JOURNAL.c.key)
            gone = connection.execute(sql.delete(CALLS).where(CALLS.c.key.not_in(needed)))
        if self.engine.dialect.name == "sqlite":
            with sentences(self.where), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
                plain.execute(sql.text("VACUUM"))
        return int(gone.rowcount)
