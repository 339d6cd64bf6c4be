from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promptopt import registry
from promptopt.binding.models import Models, open_models
from promptopt.cli.models import app as models_app
from promptopt.errors import ConfigError, UnknownName
from promptopt.models import specs
from promptopt.models.prices import Price, price_of
from promptopt.models.providers import Provider
from promptopt.models.scripted import Scripted
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.specs import check_spec, open_model
from promptopt.protocols import Model
from promptopt.types import Reply, Request

PROVIDERS: dict[str, object] = {"openai": specs.OPENAI, "llamacpp": specs.LLAMACPP, "embedded": specs.EMBEDDED}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry points as pyproject.toml has them, without depending on how the package was installed."""
    monkeypatch.setattr(registry, "names", lambda group: sorted(PROVIDERS))
    monkeypatch.setattr(registry, "load", lambda group, name: PROVIDERS[name])
    monkeypatch.setenv("OPENAI_API_KEY", "none")


def test_openai_takes_the_rest_of_the_name_whole() -> None:
    model = open_model("openai/Qwen/Qwen2.5-7B", base_url="http://localhost:8000/v1")
    assert isinstance(model, OpenAIModel)
    assert (model.name, model.base_url) == (
        "openai/Qwen/Qwen2.5-7B@http://127.0.0.1:8000/v1",
        "http://localhost:8000/v1",
    )


@pytest.mark.parametrize(
    ("spec", "near"), [("opnai/gpt", "openai"), ("embeded", "embedded"), ("anthropc/claude", "anthropic")]
)
def test_a_misspelt_provider_brings_a_suggestion(spec: str, near: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean '{near}'"):
        open_model(spec)


@pytest.mark.parametrize("spec", ["hf/gpt2", "vllm/qwen", "", "/", "gpt-4o-mini", "zzzz/x"])
def test_what_there_is_not_is_unknown(spec: str) -> None:
    with pytest.raises(UnknownName, match="no model provider is named"):
        open_model(spec)


@pytest.mark.parametrize("spec", ["openai", "openai/"])
def test_openai_needs_a_name(spec: str) -> None:
    with pytest.raises(ConfigError, match="name of a model"):
        open_model(spec)


@pytest.mark.parametrize("spec", ["openai", "openai/ ", "anthropic", "gemini/"])
def test_a_provider_alone_is_no_model_before_anything_is_planned(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"/ needs the name of a model, as in '"):
        check_spec(spec)


@pytest.mark.parametrize("spec", ["llamacpp", "llamacpp/", "llamacpp/nowhere/model.gguf"])
def test_llamacpp_needs_a_file(spec: str) -> None:
    with pytest.raises(ConfigError, match="GGUF file"):
        open_model(spec)


@pytest.mark.parametrize("spec", ["embedded", "llamacpp/x.gguf"])
def test_models_in_this_process_take_no_address(spec: str) -> None:
    with pytest.raises(ConfigError, match="takes no base URL"):
        open_model(spec, base_url="http://localhost:8000/v1")


def test_an_unknown_embedded_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_MODELS", str(tmp_path))
    with pytest.raises(UnknownName, match="no-such-model"):
        open_model("embedded/no-such-model")


def test_hosted_providers_lead_to_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("litellm") is None:
        with pytest.raises(ConfigError, match=r'pip install "promptopt-engine\[hosted\]"'):
            open_model("anthropic/claude-x")
    else:
        assert open_model("anthropic/claude-x").name == "anthropic/claude-x"


def test_a_plug_in_is_opened_by_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parrot:
        def __init__(self, rest: str, base_url: str | None) -> None:
            self.name = f"parrot/{rest}@{base_url}"

        def generate(self, requests: Sequence[Request], stopping: object = None) -> Iterator[tuple[int, Reply]]:
            yield from ()

    monkeypatch.setitem(PROVIDERS, "parrot", Provider("parrot/NAME", "repeats", Parrot, local=True, takes_url=True))
    assert open_model("parrot/grey/b", base_url="u").name == "parrot/grey/b@u"


def test_a_plug_in_is_listed_priced_and_given_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str | None] = []

    def parrot(rest: str, base_url: str | None) -> Model:
        opened.append(base_url)
        return Scripted(lambda request: "", name=f"parrot/{rest}")

    record = Provider("parrot/NAME", "repeats what it hears", parrot, local=True, scores="yes", takes_url=True)
    monkeypatch.setitem(PROVIDERS, "parrot", record)
    listed = CliRunner().invoke(models_app, ["list"]).output
    assert "parrot/NAME" in listed
    assert "repeats what it hears" in listed
    assert "parrot/NAME" in listed.partition("Log-probabilities")[2]
    assert price_of("parrot/grey") == Price(0, 0)
    open_models(Models("parrot/grey", base_url="http://localhost:1/v1"))
    assert opened == ["http://localhost:1/v1"]


def test_what_registers_no_provider_is_told_what_to_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROVIDERS, "parrot", lambda rest, base_url: None)
    with pytest.raises(ConfigError, match="register a promptopt"):
        open_model("parrot/grey")
