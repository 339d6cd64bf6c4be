"""The tables of a store, and the version that says what is in them."""

from __future__ import annotations

import sqlalchemy as sql

MEMO = "memo"
"""What stands for the model in a row that no model answered: heavy work that a run would rather not do again."""
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
"""The examples of each opening, by digests of their inputs."""
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
