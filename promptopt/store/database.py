"""One SQLite file (or any SQLAlchemy URL), opened: its address, its tables made, its version looked at."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from promptopt.errors import StoreError
from promptopt.places import home
from promptopt.store.database_errors import DAMAGED, IN_MEMORY, is_in_memory, sentences
from promptopt.store.tables import CLAIMS, METADATA, VERSION
from promptopt.text import first_line, shorten

# What a run asks of its store is text, here and in `cache`, `journal` and `runs`. SQLAlchemy would compile statements
# made of tables anew for every store, and that took a quarter of a small run's time. An INSERT leaves rows that are
# there already as they are, so the first writer wins.
_SET_VERSION = sql.text("INSERT INTO meta (name, value) VALUES ('version', :version) ON CONFLICT DO NOTHING")
_GET_VERSION = sql.text("SELECT value FROM meta WHERE name = 'version'")
# Any number will do that no other program locks in this database; all processes of ours take this one.
_LOCK_CREATION = sql.text("SELECT pg_advisory_xact_lock(7073)")
_CREATE: dict[str, list[str]] = {}
"""The statements that make the tables, by the name of the dialect."""


# What takes or gives many values goes to the driver as it is. SQLAlchemy's own work on them was a quarter of the time
# that reading replies took, and nearly half of what a journal took. `{mark}` stands for a value.


def among(connection: sql.Connection, query: str, values: Sequence[object]) -> list[tuple[Any, Any]]:
    """The rows, of two columns, of `query`, in which `{values}` stands for as many values."""
    marks = ", ".join([_mark_of(connection)] * len(values))
    return [(row[0], row[1]) for row in connection.exec_driver_sql(query.format(values=marks), tuple(values))]


def first_of_each(connection: sql.Connection, query: str, values: Sequence[object]) -> list[Any]:
    """The first column of the rows of `query`."""
    found = connection.exec_driver_sql(query.format(mark=_mark_of(connection)), tuple(values))
    return [row[0] for row in found]


def each_of(connection: sql.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """How many rows of the store `statement` changed, run once for each of `rows`, of which there is one at least."""
    return connection.exec_driver_sql(statement.format(mark=_mark_of(connection)), list(rows)).rowcount


def octets(value: Any) -> bytes:
    """A key as a column holds it; none where it is damaged, and holds something else."""
    # Drivers give bytes, or a view of them.
    return b"" if value is None or isinstance(value, str | int | float) else bytes(value)


def _mark_of(connection: sql.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def url_of(location: str | Path | None) -> sql.URL:
    """Where a store is: an SQLAlchemy URL as it is; a file, whatever its name holds.

    By default what `PROMPTOPT_STORE` says, else the one in `home()`. Raises StoreError for a text that begins as a URL
    does and is none. So it does for a store in memory, of which every thread of a run would have one of its own.
    """
    if location is None:
        location = os.environ.get("PROMPTOPT_STORE") or None
    if isinstance(location, str) and "://" in location:
        try:
            url = sql.make_url(location)
            # The driver of the extra `postgres`, where none is named.
            url = url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url
        except SQLAlchemyError as cause:
            raise StoreError(f"store: {first_line(cause)}; correct the URL") from cause
        if url.get_backend_name() == "sqlite" and is_in_memory(url):
            raise StoreError(IN_MEMORY)
        return url
    if location is not None and (not str(location).strip() or not str(location).isprintable()):
        raise StoreError(f"a store cannot be called {str(location)!r}; give a file, or an SQLAlchemy URL")
    if isinstance(location, str) and location.startswith((":memory:", "file:")):
        raise StoreError(
            IN_MEMORY if ":memory:" in location else f"store {location}: give the file without 'file:' before it"
        )
    # Made of its parts: in the text of a URL, `?` and `%41` would mean something.
    return sql.URL.create("sqlite", database=str(home() / "store.db" if location is None else location))


def is_there(location: str | Path | None = None) -> bool:
    """Whether the store's file is there, which opening it would make; a server's store always is (`url_of`)."""
    url = url_of(location)
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


def address_without_password(url: sql.URL) -> str:
    """A store's address for people: its file, or its URL without the password."""
    is_file = url.get_backend_name() == "sqlite" and url.database and not url.query
    return str(url.database) if is_file else url.render_as_string(hide_password=True)


