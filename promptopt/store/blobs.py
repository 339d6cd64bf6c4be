"""Bytes that a run can work out again and would rather not, such as the weights of what it trains.

They are no part of what a replay is checked against: where they are gone, they are made anew from what is recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import sqlalchemy as sql

from promptopt.store.database import sentences

KEEP = sql.text("INSERT INTO blobs (key, run, name, data, sha256) VALUES (:key, :run, :name, :data, :sha256)")
FORGET = sql.text("DELETE FROM blobs WHERE key = :key OR (run = :run AND name = :name)")
FIND = sql.text("SELECT data, sha256 FROM blobs WHERE key = :key")
NEWEST = sql.text("SELECT data, sha256 FROM blobs WHERE run = :run AND name = :name")


class Blobs:
    """The table of bytes by content: a key says all that they follow from."""

    def __init__(self, engine: sql.Engine, where: str) -> None:
        """`where`: the store, as errors name it."""
        self._engine, self._where = engine, where

    def keep(self, key: bytes, run: str, name: str, data: bytes) -> None:
        """Keep `data` under `key`, in the place of what the run kept under `name` before. Raises StoreError."""
        row = {"key": key, "run": run, "name": name, "data": data, "sha256": hashlib.sha256(data).digest()}
        # One change: a process that is killed here leaves the old ones or the new ones, never neither.
        with sentences(self._where), self._engine.begin() as connection:
            connection.execute(FORGET, row)
            connection.execute(KEEP, row)

    def find(self, key: bytes) -> bytes | None:
        """What is kept under `key`; None where there is nothing, or it is damaged. Raises StoreError."""
        return self._one(FIND, {"key": key})

    def newest(self, run: str, name: str) -> bytes | None:
        """What the run keeps under `name`; None where that is nothing, or damaged. Raises StoreError."""
        return self._one(NEWEST, {"run": run, "name": name})

    def _one(self, asked: sql.TextClause, named: Mapping[str, bytes | str]) -> bytes | None:
        with sentences(self._where), self._engine.connect() as connection:
            row = connection.execute(asked, named).one_or_none()
        if row is None:
            return None
        data = bytes(row[0])
        return data if hashlib.sha256(data).digest() == bytes(row[1]) else None
