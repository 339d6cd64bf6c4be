"""Where the tests of the store keep one: in a file, and in a schema of its own on a PostgreSQL server."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sql

from tests.store.servers import postgres, programs

NUMBERS = count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("needs the extra `postgres`")
    if programs() is None:
        pytest.skip("needs Debian's package postgresql")
    with postgres() as url:
        yield url


@pytest.fixture
def schema(server: str) -> str:
    """The URL of an empty schema."""
    name = f"s{next(NUMBERS)}"
    database = sql.create_engine(server)
    with database.begin() as connection:
        connection.execute(sql.text(f"CREATE SCHEMA {name}"))
    database.dispose()
    return f"{server}?options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a store, of either kind."""
    return str(tmp_path / "store.db") if request.param == "sqlite" else request.getfixturevalue("schema")
