"""The store: first writer wins, nothing is lost, and every failure is a sentence."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sql

from promptopt.errors import ConfigError, ReplayDiverged, StoreError
from promptopt.places import home
from promptopt.store import cache as cache_module
from promptopt.store.cache import Cache
from promptopt.store.call_keys import call_key
from promptopt.store.copies import copy_runs
from promptopt.store.database import open_database
from promptopt.store.runs import Store
from promptopt.store.tables import META
from promptopt.types import canonical


def test_first_writer_wins(location: str) -> None:
    key = call_key("model", '{"content":"a"}', "greedy")
    with Store(location) as one, Store(location) as two:
        one.cache.put(key, "model", "{}", '"first"')
        one.cache.flush()
        two.cache.put(key, "model", "{}", '"second"')
        two.cache.flush()
        assert two.cache.get([key]) == {key: '"first"'}


def test_keys_tell_models_requests_and_draws_apart() -> None:
    keys = {call_key(model, request, draw) for model in "ab" for request in "cd" for draw in "ef"}
    assert len(keys) == 8
    assert call_key("a", "\ud800", "c")  # a lone surrogate in data must not stop a run


def test_many_threads_and_two_stores_lose_nothing(location: str) -> None:
    with Store(location) as one, Store(location) as two:

        def write(store: Store, start: int) -> None:
            for number in range(start, start + 200):
                store.cache.put(call_key("m", str(number), "greedy"), "m", str(number), str(number))

        threads = [
            threading.Thread(target=write, args=(store, 100 * i)) for i, store in enumerate([one, two, one, two])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        one.cache.flush()
        two.cache.flush()
        keys = [call_key("m", str(number), "greedy") for number in range(500)]
        assert len(one.cache.get(keys)) == 500


def test_one_commit_writes_its_keys_in_one_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    # Two stores that commit the same keys in two orders block each other in PostgreSQL.
    with Store(tmp_path / "s.db") as store:
        with store.cache._changed:
            for key in (b"c", b"a", b"b", b"a"):
                store.cache.put(key, "m", "q", "1")
        store.cache.flush()
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as raw:
        assert [key for (key,) in raw.execute("select key from calls order by rowid")] == [b"a", b"b", b"c"]


def test_what_was_flushed_survives_kill_9(location: str) -> None:
    program = (
        "import sys, os; from promptopt.store.runs import Store; from promptopt.store.call_keys import call_key\n"
        "store = Store(sys.argv[1])\n"
        "store.cache.put(call_key('m', 'q', 'greedy'), 'm', 'q', '1'); store.cache.flush(); os._exit(137)"
    )
    done = subprocess.run([sys.executable, "-c", program, location], check=False)
    assert done.returncode == 137
    with Store(location) as store:
        assert store.cache.get([call_key("m", "q", "greedy")])


def test_a_reply_is_safe_soon_after_it_came_without_a_flush(location: str) -> None:
    with Store(location) as one, Store(location) as two:
        key = call_key("m", "q", "greedy")
        one.cache.put(key, "m", "q", "1")
        for _ in range(6_000):
            if two.cache.get([key]):
                return
            threading.Event().wait(0.01)
        pytest.fail("a minute after it was handed over, the reply is not in the file")


def test_read_only_home_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a file, not a folder"
    file.write_text("x")
    monkeypatch.setenv("PROMPTOPT_HOME", str(file / "below"))
    with pytest.raises(StoreError, match="PROMPTOPT_HOME"):
        Store()
    assert home() == file / "below"


def test_a_folder_is_no_store_and_a_file_in_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"it is a folder, and a store is a file; name one in it, such as .*store\.db"):
        Store(tmp_path)


def test_store_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    Store(tmp_path / "store.db").close()
    database = sql.create_engine(f"sqlite:///file:{tmp_path}/store.db?mode=ro&uri=true")
    cache = Cache(database, "store.db")
    cache.put(b"k" * 32, "m", "q", "1")
    with pytest.raises(StoreError, match="cannot be written: set PROMPTOPT_HOME"):
        cache.flush()
    database.dispose()


def test_full_disk_is_one_sentence_and_keeps_what_was_stored(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    key = call_key("m", "q", "greedy")
    store.cache.put(key, "m", "q", "1")
    store.cache.flush()

    @sql.event.listens_for(store.database, "before_cursor_execute")
    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            raise sqlite3.OperationalError("database or disk is full")

    store.cache.put(call_key("m", "other", "greedy"), "m", "other", "2")
    with pytest.raises(StoreError, match="the disk is full: free some space and run the same command again"):
        store.cache.flush()
    sql.event.remove(store.database, "before_cursor_execute", fail)
    assert store.cache.get([key]) == {key: "1"}
    store.close()
    # What could not be written then is paid for, and written where there is room by the end.
    with Store(tmp_path / "store.db") as later:
        assert later.cache.get([call_key("m", "other", "greedy")]) == {call_key("m", "other", "greedy"): "2"}


@pytest.mark.parametrize("said", ["database is locked", "disk I/O error"])
def test_replies_of_a_write_that_failed_are_written_with_the_next(tmp_path: Path, said: str) -> None:
    failing = True

    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if failing and statement.startswith("INSERT"):
            raise sqlite3.OperationalError(said)

    with Store(tmp_path / "store.db") as store:
        sql.event.listen(store.database, "before_cursor_execute", fail)
        keys = [call_key("m", str(number), "greedy") for number in range(4)]
        for key in keys[:2]:
            store.cache.put(key, "m", "q", "1")
            with pytest.raises(StoreError):
                store.cache.flush()
        failing = False
        store.cache.put(keys[2], "m", "q", "1")
        store.cache.flush()
        assert store.cache.get(keys).keys() == set(keys[:3])
        failing = True
        store.cache.put(keys[3], "m", "q", "1")
        with pytest.raises(StoreError):
            store.cache.flush()
    # Told already: a store that closes with nothing new to lose raises nothing.
    with Store(tmp_path / "store.db") as store:
        assert store.cache.get(keys).keys() == set(keys[:3])


def test_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database at all, but long enough to be taken for one" * 100)
    with pytest.raises(StoreError, match="damaged or not a store"):
        Store(tmp_path / "store.db")


def test_newer_store_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "store.db").close()
    database = open_database(tmp_path / "store.db")
    with database.begin() as connection:
        connection.execute(sql.update(META).values(value="99"))
    database.dispose()
    with pytest.raises(StoreError, match=r"newer promptopt \(store version 99"):
        Store(tmp_path / "store.db")


def test_passwords_in_urls_are_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)


def test_journal_checks_a_replay(location: str) -> None:
    keys = [bytes([n]) * 32 for n in range(5)]
    asked = [f"request {n}" for n in range(5)]
    with Store(location) as store:
        for key, text in zip(keys, asked, strict=True):
            store.cache.put(key, "m", text, "1")
        store.cache.flush()
        first = store.journal("run")
        first.follow(keys[:3], store.cache.request, asked[:3])
        again = store.journal("run")
        assert again.recorded == 3
        again.follow(keys[:2], store.cache.request, asked[:2])
        again.follow(keys[2:], store.cache.request, asked[2:])
        assert store.journal("run").recorded == 5
        third = store.journal("run")
        with pytest.raises(ReplayDiverged) as caught:
            third.follow([keys[0], keys[4]], store.cache.request, ["request 0", "request 4"])
        assert "request 1" in str(caught.value)
        assert "request 4" in str(caught.value)
        assert caught.value.position == 1


def test_collect_keeps_what_a_run_needs(location: str) -> None:
    with Store(location) as store:
        keys = [bytes([n]) * 32 for n in range(3)]
        for key in keys:
            store.cache.put(key, "m", "q", "1")
        store.cache.flush()
        store.begin("kept", fingerprint={}, config={})
        store.journal("kept").follow(keys[:1], store.cache.request, ["q"])
        store.final_journal("kept").follow(keys[1:2], store.cache.request, ["q"])
        assert store.collect() == 1
        assert sorted(store.cache.get(keys)) == keys[:2]
        store.delete("kept")
        assert store.collect() == 2
        assert store.runs() == []


def test_runs_are_found_by_the_beginning_of_their_id(location: str) -> None:
    with Store(location) as store:
        for name in ("abc1", "abd2"):
            store.begin(name, fingerprint={"seed": 1}, config={"task": "t"})
        store.end("abc1", status="finished", result={"verdict": "better"})
        assert store.find("abc").status == "finished"
        assert store.find("abc").result == {"verdict": "better"}
        assert [run.id for run in store.runs()] == ["abc1", "abd2"]  # the newest first, by when it last changed
        store.end("abd2", status="finished", result={})
        assert [run.id for run in store.runs()] == ["abd2", "abc1"]
        with pytest.raises(ConfigError, match="more than one run"):
            store.find("ab")
        with pytest.raises(ConfigError, match="no run"):
            store.find("zzz")


@pytest.mark.slow
def test_many_processes_open_a_new_store_at_once(location: str) -> None:
    program = "import sys; from promptopt.store.runs import Store; Store(sys.argv[1]).close()"
    command = [sys.executable, "-c", program, location]
    opening = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in opening:
        assert process.communicate()[1] == ""


HALF = "half an emoji \ud83d, a whole one 😀, the other half \ude00"


def test_half_an_emoji_is_stored_and_read_back(location: str) -> None:
    with Store(location) as store:
        key = call_key("m", HALF, "greedy")
        store.cache.put(key, f"m {HALF}", canonical({"content": HALF}), canonical({"text": HALF}))
        store.cache.flush()
        assert json.loads(store.cache.get([key])[key]) == {"text": HALF}
        assert json.loads(store.cache.request(key) or "") == {"content": HALF}
        store.begin("run", fingerprint={"task": HALF}, config={"model": HALF})
        store.end("run", status="suspended", result={"reason": HALF})
        found = store.find("run")
        assert (found.fingerprint, found.config, found.result) == (
            {"task": HALF}, {"model": HALF}, {"reason": HALF},
        )  # fmt: skip


class Killed(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), Killed("killed"), SystemExit(1), KeyError("x")])
@pytest.mark.timeout(20)
def test_any_failure_of_the_writing_thread_is_a_sentence_and_nothing_waits(
    tmp_path: Path, error: BaseException
) -> None:
    store, before = Store(tmp_path / "store.db"), threading.active_count()

    @sql.event.listens_for(store.database, "before_cursor_execute")
    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            raise error

    for ending in (store.cache.flush, store.close):
        store.cache.put(call_key("m", "q", "greedy"), "m", "q", "1")
        with pytest.raises(StoreError, match=r"could not be written.*run the same command again"):
            ending()
    assert threading.active_count() == before


@pytest.mark.timeout(20)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writing_thread_that_is_gone_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "LOOK_S", 0.01)

    def gone(cache: Cache) -> None:
        """Ends at once, as a thread does that a fork left behind."""

    monkeypatch.setattr(Cache, "_write", gone)
    store = Store(tmp_path / "store.db")
    store.cache.put(call_key("m", "q", "greedy"), "m", "q", "1")
    with pytest.raises(StoreError, match="has ended"):
        store.cache.flush()
    monkeypatch.undo()
    store.cache.put(call_key("m", "q", "greedy"), "m", "q", "1")
    store.cache.flush()
    assert store.cache.get([call_key("m", "q", "greedy")])
    store.close()


@pytest.mark.parametrize(
    "location",
    [
        ":memory:",
        "sqlite://",
        "sqlite:///:memory:",
        "file::memory:?cache=shared",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_a_store_in_memory_is_refused(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="name a file in a temporary folder"):
        Store(location)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("location", [" ", "a\0b", "a\nb", "file:x.db"])
def test_a_name_that_no_store_has_is_refused(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="give "):
        Store(location)
    assert not list(tmp_path.iterdir())


def test_a_file_may_be_called_after_memory(tmp_path: Path) -> None:
    for location in (tmp_path / "memory" / "memory.db", f"sqlite:///{tmp_path}/memory.db"):
        with Store(location) as store:
            assert store.runs() == []


@pytest.mark.parametrize("clock", [[3e9, 2e9, 1e9], [1e9, 3e9, 2e9], [5.0, 5.0, 5.0]], ids=["back", "leap", "stopped"])
def test_runs_are_in_the_order_they_were_written_in_whatever_the_clock_says(
    clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [*clock, 0.5, 0.4, 0.3]
    # The module's clock alone: others read the process's.
    monkeypatch.setattr("promptopt.store.runs.time", SimpleNamespace(time=lambda: times.pop(0)))
    with Store(tmp_path / "store.db") as store:
        for name in "cab":
            store.begin(name, fingerprint={}, config={})
        assert [run.id for run in store.runs()] == ["b", "a", "c"]
        store.end("c", status="finished", result={})
        store.begin("a", fingerprint={}, config={})
        assert [run.id for run in store.runs()] == ["c", "b", "a"]
        assert {run.id: run.updated for run in store.runs()}["c"] == 0.5
        store.mark("a", "failed")
        store.delete("c")
        assert [run.id for run in store.runs()] == ["a", "b"]
        with Store(tmp_path / "copy.db") as copy:
            copy_runs(store, copy, ["b", "a"])
            assert [run.id for run in copy.runs()] == ["a", "b"]


def test_runs_of_before_their_order_was_kept_come_last_by_the_clock(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        for name in "ab":
            store.begin(name, fingerprint={}, config={})
        with store.database.begin() as connection:
            connection.exec_driver_sql("DROP TABLE run_order")
    with Store(tmp_path / "store.db") as store:
        assert [run.id for run in store.runs()] == ["b", "a"]
        store.begin("c", fingerprint={}, config={})
        assert [run.id for run in store.runs()] == ["c", "b", "a"]