def open_database(location: str | Path | None) -> sql.Engine:
    """Open the store, making its folder and tables where they are missing.

    `location`: an SQLAlchemy URL, a file, or None for `store.db` in `home()`.
    Raises StoreError for a folder that cannot be written, a damaged file, or a store of a newer version.
    """
    url = url_of(location)
    where = address_without_password(url)
    if url.drivername == "sqlite" and url.database and not url.query:
        _refuse_devices(Path(url.database))
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # A null character in a name is a ValueError.
        except (OSError, ValueError) as cause:
            why = cause.strerror if isinstance(cause, OSError) else cause
            raise StoreError(
                f"store {where}: its folder cannot be made ({why}); set PROMPTOPT_HOME to a folder that you can write "
                f"to"
            ) from cause
    try:
        # A connection that a server closed meanwhile is not handed out.
        database = sql.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (SQLAlchemyError, ModuleNotFoundError) as cause:
        extra = ' (pip install "promptopt-engine[postgres]")' if url.drivername == "postgresql+psycopg" else ""
        raise StoreError(f"store {where}: {cause}; install its driver{extra}, or correct the URL") from cause
    if database.dialect.name == "sqlite":
        event.listen(database, "connect", _prepare_sqlite)
    with sentences(where):
        found = _prepared(database)
    if found != str(VERSION):
        database.dispose()
        if not re.fullmatch("[1-9][0-9]{0,8}", found) or int(found) < VERSION:
            what = (
                DAMAGED if database.dialect.name == "sqlite" else "its tables are of no version that was ever written"
            )
            raise StoreError(f"store {where}: {what} (it says that its version is {shorten(found, 20)!r})")
        raise StoreError(
            f"store {where} was written by a newer promptopt (store version {found}, this one knows {VERSION}): "
            f"upgrade promptopt, or set PROMPTOPT_HOME to another folder"
        )
    return database


def _refuse_devices(path: Path) -> None:
    # SQLite waits for ever for what a pipe brings, and calls a device a disk that failed.
    with contextlib.suppress(OSError, ValueError):
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise StoreError(f"store {path}: it is a pipe, a socket or a device, and a store is a file; name a file")


def _prepared(database: sql.Engine, tries: int = 40) -> str:
    """Make what is missing, and return the version of the store.

    Processes that open a new store at the same moment meet here. SQLite does not wait for the change to WAL, however
    long its time-out. So a locked store is tried again, for two seconds in all.
    """
    try:
        with database.begin() as connection:
            if database.dialect.name == "postgresql":
                # It makes tables that are missing one at a time; two that make the same one fail.
                connection.execute(_LOCK_CREATION)
            for statement in _creation(database):
                connection.exec_driver_sql(statement)
            # An older store keeps the number it has, since a row that is there is left alone.
            connection.execute(_SET_VERSION, {"version": str(VERSION)})
            return str(connection.execute(_GET_VERSION).scalar_one())
    except OperationalError as busy:
        if tries == 0 or "locked" not in str(busy.orig):
            raise
    time.sleep(0.05)
    return _prepared(database, tries - 1)


def _creation(database: sql.Engine) -> list[str]:
    kind = database.dialect.name
    if kind not in _CREATE:
        made: list[CreateTable | CreateIndex] = []
        for table in (*METADATA.sorted_tables, *([CLAIMS[kind]] if kind in CLAIMS else [])):
            made.append(CreateTable(table, if_not_exists=True))
            made += [CreateIndex(index, if_not_exists=True) for index in table.indexes]
        _CREATE[kind] = [str(each.compile(database)) for each in made]
    return _CREATE[kind]


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL with NORMAL survives kill -9 at any moment; only a power cut can lose the last commits.
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
