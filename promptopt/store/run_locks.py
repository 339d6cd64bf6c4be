"""A run held by one process at a time: by a file beside an SQLite store, by an advisory lock in PostgreSQL."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from promptopt.errors import StoreError
from promptopt.store.database_errors import sentences

TOLD_EVERY_S = 1.0
"""Seconds between two words to somebody who waits. Ours."""
LOOKING_S = 0.05
"""What a lock is waited for before a user is told: `is_held` takes it for a moment."""
TAKE = sql.text("SELECT pg_try_advisory_lock(:key)")
LET_GO = sql.text("SELECT pg_advisory_unlock(:key)")
# pg_locks shows a key of 64 bits in halves: `classid` the upper, `objid` the lower, and `objsubid` 1.
HELD = sql.text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
    "AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_UNSIGNED = (1 << 64) - 1
"""What makes a lock's number the same with a sign and without."""


@contextmanager
def held(database: sql.Engine, where: str, run_id: str, waiting: Callable[[], None]) -> Generator[None]:
    """Hold a run; `waiting` is called while another process does: first at once, then each second.

    What it raises ends the wait. Nothing is held in a store of another kind, or in memory. Raises StoreError.
    """
    file = database.url.database
    if database.dialect.name == "postgresql":
        with _by_the_server(database, where, run_id, waiting):
            yield
    elif database.dialect.name != "sqlite" or not file or file == ":memory:" or database.url.query:
        yield
    else:
        with _by_a_file(file, run_id, waiting):
            yield


def is_held(database: sql.Engine, run_id: str) -> bool | None:
    """Whether a process is at the run now; None in a store that is no file, where nothing is asked."""
    file = database.url.database
    if database.dialect.name != "sqlite" or not file or file == ":memory:" or database.url.query:
        return None
    path = Path(f"{file}.{run_id}.lock")
    # Before the lock is tried: that would make the file, and leave it behind.
    if not path.exists():
        return False
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    try:
        # A process that was killed leaves the file, and no lock on it.
        lock.acquire(timeout=0.0)
    except Timeout:
        return True
    # A file system without locks, or a file of another user: nobody can tell.
    except OSError:
        return None
    lock.release()
    return False


def held_of(database: sql.Engine, connection: sql.Connection, run_ids: Sequence[str]) -> Collection[str]:
    """Which of these runs a process is at now; `connection`: one to that store."""
    if not run_ids:
        return ()
    if database.dialect.name != "postgresql":
        return [each for each in run_ids if is_held(database, each)]
    numbers = {number & _UNSIGNED for (number,) in connection.execute(HELD)}
    return [each for each in run_ids if _lock_number(each) & _UNSIGNED in numbers]


def tells_held(database: sql.Engine) -> bool:
    """Whether a store can tell which runs are held."""
    file = database.url.database
    return database.dialect.name == "postgresql" or (
        database.dialect.name == "sqlite" and bool(file) and file != ":memory:" and not database.url.query
    )


def _lock_number(run_id: str) -> int:
    """The number of a run's lock: a server's are of 64 bits, signed, for all users of the database."""
    return int.from_bytes(hashlib.sha256(f"promptopt {run_id}".encode()).digest()[:8], "big", signed=True)


@contextmanager
def _by_a_file(file: str, run_id: str, waiting: Callable[[], None]) -> Generator[None]:
    from filelock import FileLock, Timeout

    lock, patience = FileLock(f"{file}.{run_id}.lock", thread_local=False), LOOKING_S
    while not lock.is_locked:
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            waiting()
            patience = TOLD_EVERY_S
        except OSError as cause:
            raise StoreError(
                f"{lock.lock_file} cannot be locked ({cause.strerror}), so two processes could pay for one run; keep "
                f"the store on a disk of this machine: name another folder by PROMPTOPT_HOME"
            ) from cause
    try:
        yield
    finally:
        # While it is held, or one that came meanwhile would lose its own. Who waits may have it open: filelock sees,
        # from 3.20.4 on, that what it has locked is gone, and tries anew.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def _by_the_server(database: sql.Engine, where: str, run_id: str, waiting: Callable[[], None]) -> Generator[None]:
    """On a connection of its own: the server lets go of it by itself where this process dies."""
    key = {"key": _lock_number(run_id)}
    with sentences(where):
        # No transaction: a server may end one that idles, and the lock with it.
        connection = database.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        while True:
            with sentences(where):
                if connection.execute(TAKE, key).scalar_one():
                    break
            waiting()
            time.sleep(TOLD_EVERY_S)
        yield
        # The server sees some time later that a connection was closed, and whoever comes next would be told to wait.
        with suppress(SQLAlchemyError):
            connection.execute(LET_GO, key)
    finally:
        # With the connection goes the lock, also where the server is gone.
        connection.invalidate()
        connection.close()
