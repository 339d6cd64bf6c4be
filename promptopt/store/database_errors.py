"""The errors of a database, as sentences that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from promptopt.errors import StoreError


@contextmanager
def sentences(where: str) -> Generator[None]:
    """Turn the driver's errors into one sentence each."""
    try:
        yield
    # Drivers raise these as they are: for half an emoji, or a number beyond 64 bits.
    except (UnicodeError, OverflowError) as cause:
        raise StoreError(f"store {where}: it cannot hold what was to be written ({cause})") from cause
    except SQLAlchemyError as cause:
        said = str(cause.orig) if isinstance(cause, DBAPIError) else str(cause)
        # Below its first line Postgres repeats the statement.
        detail = next(iter(said.splitlines()), "")
        raise StoreError(f"store {where}: {_advice(where, detail)}") from cause


def _advice(where: str, detail: str) -> str:
    """What to do about an error of the driver."""
    # First, for "permission denied" on a server is about tables, and in a file about the folder.
    told = next((said for sign, said in _SERVER.items() if sign in detail), None)
    if told is not None:
        return f"{told} ({detail})"
    foreign = ("no such column", "no such table", "has no column")
    signs = ("malformed", "not a database", "Could not decode", "unsupported file format", *foreign)
    if any(sign in detail for sign in signs):
        return DAMAGED
    if "unable to open" in detail and Path(where).is_dir():
        return f"it is a folder, and a store is a file; name one in it, such as {Path(where) / 'store.db'}"
    if "readonly" in detail or "unable to open" in detail or "permission" in detail.lower():
        return "it cannot be written: set PROMPTOPT_HOME to a folder that you can write to"
    if "locked" in detail:
        return "another process holds it: wait for that one to end, then run the same command again"
    if "is full" in detail or "No space" in detail or "disk I/O error" in detail:
        # SQLite says the same of a file whose header counts pages that are not there.
        if _is_damaged(where):
            return DAMAGED
        state = "failed, which a full one does too" if "I/O" in detail else "is full"
        return f"the disk {state}: free some space and run the same command again; nothing stored is lost"
    return detail


_SERVER = {
    "connection failed": "the server cannot be reached: start it, or correct PROMPTOPT_STORE, then run this again",
    **dict.fromkeys(
        ("connection is lost", "terminating connection", "server closed the connection"),
        "the server went away: what was stored is kept; run the same command again to go on",
    ),
    "could not extend file": "the server's disk is full: free some space and run the same command again",
    "No space left on device": "the server's disk is full: free some space and run the same command again",
    "permission denied": "this user may not use the tables there: ask for the right to, or use a database of your own",
    "read-only transaction": "the server takes no writes now: use the one that does, then run this again",
    "too many clients": "the server has no connection left: raise its limit, or run fewer processes",
}
"""What a database server says of its troubles, by a part of it, and what to do."""
DAMAGED = (
    "the file is damaged or not a store: move it away (or repair a copy of it, with `sqlite3 FILE .recover`), or set "
    "PROMPTOPT_HOME to another folder"
)
IN_MEMORY = (
    "a store cannot be in memory, for a run writes to it from several threads; name a file in a temporary folder"
)


def _is_damaged(where: str) -> bool:
    """Whether SQLite's own check finds the file unsound."""
    try:
        with closing(sqlite3.connect(Path(where).absolute().as_uri() + "?mode=ro", uri=True)) as connection:
            return connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.DatabaseError as cause:
        return "malformed" in str(cause) or "not a database" in str(cause)


def is_in_memory(url: sql.URL) -> bool:
    """Whether SQLite would keep the store in memory alone, by whichever of its three ways to say so."""
    file = url.database
    return not file or file.removeprefix("file:").startswith(":memory:") or url.query.get("mode") == "memory"
