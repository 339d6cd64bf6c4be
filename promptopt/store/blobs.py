"""Bytes that a run can work out again and would rather not, such as the weights of what it trains.

They are no part of what a replay is checked against: where they are gone, they are made anew from what is recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import sqlalchemy as sql

from promptopt.store.database_errors import sentences

KEEP_BLOB = sql.text(
    "INSERT INTO blobs (key, run, name, data, sha256) VALUES (:key, :run, :name, :data, :sha256) ON CONFLICT DO NOTHING"
)
FORGET = sql.text("DELETE FROM blobs WHERE run = :run AND name = :name")
FIND = sql.text("SELECT data, sha256 FROM blobs WHERE key = :key OR key = :own")
OWNERS = sql.text("SELECT run, data, sha256 FROM blobs WHERE key = :key OR key = :own")
NEWEST = sql.text("SELECT data, sha256 FROM blobs WHERE run = :run AND name = :name")


class Blobs:
    """The table of bytes by content: a key says all that they follow from."""

    def __init__(self, database: sql.Engine, where: str) -> None:
        """`where`: the store, as errors name it."""
        self._database, self._where = database, where

    def keep(self, key: bytes, run: str, name: str, data: bytes) -> None:
        """Keep `data` under `key`, in the place of what the run kept under `name` before. Raises StoreError."""
        row = {"key": key, "run": run, "name": name, "data": data, "sha256": hashlib.sha256(data).digest()}
        # One change: a process that is killed here leaves the old ones or the new ones, never neither.
        with sentences(self._where), self._database.begin() as connection:
            connection.execute(FORGET, row)
            # Another run that came to the same keeps its own: it may be deleted, or asked for what it trained.
            if connection.execute(KEEP_BLOB, row).rowcount == 0:
                connection.execute(KEEP_BLOB, {**row, "key": _key_in_run(key, run)})

    def find(self, key: bytes, run: str) -> bytes | None:
        """What is kept under `key`, by `run` or by another; None where there is nothing, or it is damaged.

        Raises StoreError.
        """
        return self._one(FIND, {"key": key, "own": _key_in_run(key, run)})

    def adopt(self, key: bytes, run: str, name: str) -> None:
        """Keep for `run` too what another run keeps under `key`, where there is such; nothing else changes.

        Raises StoreError.
        """
        with sentences(self._where), self._database.connect() as connection:
            rows = connection.execute(OWNERS, {"key": key, "own": _key_in_run(key, run)}).all()
        kept = [bytes(data) for _, data, digest in rows if hashlib.sha256(bytes(data)).digest() == bytes(digest)]
        # What this run keeps already would be taken out and put in again.
        if kept and all(owner != run for owner, _, _ in rows):
            self.keep(key, run, name, kept[0])

    def newest(self, run: str, name: str) -> bytes | None:
        """What the run keeps under `name`; None where that is nothing, or damaged. Raises StoreError."""
        return self._one(NEWEST, {"run": run, "name": name})

    def _one(self, asked: sql.TextClause, named: Mapping[str, bytes | str]) -> bytes | None:
        with sentences(self._where), self._database.connect() as connection:
            rows = connection.execute(asked, named).all()
        kept = [(bytes(data), bytes(digest)) for data, digest in rows]
        # Weights that are damaged would go unseen into every later reward; made anew they cost time alone.
        return next((data for data, digest in kept if hashlib.sha256(data).digest() == digest), None)


def _key_in_run(key: bytes, run: str) -> bytes:
    """The key of a run's own row, where another run has the same under `key`."""
    return hashlib.sha256(key + run.encode()).digest()
