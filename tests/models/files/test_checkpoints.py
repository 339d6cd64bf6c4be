"""What counts as a checkpoint, found out without transformers."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.errors import ConfigError
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
