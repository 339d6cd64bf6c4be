"""One SQLite file (or any SQLAlchemy URL): its tables, its version, and its errors as sentences."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from promptopt.errors import StoreError
from promptopt.places import home

VERSION = 1
"""Of the tables below. A store of a newer version is refused, not guessed at."""

METADATA = sql.MetaData()

META = sql.Table("meta", METADATA, sql.Column("name", sql.String, primary_key=True), sql.Column("value", sql.String))

CALLS = sql.Table(
    "calls",
    METADATA,
    sql.Column("key", sql.LargeBinary(32), primary_key=True),
    sql.Column("model", sql.String, nullable=False),
    sql.Column("request", sql.Text, nullable=False),
    sql.Column("reply", sql.Text, nullable=False),
)
"""Every reply ever had, by the sha256 of (served model, request, draw). A record, not a cache: nothing expires."""

RUNS = sql.Table(
    "runs",
    METADATA,
    sql.Column("id", sql.String, primary_key=True),
    sql.Column("fingerprint", sql.Text, nullable=False),
    sql.Column("config", sql.Text, nullable=False),
    sql.Column("status", sql.String, nullable=False),
    sql.Column("result", sql.Text),
    sql.Column("created", sql.Float, nullable=False),
    sql.Column("updated", sql.Float, nullable=False),
)

RUN_ORDER = sql.Table(
    "run_order",
    METADATA,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("position", sql.Integer, nullable=False),
)
"""In which order runs were last written: no clock says so, which may be set back. Runs of before it have no row."""

JOURNAL = sql.Table(
    "journal",
    METADATA,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("key", sql.LargeBinary(32), nullable=False),
)
"""The ordered call keys of each run: its search (checked on replay) and, apart, its final phase."""

BLOBS = sql.Table(
    "blobs",
    METADATA,
    sql.Column("key", sql.LargeBinary(32), primary_key=True),
    sql.Column("run", sql.String, nullable=False),
    sql.Column("name", sql.String, nullable=False),
    sql.Column("data", sql.LargeBinary, nullable=False),
    sql.Column("sha256", sql.LargeBinary(32), nullable=False),
)
"""What a run can work out again but would rather not, such as weights: the newest of each name."""

LOOKS = sql.Table(
    "looks",
    METADATA,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("shown", sql.String, nullable=False, unique=True),
    sql.Column("entered", sql.Float, nullable=False),
)
"""Every opening of a sealed split, in order, and a digest of what it showed. Forgotten with no run."""

LOOKED_AT = sql.Table(
    "looked_at",
    METADATA,
    sql.Column("look", sql.Integer, primary_key=True),
    sql.Column("example", sql.String, primary_key=True, index=True),
)
"""The examples of each opening, by a digest of their inputs."""

CLAIMS = {
    kind: sql.Table(
        "claims",
        # Of its own: one catalogue holds no two tables of one name.
        sql.MetaData(),
        sql.Column("key", sql.LargeBinary(32), primary_key=True),
        sql.Column("run", sql.String, nullable=False),
        # Nobody misses a claim that a server has lost with its power.
        prefixes=prefixes,
    )
    for kind, prefixes in (("sqlite", []), ("postgresql", ["UNLOGGED"]))
}
"""Answers that a run asks for just now, where several may want the same (`claims`), by the name of the dialect."""


# What a run asks of its store is text, here and in `cache`, `journal` and `runs`. SQLAlchemy would compile statements
# made of tables anew for every store, and that took a quarter of a small run's time. An INSERT leaves rows that are
# there already as they are, so the first writer wins.
_MARK = sql.text("INSERT INTO meta (name, value) VALUES ('version', :version) ON CONFLICT DO NOTHING")
_MARKED = sql.text("SELECT value FROM meta WHERE name = 'version'")
# Any number will do that no other program locks in this database; all processes of ours take this one.
_ALONE = sql.text("SELECT pg_advisory_xact_lock(7073)")
_CREATE: dict[str, list[str]] = {}
"""The statements that make the tables, by the name of the dialect."""


# What takes or gives many values goes to the driver as it is. SQLAlchemy's own work on them was a quarter of the time
# that reading replies took, and nearly half of what a journal took. `{mark}` stands for a value.


def among(connection: sql.Connection, query: str, values: Sequence[object]) -> list[tuple[Any, Any]]:
    """The rows, of two columns, of `query`, in which `{values}` stands for as many values."""
    marks = ", ".join([_mark_of(connection)] * len(values))
    return [(row[0], row[1]) for row in connection.exec_driver_sql(query.format(values=marks), tuple(values))]


def each_of(connection: sql.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """How many rows of the store `statement` changed, run once for each of `rows`, of which there is one at least."""
    return connection.exec_driver_sql(statement.format(mark=_mark_of(connection)), list(rows)).rowcount


def _mark_of(connection: sql.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


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
        detail = next(iter(said.splitlines()), "")
        raise StoreError(f"store {where}: {_advice(where, detail)}") from cause


def _advice(where: str, detail: str) -> str:
    """What to do about an error of the driver."""
    told = next((said for sign, said in _SERVER.items() if sign in detail), None)
    if told is not None:
        return f"{told} ({detail})"
    foreign = ("no such column", "no such table", "has no column")
    signs = ("malformed", "not a database", "Could not decode", "unsupported file format", *foreign)
    if any(sign in detail for sign in signs):
        return _DAMAGED
    if "unable to open" in detail and Path(where).is_dir():
        return f"it is a folder, and a store is a file; name one in it, such as {Path(where) / 'store.db'}"
    if "readonly" in detail or "unable to open" in detail or "permission" in detail.lower():
        return "it cannot be written: set PROMPTOPT_HOME to a folder that you can write to"
    if "locked" in detail:
        return "another process holds it: wait for that one to end, then run the same command again"
    if "is full" in detail or "No space" in detail or "disk I/O error" in detail:
        # SQLite says the same of a file whose header counts pages that are not there.
        if _is_damaged(where):
            return _DAMAGED
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

_DAMAGED = (
    "the file is damaged or not a store: move it away (or repair a copy of it, with `sqlite3 FILE .recover`), or set "
    "PROMPTOPT_HOME to another folder"
)


_IN_MEMORY = (
    "a store cannot be in memory, for a run writes to it from several threads; name a file in a temporary folder"
)


def _is_damaged(where: str) -> bool:
    """Whether SQLite's own check finds the file unsound."""
    try:
        with closing(sqlite3.connect(Path(where).absolute().as_uri() + "?mode=ro", uri=True)) as connection:
            return connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.DatabaseError as cause:
        return "malformed" in str(cause) or "not a database" in str(cause)


