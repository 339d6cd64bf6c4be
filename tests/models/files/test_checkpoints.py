"""What counts as a checkpoint, found out without transformers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from promptopt.errors import ConfigError
from promptopt.models.files import checkpoints
from promptopt.models.files.checkpoints import find_checkpoint


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(ConfigError, match=r"no safetensors weights .*pickled ones \(\.bin\) are not loaded"):
        find_checkpoint(str(tmp_path))


def test_the_fingerprint_changes_with_any_file_that_could_change_a_number(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = find_checkpoint(str(tmp_path)).fingerprint
    assert find_checkpoint(str(tmp_path)).fingerprint == first
    (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    assert find_checkpoint(str(tmp_path)).fingerprint != first


@pytest.mark.parametrize("spec", ["no/such/model/here", "", "model.safetensors"])
def test_what_is_no_model_is_said_at_once(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(ConfigError):
        find_checkpoint(spec)


def adapted(folder: Path, base: str) -> str:
    """The fingerprint of a folder that holds an adapter for `base`."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}), encoding="utf-8")
    return find_checkpoint(str(folder)).fingerprint


@pytest.mark.slow
def test_an_adapter_is_told_apart_by_the_weights_it_stands_on(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}", encoding="utf-8")
    (base / "model.safetensors").write_bytes(b"one")
    first = adapted(tmp_path / "adapter", str(base))
    assert adapted(tmp_path / "adapter", str(base)) == first
    (base / "model.safetensors").write_bytes(b"two")
    assert adapted(tmp_path / "adapter", str(base)) != first
    assert adapted(tmp_path / "adapter", "hub/name") != adapted(tmp_path / "adapter", "hub/other")
    assert adapted(tmp_path / "adapter", str(tmp_path / "adapter"))


@pytest.mark.slow
def test_an_adapter_of_a_name_is_told_apart_by_what_the_hubs_cache_holds_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    missing = adapted(tmp_path / "adapter", "hub/name")

    def cached(name: str, *, local_files_only: bool) -> str:
        assert (name, local_files_only) == ("hub/name", True)
        return str(snapshot)

    hub = SimpleNamespace(snapshot_download=cached)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setattr(checkpoints, "find_spec", lambda name: None)
    without_peft = adapted(tmp_path / "adapter", "hub/name")
    monkeypatch.setattr(checkpoints, "find_spec", lambda name: object())
    assert adapted(tmp_path / "adapter", "hub/name") != without_peft
    known = {missing, adapted(tmp_path / "adapter", "hub/name")}
    for file in ("config.json", "model.safetensors"):
        for content in (b"one", b"two"):
            (snapshot / file).write_bytes(content)
            found = adapted(tmp_path / "adapter", "hub/name")
            assert found not in known
            assert adapted(tmp_path / "adapter", "hub/name") == found
            known.add(found)
    (snapshot / "README.txt").write_text("of no weight", encoding="utf-8")
    assert adapted(tmp_path / "adapter", "hub/name") in known


@pytest.mark.slow
def test_adapters_that_stand_on_each_other_are_followed_once(tmp_path: Path) -> None:
    for folder, base in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / base).mkdir(exist_ok=True)
        with contextlib.suppress(ConfigError):  # until the last of them is there
            adapted(tmp_path / folder, str(tmp_path / base))
    found = {find_checkpoint(str(tmp_path / folder)).fingerprint for folder in "abc"}
    assert len(found) == 3


def test_an_adapter_alone_is_a_sentence(tmp_path: Path) -> None:
    adapted(tmp_path, "hub/name")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"an adapter alone: put the config\.json .*merge_and_unload"):
        find_checkpoint(str(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_an_adapter_of_nothing_is_a_sentence(text: str, tmp_path: Path) -> None:
    adapted(tmp_path, "hub/name")
    (tmp_path / "adapter_config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="does not say which model it is for"):
        find_checkpoint(str(tmp_path))
    adapted(tmp_path, "hub/name")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(ConfigError, match="no safetensors weights; pickled"):
        find_checkpoint(str(tmp_path))


def test_a_split_file_is_told_apart_by_all_of_its_parts(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]
    for part in parts:
        part.write_bytes(b"GGUF" + part.name.encode())
    first = find_checkpoint(str(parts[0])).fingerprint
    parts[2].write_bytes(b"GGUF, but another")
    assert find_checkpoint(str(parts[0])).fingerprint != first
    parts[1].unlink()
    with pytest.raises(ConfigError, match="00002-of-00003"):
        find_checkpoint(str(parts[0]))


def test_one_file_keeps_the_digest_that_older_stores_know_it_by(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF one")
    assert find_checkpoint(str(tmp_path / "m.gguf")).fingerprint == hashlib.sha256(b"GGUF one").hexdigest()[:12]
    (tmp_path / "L.GGUF").write_bytes(b"GGUF one")
    assert find_checkpoint(str(tmp_path / "L.GGUF")).gguf == "L.GGUF"


def test_a_file_that_is_exchanged_under_its_old_time_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF one")
    before, first = file.stat(), find_checkpoint(str(file)).fingerprint
    file.write_bytes(b"GGUF two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find_checkpoint(str(file)).fingerprint != first
