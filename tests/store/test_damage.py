"""Stores and homes that are damaged, oddly named or unwritable: one sentence each, and nothing else is lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, ReplayDiverged, StoreError
from promptopt.run.stored_replies import stored_replies
from promptopt.store.copies import copy_runs
from promptopt.store.runs import Store


def spoil(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("column", ["config", "fingerprint", "result", "created", "updated"])
@pytest.mark.parametrize("value", ["{", "[]", "3", b"\xff\xfe", "[" * 100_000])
def test_one_damaged_run_hides_no_other_and_can_be_begun_again(tmp_path: Path, column: str, value: object) -> None:
    with Store(tmp_path / "store.db") as store:
        for name in ("bad", "good"):
            store.begin(name, fingerprint={"seed": 1}, config={"task": "t"})
            store.end(name, status="finished", result={"verdict": "better"})
        spoil(tmp_path / "store.db", f"UPDATE runs SET {column} = ? WHERE id = 'bad'", value)
        if (column, value) in (("created", "3"), ("updated", "3")):
            return  # a number after all
        assert {record.id: record.status for record in store.runs()} == {"bad": "damaged", "good": "finished"}
        assert store.find("ba").config == {}
        store.begin("bad", fingerprint={"seed": 1}, config={"task": "t"})
        assert store.find("bad").status == "running"
        store.delete("bad")
        assert [record.id for record in store.runs()] == ["good"]


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_no_name_is_the_name_of_no_run(tmp_path: Path, name: str) -> None:
    with Store(tmp_path / "store.db") as store:
        store.begin("only", fingerprint={}, config={})
        with pytest.raises(ConfigError, match="which run"):
            store.find(name)


@pytest.mark.parametrize("folder", ["a?b", "a%41", "a#b", "a b", "x://y", "ü", "a;b&c=d"])
def test_a_home_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / folder))
    with Store() as store:
        assert store.where == str(tmp_path / folder / "store.db")
    assert (tmp_path / folder / "store.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [Path(folder).parts[0]]


def test_a_home_of_no_user_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", "~nobody-of-that-name/x")
    with pytest.raises(ConfigError, match="there is no such user"):
        Store()


def begun(path: Path) -> str:
    """What the error says, in a word, when a run is begun in that store; nothing where it begins."""
    try:
        with Store(path) as store:
            store.begin("run", fingerprint={}, config={})
    except StoreError as error:
        return next(word for word in ("damaged", "cannot be written", str(error)) if word in str(error))
    return ""


@pytest.mark.slow
def test_a_store_whose_header_is_damaged_is_not_called_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store(path).close()
    whole, said = path.read_bytes(), list[str]()
    for offset in range(100):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x81]) + whole[offset + 1 :])
        said.append(begun(path))
    assert set(said) <= {"", "damaged", "cannot be written"}
    assert said.count("damaged") > 20


WITH_USD = '{"text":"x","finish":"stop","usage":[1,2],"tokens":[],"served":"m","paid_usd":%s}'


@pytest.mark.parametrize(
    "reply",
    [
        *("{", "", "[]", '{"usage": [1]}', b"\xff\xff"),
        *(WITH_USD % -1, WITH_USD % "NaN", WITH_USD % '"x"'),
        *(WITH_USD % f'0.1,"refused":{price}' for price in ("[1]", "[1,-2]", "[1,NaN]", '"ab"', "false", "{}")),
        WITH_USD.replace("[1,2]", "[-1,2]") % 0.1,
        *(WITH_USD.replace('"tokens":[]', f'"tokens":{tokens}') % 0.1 for tokens in ("null", "7", "[1]", '["ab"]')),
        *(WITH_USD.replace('"tokens":[],', "") % 0.1, WITH_USD % '0.1,"calls":7', WITH_USD % '0.1,"calls":[[]]'),
    ],
)
def test_a_damaged_reply_is_forgotten_alone(tmp_path: Path, reply: object) -> None:
    whole = '{"text":"x","finish":"stop","usage":[1,2],"tokens":[],"served":"m"}'
    keys = [bytes([number]) * 32 for number in range(5)]
    warned: list[str] = []
    with Store(tmp_path / "store.db") as store:
        for key in keys:
            store.cache.put(key, "m", "q", whole)
        store.cache.flush()
        spoil(tmp_path / "store.db", "UPDATE calls SET reply = CAST(? AS TEXT) WHERE key = ?", reply, keys[2])
        assert list(stored_replies(store.cache, keys, warned.append)) == [*keys[:2], *keys[3:]]
        assert warned == ["1 stored reply is damaged and asked for again; what the model says now may differ"]
        assert len(stored_replies(store.cache, keys, warned.append)) == 4
        store.cache.put(keys[2], "m", "q", whole)
        store.cache.flush()
        assert len(stored_replies(store.cache, keys, warned.append)) == 5


def test_a_run_is_held_by_one_at_a_time_and_let_go(tmp_path: Path) -> None:
    asked: list[str] = []

    def impatient() -> None:
        asked.append("waiting")
        raise StoreError("no longer")

    with Store(tmp_path / "store.db") as one, Store(tmp_path / "store.db") as two:
        with one.alone("run", impatient), two.alone("other", impatient):
            assert not asked
            with pytest.raises(StoreError, match="no longer"), two.alone("run", impatient):
                pytest.fail("two at one run")
        with two.alone("run", impatient):
            assert asked == ["waiting"]
    assert not list(tmp_path.glob("*.lock"))


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **settings: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    told = r"store\.db\.run\.lock cannot be locked \(No locks available\), so two processes .* by PROMPTOPT_HOME"
    with Store(tmp_path / "store.db") as store, pytest.raises(StoreError, match=told), store.alone("run", print):
        pytest.fail("nothing holds it")


@pytest.mark.parametrize("version", ["9" * 5000, "\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT TWO}", "01", "1.0"])
def test_a_version_that_is_no_number_is_damage(tmp_path: Path, version: str) -> None:
    path = tmp_path / "store.db"
    Store(path).close()
    spoil(path, "UPDATE meta SET value = ?", version)
    with pytest.raises(StoreError, match="the file is damaged or not a store") as raised:
        Store(path)
    assert len(str(raised.value)) < 500


def test_a_run_whose_name_is_no_text_hides_no_other(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        for name in ("bad", "good"):
            store.begin(name, fingerprint={}, config={})
        spoil(tmp_path / "store.db", "UPDATE runs SET id = CAST(? AS TEXT) WHERE id = 'bad'", b"\xff\xfe")
        assert {record.id: record.status for record in store.runs()} == {"\ufffd\ufffd": "damaged", "good": "running"}
        assert store.find("go").id == "good"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_store_that_is_no_file_is_a_sentence(tmp_path: Path, kind: str) -> None:
    """SQLite waited for ever for what the pipe would bring, and called the device a full disk."""
    path = tmp_path / "store.db"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(os.devnull)
    with pytest.raises(StoreError, match="it is a pipe, a socket or a device, and a store is a file"):
        Store(path)


def test_looks_that_were_lost_still_count_by_their_examples(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        for number in range(3):
            store.looks.enter(f"shown {number}", ["a", "b"])
        spoil(tmp_path / "store.db", "DELETE FROM looks")
        assert store.looks.enter("shown later", ["b", "c"]).earlier == 3


def test_a_look_that_cannot_be_entered_says_why(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.looks.enter("shown", ["a"])
        spoil(tmp_path / "store.db", "UPDATE looks SET number = 9223372036854775807")
        with pytest.raises(StoreError, match=r"could not be entered in \d+ tries \(datatype mismatch\).*is damaged"):
            store.looks.enter("another", ["a"])


def test_a_look_of_another_kind_counts_as_an_earlier_one(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.looks.enter("shown", ["a", "b"])
        spoil(tmp_path / "store.db", "UPDATE looked_at SET look = 'x' WHERE example = 'b'")
        assert store.looks.enter("shown", ["a", "b"]).earlier == 1
        # A look without its examples is copied as well.
        with Store(tmp_path / "copy.db") as copy:
            spoil(tmp_path / "store.db", "DELETE FROM looked_at")
            copy.looks.copy_from(store.looks)
            assert copy.looks.entered("shown")


def test_journal_keys_of_another_kind_are_a_replay_that_diverged(tmp_path: Path) -> None:
    path, key = tmp_path / "store.db", b"k" * 32
    with Store(path) as store, Store(tmp_path / "copy.db") as copy:
        store.begin("run", fingerprint={}, config={})
        store.journal("run").follow([key], store.cache.request, ["asked"])
        spoil(path, "UPDATE journal SET key = 'text'")
        copy_runs(store, copy, ["run"])
        with pytest.raises(ReplayDiverged):
            store.journal("run").follow([key], store.cache.request, ["asked"])


def test_a_copy_names_the_store_that_is_damaged(tmp_path: Path) -> None:
    path, key = tmp_path / "store.db", b"k" * 32
    with Store(path) as store, Store(tmp_path / "copy.db") as copy:
        store.begin("run", fingerprint={}, config={})
        store.journal("run").follow([key], store.cache.request, ["asked"])
        store.cache.put(key, "m", "q", "{}")
        store.cache.flush()
        spoil(path, "UPDATE calls SET model = CAST(? AS TEXT)", b"\xff\xfe")
        with pytest.raises(StoreError, match=r"store\.db: the file is damaged"):
            copy_runs(store, copy, ["run"])


@pytest.mark.parametrize("name", ["CAST(? AS TEXT)", "?"])
def test_a_damaged_name_of_a_model_hides_no_other(tmp_path: Path, name: str) -> None:
    path = tmp_path / "store.db"
    with Store(path) as store:
        for at in range(3):
            store.cache.put(bytes([at]) * 32, "m", "q", "{}")
        store.cache.flush()
        spoil(path, f"UPDATE calls SET model = {name} WHERE key = ?", b"\xff\xfe", b"\x01" * 32)
        assert list(store.cache.calls_by_model()) == [("m", 2, 6), ("\ufffd\ufffd", 1, 3)]
