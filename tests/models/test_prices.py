from __future__ import annotations

import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.models import prices
from promptopt.models.prices import Price, price_of

TABLE = {
    "sample_spec": {"litellm_provider": "one of …", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
    "gpt-4o-mini": {"litellm_provider": "openai", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07},
    "gemini/flash": {"litellm_provider": "gemini", "input_cost_per_token": 3e-07, "output_cost_per_token": 2.5e-06},
    "gemini-pro": {
        "litellm_provider": "vertex_ai-language-models",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 2e-06,
    },
    "dall-e": {"litellm_provider": "openai", "output_cost_per_image": 0.04},
}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    package = tmp_path / "litellm"
    package.mkdir()
    (package / "model_prices_and_context_window_backup.json").write_text(json.dumps(TABLE))
    spec = ModuleSpec("litellm", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(package))
    monkeypatch.setattr(prices, "find_spec", lambda name: spec)
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    prices._litellm_table.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("embedded/qwen", Price(0, 0)),
        ("llamacpp//models/x.gguf", Price(0, 0)),
        ("hf/gpt2", Price(0, 0)),
        ("vllm/q", Price(0, 0)),
        ("scripted", Price(0, 0)),
        ("openai/gpt-4o-mini", Price(1.5e-07, 6e-07)),
        ("gemini/flash", Price(3e-07, 2.5e-06)),
        ("vertex_ai/gemini-pro", Price(1e-06, 2e-06)),
        ("vertex/gemini-pro", None),
        ("openai/dall-e", None),
        ("openai/flash", None),
        ("azure/gpt-4o-mini", None),
        ("openai/my-finetune", None),
        ("sample_spec", None),
        ("", None),
    ],
)
def test_prices_are_looked_up_and_never_guessed(name: str, expected: Price | None) -> None:
    assert price_of(name) == expected


def test_a_local_server_is_free(home: Path) -> None:
    assert price_of("openai/gpt-4o-mini", local=True) == Price(0, 0)


def test_the_users_own_table_comes_first(home: Path) -> None:
    (home / "prices.toml").write_text(
        '["openai/gpt-4o-mini"]\nprompt = 1\ncompletion = 2.5\n["embedded/qwen"]\nprompt = 0.1\ncompletion = 0.2\n'
    )
    assert price_of("openai/gpt-4o-mini") == Price(1e-6, 2.5e-6)
    assert price_of("openai/gpt-4o-mini", local=True) == Price(1e-6, 2.5e-6)
    assert price_of("embedded/qwen") == Price(pytest.approx(1e-7), pytest.approx(2e-7))
    assert price_of("gemini/flash") == Price(3e-07, 2.5e-06)


@pytest.mark.parametrize(
    "text",
    [
        '["m"]\nprompt = 1\n',
        '["m"]\nprompt = 1\ncompletion = 2\nimage = 3\n',
        '["m"]\nprompt = "1"\ncompletion = 2\n',
        '["m"]\nprompt = true\ncompletion = 2\n',
        '["m"]\nprompt = -1\ncompletion = 2\n',
        '["m"]\nprompt = nan\ncompletion = 2\n',
        '["m"]\nprompt = inf\ncompletion = 2\n',
        "m = 3\n",
        "not toml",
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_path(home: Path, text: str) -> None:
    (home / "prices.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        price_of("anything")


def test_without_litellm_hosted_prices_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "find_spec", lambda name: None)
    prices._litellm_table.cache_clear()
    assert price_of("openai/gpt-4o-mini") is None
    assert prices.litellm_providers() == frozenset()


def test_the_users_table_is_read_as_editors_of_windows_save_it(home: Path) -> None:
    (home / "prices.toml").write_bytes(b'\xef\xbb\xbf["x/y"]\r\nprompt = 1\r\ncompletion = 2\r\n')
    assert price_of("x/y") == Price(1e-6, 2e-6)
    (home / "prices.toml").write_text(f"a = {'[' * 5000}{']' * 5000}", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        price_of("x/y")
