"""What can be opened, by which name, and what is refused in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError
from tests.models.hf.asking import asked, home, scored, tiny, values
from tests.models.hf.tiny_transformers import TEMPLATE

import torch  # isort: skip  # after the helpers, which skip where there is none

from promptopt.models.transformers.model import Transformers  # isort: skip


pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread_and_no_leavings")]


def test_the_name_changes_with_the_files_the_dtype_and_the_way(tmp_path: Path) -> None:
    name = tiny().name
    assert name.startswith("hf/tiny@")
    assert ":float32:" in name
    assert Transformers(str(home() / "tiny"), device="cpu", dtype="bfloat16").name == name.replace(
        "float32", "bfloat16"
    )
    changed = shutil.copytree(home() / "tiny", tmp_path / "tiny")
    (changed / "chat_template.jinja").write_text(TEMPLATE + " ", "utf-8")
    assert Transformers(str(changed), device="cpu").name != name


def test_half_precision_scores() -> None:
    half = Transformers(str(home() / "tiny"), device="cpu", dtype="bfloat16")
    assert values(scored(half, asked("green"))) == pytest.approx(values(scored(tiny(), asked("green"))), abs=1.0)


def test_a_closed_model_opens_again() -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    before = values(scored(model, asked("green")))
    model.close()
    assert model._loaded is None
    assert values(scored(model, asked("green"))) == before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "is neither a folder nor a GGUF file"),
        ("/no/such/folder", "is neither a folder nor a GGUF file"),
        ("~/nothing.gguf", "is neither a folder nor a GGUF file"),
    ],
)
def test_a_model_that_is_not_here(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Transformers(spec)


def test_a_hub_name_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(name: str, **_: Any) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find the requested files.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ConfigError, match="'hf/no-such/model' is not on this machine and cannot be fetched"):
        Transformers("no-such/model")


def test_a_hub_name_is_fetched_once_and_found_afterwards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    tiny()
    folder, fetched = tmp_path / "snapshot", list[list[str]]()

    def download(name: str, *, local_files_only: bool = False, **settings: Any) -> str:
        if local_files_only and not fetched:
            raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find the requested files.")
        if not local_files_only:
            fetched.append(settings["allow_patterns"])
            shutil.copytree(home() / "tiny", folder)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    first, second = (Transformers("some-one/tiny-model", device="cpu") for _ in range(2))
    assert len(fetched) == 1
    assert "*.safetensors" in fetched[0]
    assert first.name == second.name
    assert first.name.startswith("hf/some-one/tiny-model@")


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        Transformers(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    with pytest.raises(ConfigError, match="has no safetensors weights"):
        Transformers(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text('{"model_type": "no-such-kind"}', "utf-8")
    with pytest.raises(ConfigError, match="transformers cannot load the model"):
        Transformers(str(tmp_path))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny()
    folder = shutil.copytree(home() / "tiny", tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"has no weights for 'lm_head\.weight' \(1 missing\)"):
        scored(Transformers(str(folder), device="cpu"), asked("green"))


def test_weights_are_no_model_file(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    with pytest.raises(ConfigError, match="name the folder that holds"):
        Transformers(str(file))


@pytest.mark.parametrize(("settings", "message"), [({"dtype": "int8"}, "'int8'"), ({"device": "cuda:7"}, "no GPU")])
def test_settings_that_cannot_be(settings: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    tiny()
    with pytest.raises(ConfigError, match=message):
        Transformers(str(home() / "tiny"), **settings)  # type: ignore[arg-type]


def test_a_causal_model_has_no_mask() -> None:
    tiny()
    with pytest.raises(ConfigError, match="has no mask token"):
        Transformers(str(home() / "tiny"), masked=True)


def test_on_a_gpu_the_checkpoints_own_dtype_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    tiny()
    folder = shutil.copytree(home() / "tiny", tmp_path / "half")
    text = (folder / "config.json").read_text("utf-8")
    (folder / "config.json").write_text(text.replace('"float32"', '"bfloat16"'), "utf-8")
    assert ":bfloat16:" in Transformers(str(folder)).name
    assert ":float32:" in Transformers(str(folder), device="cpu").name
