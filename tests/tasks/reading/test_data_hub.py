from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from promptopt.errors import DataError
from promptopt.tasks.reading import hub
from tests.ends import ends

BODY = b"text\nhello\n" * 9_000
RELEASED = threading.Event()


class Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/hang":
            RELEASED.wait(600)
            return
        self.send_response(404 if self.path == "/missing" else 200)
        if self.path == "/cut":
            self.send_header("Content-Length", str(2 * len(BODY)))
        if self.path == "/unsaid":
            self.send_header("Content-Length", "many")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    RELEASED.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    RELEASED.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PROMPTOPT_DATA_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_TIMEOUT_S", 0.3)


def leftovers(home: Path) -> list[str]:
    return [path.name for path in home.rglob("*") if path.is_file()]


def test_a_fetched_file_is_kept(address: str, home: Path) -> None:
    path = hub.hub_files("set/a.csv", f"{address}/a.csv")
    assert path == home / "data" / "set" / "a.csv"
    assert path.read_bytes() == BODY
    assert leftovers(home) == ["a.csv"]
    assert hub.hub_files("set/a.csv", "http://127.0.0.1:1/never") == path


def test_a_hub_that_gives_no_number_of_bytes_is_read_to_the_end(address: str) -> None:
    assert hub.hub_files("set/a.csv", f"{address}/unsaid").read_bytes() == BODY


def test_the_local_data_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own" / "set"
    own.mkdir(parents=True)
    (own / "a.csv").write_text("mine")
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(tmp_path / "own"))
    assert hub.hub_files("set/a.csv", None) == own / "a.csv"


def test_a_wrong_checksum_leaves_nothing_behind(address: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "checksums", lambda: {"set/a.csv": "0" * 64})
    with pytest.raises(DataError, match=f"sha256 {hashlib.sha256(BODY).hexdigest()[:16]}…, expected 0000000000000000…"):
        hub.hub_files("set/a.csv", f"{address}/a.csv")
    assert leftovers(home) == []


@pytest.mark.parametrize(
    ("path", "message"), [("missing", "answered 404"), ("cut", "broke off after 99000 of 198000 bytes")]
)
def test_a_failing_hub_says_where_to_put_the_file(address: str, home: Path, path: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        hub.hub_files("set/a.csv", f"{address}/{path}")
    assert str(home / "data" / "set" / "a.csv") in str(raised.value)
    assert "PROMPTOPT_DATA_HOME" in str(raised.value)
    assert leftovers(home) == []


@ends
@pytest.mark.usefixtures("impatient")
def test_a_hub_that_stays_mute_is_not_waited_for(address: str, home: Path) -> None:
    with pytest.raises(DataError, match="does not answer") as raised:
        hub.hub_files("set/a.csv", f"{address}/hang")
    assert str(home / "data" / "set" / "a.csv") in str(raised.value)
    assert leftovers(home) == []


@ends
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.csv", "http://no-such-host.invalid/a.csv"])
def test_an_unreachable_hub_is_not_waited_for(url: str) -> None:
    with pytest.raises(DataError, match="does not answer"):
        hub.hub_files("set/a.csv", url)


@ends
@pytest.mark.usefixtures("impatient")
def test_an_address_that_is_never_found_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.socket, "getaddrinfo", lambda *_: RELEASED.wait(600))
    with pytest.raises(DataError, match="its address was not found in time"):
        hub.hub_files("set/a.csv", "http://no-such-host.invalid/a.csv")


@pytest.mark.parametrize("relative", ["../a.csv", "set/../../../a.csv", "/tmp/a.csv"])
def test_a_task_cannot_choose_a_place_outside_the_data_home(address: str, home: Path, relative: str) -> None:
    with pytest.raises(DataError, match="lies outside the data home"):
        hub.hub_files(relative, f"{address}/a.csv")
    assert leftovers(home.parent) == []


def test_a_hub_is_asked_over_the_web_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(BODY)
    with pytest.raises(DataError, match="not of the web"):
        hub.hub_files("set/a.csv", (tmp_path / "a.csv").as_uri())


def test_offline_means_no_fetch(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE forbids fetching"):
        hub.hub_files("set/a.csv", f"{address}/a.csv")


def test_no_source_at_all_is_said(home: Path) -> None:
    with pytest.raises(DataError, match="not on this machine and no hub has it"):
        hub.hub_files("set/a.csv", None)


def test_a_home_that_cannot_be_written_is_said(address: str, home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(DataError, match="set PROMPTOPT_HOME to a folder that can be written to"):
        hub.hub_files("set/a.csv", f"{address}/a.csv")


def test_a_full_disk_is_said(address: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="No space left on device"):
        hub.hub_files("set/a.csv", f"{address}/a.csv")
    assert leftovers(home) == []
