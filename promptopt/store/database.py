"""One SQLite file (or any SQLAlchemy URL): its tables, its version, and its errors as sentences."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
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

JOURNAL = sql.Table(
    "journal",
    METADATA,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("key", sql.LargeBinary(32), nullable=False),
)
"""The ordered call keys of each run: its search (checked on replay) and, apart, its final phase."""

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


# What a run asks of its store is text, here and in `cache`, `journal` and `runs`: SQLAlchemy would compile statements
# made of tables anew for every store, which took a small run a quarter of its time. An INSERT leaves rows already
# there as they are, so the first writer wins.
_MARK = sql.text("INSERT INTO meta (name, value) VALUES ('version', :version) ON CONFLICT DO NOTHING")
_MARKED = sql.text("SELECT value FROM meta WHERE name = 'version'")
_CREATE: dict[str, list[sql.TextClause]] = {}
"""The statements that make the tables, by the name of the dialect."""


@contextmanager
def sentences(where: str) -> Generator[None]:
    """Turn the driver's errors into one sentence each."""
    try:
        yield
    except (UnicodeError, OverflowError) as cause:
        raise StoreError(f"store {where}: it cannot hold what was to be written ({cause})") from cause
    except SQLAlchemyError as cause:
        detail = str(cause.orig) if isinstance(cause, DBAPIError) else str(cause).splitlines()[0]
        if "full" in detail or "No space" in detail:
            advice = "the disk is full: free some space and run the same command again; nothing stored is lost"
        elif "readonly" in detail or "unable to open" in detail or "permission" in detail.lower():
            advice = "it cannot be written: set PROMPTOPT_HOME to a folder that you can write to"
        elif "locked" in detail:
            advice = "another process holds it: wait for that one to end, then run the same command again"
        elif "malformed" in detail or "not a database" in detail:
            advice = "the file is damaged or not a store: move it away, or set PROMPTOPT_HOME to another folder"
        else:
            advice = detail
        raise StoreError(f"store {where}: {advice}") from cause


def open_engine(location: str | Path | None) -> sql.Engine:
    """Open the store, making its folder and tables where they are missing.

    `location`: an SQLAlchemy URL, a file, or None for `store.db` in `home()`.
    Raises StoreError for a folder that cannot be written, a damaged file, or a store of a newer version.
    """
    where = str(location) if location is not None else str(home() / "store.db")
    url = where if "://" in where else f"sqlite:///{where}"
    shown = sql.make_url(url).render_as_string(hide_password=True) if "://" in where else where
    if url.startswith("sqlite:///"):
        try:
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise StoreError(
                f"store {shown}: its folder cannot be made ({cause.strerror}); set PROMPTOPT_HOME to a folder that you "
                f"can write to"
            ) from cause
    try:
        engine = sql.create_engine(url)
    except (SQLAlchemyError, ModuleNotFoundError) as cause:
        raise StoreError(f"store {shown}: {cause}; install its driver, or correct the URL") from cause
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    with sentences(shown):
        found = _prepared(engine)
    if found > VERSION:
        engine.dispose()
        raise StoreError(
            f"store {shown} was written by a newer promptopt (store version {found}, this one knows {VERSION}): "
            f"upgrade promptopt, or set PROMPTOPT_HOME to another folder"
        )
    return engine


def _prepared(engine: sql.Engine, tries: int = 40) -> int:
    """Make what is missing, and return the version of the store.

    Processes that open a new store at the same moment meet here: SQLite does not wait for the change to WAL, however
    long its time-out, so a locked store is tried again, for two seconds in all.
    """
    try:
        with engine.begin() as connection:
            for statement in _creation(engine):
                connection.execute(statement)
            # An older store keeps the number it has, since a row that is there is left alone.
            connection.execute(_MARK, {"version": str(VERSION)})
            return int(connection.execute(_MARKED).scalar_one())
    except OperationalError as busy:
        if tries == 0 or "locked" not in str(busy.orig):
            raise
    time.sleep(0.05)
    return _prepared(engine, tries - 1)


def _creation(engine: sql.Engine) -> list[sql.TextClause]:
    kind = engine.dialect.name
    if kind not in _CREATE:
        made: list[CreateTable | CreateIndex] = []
        for table in METADATA.sorted_tables:
            made.append(CreateTable(table, if_not_exists=True))
            made += [CreateIndex(index, if_not_exists=True) for index in table.indexes]
        _CREATE[kind] = [sql.text(str(each.compile(engine))) for each in made]
    return _CREATE[kind]


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL with NORMAL survives kill -9 at any moment; only a power cut can lose the last commits.
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
