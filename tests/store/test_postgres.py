"""A store on a PostgreSQL server: shared by processes, held by one at a time, and its troubles as sentences."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sql

from promptopt.errors import StoreError
from promptopt.outcome.result import Result
from promptopt.store.copies import copy_runs
from promptopt.store.runs import Store
from promptopt.store.tables import META
from tests.run.planted_run import conduct


def test_a_run_is_kept_replayed_and_copied_as_in_a_file(schema: str, tmp_path: Path) -> None:
    with Store(schema) as store, Store(tmp_path / "s.db") as file:
        first, second, other = conduct(store), conduct(store), conduct(file)
        assert isinstance(first, Result)
        assert isinstance(second, Result)
        assert isinstance(other, Result)
        assert (first.paid.calls, second.paid.calls) == (first.spent.calls, 0)
        for result in (second, other):
            assert (result.run_id, result.prompt, result.spent, result.look) == (
                first.run_id, first.prompt, first.spent, first.look,
            )  # fmt: skip
        copy_runs(store, file, [first.run_id])
        with Store(tmp_path / "copy.db") as copied:
            copy_runs(store, copied, [first.run_id])
            copy_runs(store, copied, [first.run_id])
            replayed = conduct(copied)
            assert isinstance(replayed, Result)
            assert (replayed.paid.calls, replayed.look) == (0, first.look)


def test_one_process_at_a_time_holds_a_run(schema: str) -> None:
    waited: list[float] = []
    with Store(schema) as one, Store(schema) as two:

        def second() -> None:
            with two.alone("run", lambda: waited.append(time.monotonic())):
                waited.append(-1.0)

        with one.alone("run", lambda: pytest.fail("nobody else holds it")), one.alone("other", lambda: None):
            thread = threading.Thread(target=second)
            thread.start()
            while not waited:
                time.sleep(0.01)
            assert waited[0] > 0
        thread.join(10)
        assert waited[-1] == -1.0

        class Stop(Exception):
            pass

        def enough() -> None:
            raise Stop

        with one.alone("run", lambda: None), pytest.raises(Stop), two.alone("run", enough):
            pass
        # What ended the wait let go of nothing that it did not hold, and left nothing behind.
        with two.alone("run", lambda: pytest.fail("nobody else holds it")):
            pass


def test_the_default_store_is_what_the_environment_says(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_STORE", schema)
    with Store() as store:
        assert store.database.dialect.name == "postgresql"
        assert "options" in store.where
    monkeypatch.setenv("PROMPTOPT_STORE", "")
    with Store() as store:
        assert store.database.dialect.name == "sqlite"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("127.0.0.1", "127.0.0.1:1/x?"), "the server cannot be reached: start it"),
        (("/postgres", "/nosuch"), "nosuch"),
        (("tester@", "me:very-secret@"), "me"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_sentence(schema: str, change: tuple[str, str], said: str) -> None:
    url = "postgresql://me:very-secret@127.0.0.1:1/x" if ":1/x" in change[1] else schema.replace(*change, 1)
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert said in str(caught.value)
    assert "very-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("version", "said"), [("99", "written by a newer promptopt"), ("0", "of no version")])
def test_tables_of_another_version_are_refused(schema: str, version: str, said: str) -> None:
    with Store(schema) as store, store.database.begin() as connection:
        connection.execute(sql.update(META).values(value=version))
    with pytest.raises(StoreError, match=said):
        Store(schema)


def test_a_connection_that_the_server_ends_is_a_sentence_and_the_next_one_works(schema: str) -> None:
    with Store(schema) as store:
        store.cache.put(b"k" * 32, "m", "{}", '"a"')
        store.cache.flush()
        with store.database.connect() as connection:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            connection.execute(sql.text(end))
        assert store.cache.get([b"k" * 32]) == {b"k" * 32: '"a"'}


def test_a_server_that_stops_taking_writes_is_a_sentence(schema: str) -> None:
    with Store(schema) as store:
        with store.database.begin() as connection:
            connection.execute(sql.text("DROP TABLE calls"))
        store.cache.put(b"k" * 32, "m", "{}", '"a"')
        with pytest.raises(StoreError, match="calls"):
            store.cache.flush()