def _is_in_memory(url: sql.URL) -> bool:
    file = url.database
    return not file or file.removeprefix("file:").startswith(":memory:") or url.query.get("mode") == "memory"


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
            raise StoreError(f"store: {str(cause).splitlines()[0]}; correct the URL") from cause
        if url.get_backend_name() == "sqlite" and _is_in_memory(url):
            raise StoreError(_IN_MEMORY)
        return url
    if location is not None and (not str(location).strip() or not str(location).isprintable()):
        raise StoreError(f"a store cannot be called {str(location)!r}; give a file, or an SQLAlchemy URL")
    if isinstance(location, str) and location.startswith((":memory:", "file:")):
        raise StoreError(
            _IN_MEMORY if ":memory:" in location else f"store {location}: give the file without 'file:' before it"
        )
    # Made of its parts: in the text of a URL, `?` and `%41` would mean something.
    return sql.URL.create("sqlite", database=str(home() / "store.db" if location is None else location))


def is_there(location: str | Path | None = None) -> bool:
    """Whether the store's file is there, which opening it would make; a server's store always is (`url_of`)."""
    url = url_of(location)
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


def shown(url: sql.URL) -> str:
    """A store's address for people: its file, or its URL without the password."""
    is_file = url.get_backend_name() == "sqlite" and url.database and not url.query
    return str(url.database) if is_file else url.render_as_string(hide_password=True)


def open_engine(location: str | Path | None) -> sql.Engine:
    """Open the store, making its folder and tables where they are missing.

    `location`: an SQLAlchemy URL, a file, or None for `store.db` in `home()`.
    Raises StoreError for a folder that cannot be written, a damaged file, or a store of a newer version.
    """
    url = url_of(location)
    where = shown(url)
    if url.drivername == "sqlite" and url.database and not url.query:
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
        engine = sql.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (SQLAlchemyError, ModuleNotFoundError) as cause:
        extra = ' (pip install "promptopt-engine[postgres]")' if url.drivername == "postgresql+psycopg" else ""
        raise StoreError(f"store {where}: {cause}; install its driver{extra}, or correct the URL") from cause
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    with sentences(where):
        found = _prepared(engine)
    if found != str(VERSION):
        engine.dispose()
        if not found.isdecimal() or int(found) < VERSION:
            what = _DAMAGED if engine.dialect.name == "sqlite" else "its tables are of no version that was ever written"
            raise StoreError(f"store {where}: {what} (it says that its version is {found!r})")
        raise StoreError(
            f"store {where} was written by a newer promptopt (store version {found}, this one knows {VERSION}): "
            f"upgrade promptopt, or set PROMPTOPT_HOME to another folder"
        )
    return engine


def _prepared(engine: sql.Engine, tries: int = 40) -> str:
    """Make what is missing, and return the version of the store.

    Processes that open a new store at the same moment meet here. SQLite does not wait for the change to WAL, however
    long its time-out. So a locked store is tried again, for two seconds in all.
    """
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # It makes tables that are missing one at a time; two that make the same one fail.
                connection.execute(_ALONE)
            for statement in _creation(engine):
                connection.exec_driver_sql(statement)
            # An older store keeps the number it has, since a row that is there is left alone.
            connection.execute(_MARK, {"version": str(VERSION)})
            return str(connection.execute(_MARKED).scalar_one())
    except OperationalError as busy:
        if tries == 0 or "locked" not in str(busy.orig):
            raise
    time.sleep(0.05)
    return _prepared(engine, tries - 1)


def _creation(engine: sql.Engine) -> list[str]:
    kind = engine.dialect.name
    if kind not in _CREATE:
        made: list[CreateTable | CreateIndex] = []
        for table in (*METADATA.sorted_tables, *([CLAIMS[kind]] if kind in CLAIMS else [])):
            made.append(CreateTable(table, if_not_exists=True))
            made += [CreateIndex(index, if_not_exists=True) for index in table.indexes]
        _CREATE[kind] = [str(each.compile(engine)) for each in made]
    return _CREATE[kind]


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL with NORMAL survives kill -9 at any moment; only a power cut can lose the last commits.
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
