"""Calls by content: written the moment they settle, read back by key."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import OperationalError

from promptopt.errors import StoreError
from promptopt.store.blobs import Blobs
from promptopt.store.database import among, each_of
from promptopt.store.database_errors import sentences
from promptopt.store.tables import CALLS
from promptopt.types.identity import without_surrogates

LOOK_S = 1.0
"""Seconds after which a wait for the writing thread looks whether it is still there. Ours."""
READ_AT_ONCE = 500
"""Keys asked for in one SELECT; SQLite allows 32,766 variables, and past a few hundred it gets no faster."""

INSERT = "INSERT INTO calls (key, model, request, reply) VALUES ({mark}, {mark}, {mark}, {mark}) ON CONFLICT DO NOTHING"
SELECT = "SELECT key, reply FROM calls WHERE key IN ({values})"


class Cache:
    """The table of calls. Writes go through one thread that commits whatever has settled, as soon as it can.

    So each reply is safe within a moment of its arrival, while a thousand replies a second share their commits.
    """

    def __init__(self, database: sql.Engine, where: str) -> None:
        self._database = database
        self._where = where
        self.blobs = Blobs(database, where)
        self._waiting: list[tuple[bytes, *tuple[object, ...]]] = []
        # Rows of writes that failed, which whoever waited was told of: paid for, and tried again with the next.
        self._kept: list[tuple[bytes, *tuple[object, ...]]] = []
        self._changed = threading.Condition()
        # Busy: rows are taken from those that wait, and not committed yet. `flush` waits for both kinds.
        self._busy = self._closed = False
        self._failure: StoreError | None = None
        self._thread: threading.Thread | None = None

    def put(self, key: bytes, model: str, request: str, reply: str) -> None:
        """Hand over one settled call. Raises StoreError when an earlier write failed."""
        with self._changed:
            # The writing thread has nobody to tell; whoever comes next is told.
            if self._failure is not None:
                raise self._failure
            if self._thread is None or not self._thread.is_alive():
                # With the first write, for most commands only read; and again after a fork, which no thread survives.
                self._start()
            self._take_up()
            # A kill from here to the commit, some milliseconds, loses this reply: it is asked for, and paid, once more.
            self._waiting.append((key, *map(without_surrogates, (model, request, reply))))
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything handed over is committed. Raises StoreError when it could not be."""
        with self._changed:
            while (self._waiting or self._busy) and self._failure is None:
                if self._thread is None or not self._thread.is_alive():
                    # Nobody is left to write: the process was forked, or the thread was killed from outside.
                    self._fail(self._lost("the thread that writes has ended"))
                self._changed.wait(LOOK_S)
            if self._failure is not None:
                # Told once: the next attempt may find room on the disk.
                failure, self._failure = self._failure, None
                raise failure

    def close(self) -> None:
        """Commit what is left and end the thread, which ends also where that fails.

        What a write that failed held is tried once more: a lock may be gone by now, or a disk have room. Raises
        StoreError where something else cannot be written.
        """
        with self._changed:
            told = not self._waiting and not self._busy and self._failure is None
            self._take_up()
            self._changed.notify_all()
        try:
            self.flush()
        except StoreError:
            if not told:
                raise
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            if self._thread is not None:
                self._thread.join()

    def _start(self) -> None:
        # A daemon: a program that ends without closing its store must end.
        thread = threading.Thread(target=self._write, name="promptopt-store", daemon=True)
        try:
            thread.start()
        except RuntimeError as cause:
            raise self._lost(str(cause)) from cause
        self._thread = thread

    def _lost(self, why: str) -> StoreError:
        return StoreError(
            f"store {self._where}: a reply could not be written ({why}); what was written before is kept: run the same "
            f"command again to go on"
        )

    def _fail(self, failure: StoreError) -> None:
        self._busy, self._failure = False, failure
        # Not tried again at once: whoever waits is told first.
        self._kept += self._waiting
        self._waiting.clear()
        self._changed.notify_all()

    def _take_up(self) -> None:
        # With every call that settles: while all is well what waits is not copied.
        if self._kept:
            self._waiting, self._kept = [*self._kept, *self._waiting], []

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                # All that waits goes into one commit: under load commits grow, and do not queue up.
                rows, self._waiting, self._busy = self._waiting, [], True
            failure: StoreError | None = None
            try:
                with sentences(self._where), self._database.begin() as connection:
                    # In one order everywhere: two stores that commit the same keys in others would block each other.
                    each_of(connection, INSERT, sorted(rows, key=lambda row: row[0]))
            except StoreError as error:
                failure = error
            except BaseException as error:  # noqa: BLE001 (whatever it is, `flush` must not wait for a dead thread)
                failure = self._lost(f"{type(error).__name__}: {error}")
                failure.__cause__ = error
            with self._changed:
                self._busy = False
                if failure is not None:
                    self._kept += rows
                    self._fail(failure)
                self._changed.notify_all()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The stored replies (JSON text) of those keys that have one; empty where its bytes are no text any more."""
        found: dict[bytes, str] = {}
        if not keys:
            return found
        with sentences(self._where), self._database.connect() as connection:
            for start in range(0, len(keys), READ_AT_ONCE):
                found.update(self._read(connection, list(keys[start : start + READ_AT_ONCE])))
        return found

    def _read(self, connection: sql.Connection, keys: list[bytes]) -> dict[bytes, str]:
        try:
            return {bytes(key): str(reply) for key, reply in among(connection, SELECT, keys)}
        except OperationalError as cause:
            # What sqlite3 says of a text that is not UTF-8.
            if "decode" not in str(cause.orig):
                raise
        if len(keys) == 1:
            return {keys[0]: ""}
        # One damaged reply must not hide the others.
        half = len(keys) // 2
        return {**self._read(connection, keys[:half]), **self._read(connection, keys[half:])}

    def forget(self, keys: Sequence[bytes]) -> None:
        """Drop calls whose replies are damaged, so that they can be stored again."""
        with sentences(self._where), self._database.begin() as connection:
            connection.execute(sql.text("DELETE FROM calls WHERE key = :key"), [{"key": key} for key in keys])

    def request(self, key: bytes) -> str | None:
        """The canonical JSON of what was asked under `key`."""
        with sentences(self._where), self._database.connect() as connection:
            return connection.execute(sql.select(CALLS.c.request).where(CALLS.c.key == key)).scalar_one_or_none()

    def calls_by_model(self) -> Iterator[tuple[str, int, int]]:
        """`(model, calls, bytes)` for every model in the store, by name. Bytes that are no text are U+FFFD in it."""
        with sentences(self._where), self._database.connect() as connection:
            try:
                rows = connection.execute(_counted_by(CALLS.c.model)).all()
            except OperationalError as cause:
                # One damaged name must not hide the others.
                if "decode" not in str(cause.orig):
                    raise
                rows = connection.execute(_counted_by(sql.cast(CALLS.c.model, sql.LargeBinary))).all()
        for model, calls, size_bytes in rows:
            name = model.decode("utf-8", "replace") if isinstance(model, bytes) else str(model)
            yield name, int(calls), int(size_bytes)


def _counted_by(model: sql.ColumnElement[Any]) -> sql.Select[Any, int, Any]:
    """The calls and bytes of each model, where `model` is what names it."""
    size = sql.func.sum(sql.func.length(CALLS.c.request) + sql.func.length(CALLS.c.reply))
    return sql.select(model, sql.func.count(), size).group_by(model).order_by(model)
