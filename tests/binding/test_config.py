"""Strict TOML, `--set` by type, and sentences for everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt import registry
from promptopt.binding.config import RunConfig, config_from, load_config
from promptopt.binding.settings import adjust, build_optimizer, describe_type, parse_settings
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.optimizers.evoprompt.method import EvoPromptGA
from promptopt.protocols import Selector
from promptopt.run import Run


@dataclass(frozen=True, slots=True)
class First:
    budget: int = 100
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Second:
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Inner:
    depth: int = 1
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    steps: int = 3
    rate: float = 0.1
    greedy: bool = False
    mode: Literal["fast", "slow"] = "fast"
    title: str = ""
    cap: int | None = None
    inner: Inner = field(default_factory=Inner)
    selector: Selector = field(default_factory=First)  # pyright: ignore[reportAssignmentType]
    other: Selector | None = None

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError("steps must not be negative")

    def optimize(self, run: Run) -> None: ...


class Plain:
    def optimize(self, run: Run) -> None: ...


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: dict[str, dict[str, Any]] = {
        "optimizers": {"method": Method, "plain": Plain},
        "selection": {"first": First, "second": Second},
    }

    def load(group: str, name: str) -> Any:
        if name not in groups[group]:
            raise UnknownName("selector", name, groups[group])
        return groups[group][name]

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(registry, "names", lambda group: sorted(groups[group]))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Method()),
        ({"steps": "5"}, Method(steps=5)),
        ({"steps": 5}, Method(steps=5)),
        ({"rate": "1e-3"}, Method(rate=0.001)),
        ({"rate": 1}, Method(rate=1.0)),
        ({"greedy": "true"}, Method(greedy=True)),
        ({"greedy": "no"}, Method(greedy=False)),
        ({"mode": "slow"}, Method(mode="slow")),
        ({"title": "5"}, Method(title="5")),
        ({"title": ""}, Method(title="")),
        ({"cap": "7"}, Method(cap=7)),
        ({"cap": "none"}, Method(cap=None)),
        ({"inner.depth": "2", "inner.words": "a, b"}, Method(inner=Inner(2, ("a", "b")))),
        ({"selector.share": "0.7"}, Method(selector=First(share=0.7))),
        ({"selector": "second"}, Method(selector=Second())),
        ({"selector.alpha": "0.1", "selector": "second"}, Method(selector=Second(0.1))),
        ({"other": "second", "other.alpha": "0.2"}, Method(other=Second(0.2))),
    ],
)
def test_settings_are_read_by_type(settings: dict[str, Any], expected: Method) -> None:
    assert build_optimizer("method", settings) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step": "5"}, "no setting of 'method' is named 'step'; did you mean 'steps'"),
        ({"inner.dept": "5"}, "did you mean 'depth'?"),
        ({"selector": "frst"}, "no selector is named 'frst'; did you mean 'first'?"),
        ({"selector": "second", "selector.share": "1"}, "no setting of 'method.selector' is named 'share'"),
        ({"steps": "few"}, "setting 'method.steps' is 'few'; expected a whole number"),
        ({"steps": "1.5"}, "expected a whole number"),
        ({"steps": 1.5}, "expected a whole number"),
        ({"steps": True}, "expected a whole number"),
        ({"rate": "x"}, "expected a number"),
        ({"greedy": "perhaps"}, "expected true or false"),
        ({"mode": "quick"}, "expected 'fast' or 'slow'"),
        ({"cap": "x"}, "expected a whole number or none"),
        ({"steps.x": "1"}, "is one value"),
        ({"steps": "1", "steps.x": "1"}, "is one value"),
        ({"inner": "1"}, "is a group of settings"),
        ({"other.alpha": "1"}, "say first which"),
        ({"steps": "-1"}, "steps must not be negative"),
    ],
)
def test_what_does_not_fit_is_a_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build_optimizer("method", settings)
    assert message in str(raised.value)


def test_a_method_without_settings() -> None:
    assert isinstance(build_optimizer("plain", {}), Plain)
    with pytest.raises(ConfigError, match="has no settings"):
        build_optimizer("plain", {"a": "1"})


def test_parse_settings() -> None:
    assert parse_settings(["a=1", "b.c = x=y ", "a=2"]) == {"a": "2", "b.c": "x=y"}
    for wrong in ("a", "=1", " =1"):
        with pytest.raises(ConfigError, match="name=value"):
            parse_settings([wrong])


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from("abcd"), st.text(alphabet="xyz=. 1", max_size=8).map(str.strip)))
def test_parse_settings_reads_back_what_was_written(settings: dict[str, str]) -> None:
    assert parse_settings([f"{name}={value}" for name, value in settings.items()]) == settings


def test_load_config(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'task = "gsm8k"\nmax_usd = 1\n[settings]\nsteps = 4\n"inner.depth" = 2\nwords = ["a", "b"]\n'
        '[settings.selector]\nname = "second"\nalpha = 0.1\n',
        encoding="utf-8",
    )
    assert load_config(path) == RunConfig(
        task="gsm8k",
        max_usd=1.0,
        settings={"steps": 4, "inner.depth": 2, "words": '["a", "b"]', "selector": "second", "selector.alpha": 0.1},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1", "no option is named 'sead'; did you mean 'seed'?"),
        ('seed = "1"', "option 'seed' is '1'; expected a whole number"),
        ("seed = 1.5", "expected a whole number"),
        ("task = 3", "option 'task' is 3; expected a text"),
        ("settings = 3", "option 'settings' is 3"),
        ("task = ", "not valid TOML"),
        (f"seed = {'9' * 5000}", "not valid TOML"),
        (f"seed = {'[' * 5000}{']' * 5000}", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_a_sentence_that_names_it(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert message in str(raised.value)
    assert "run.toml" in str(raised.value)


def test_a_file_is_read_as_editors_of_windows_save_it(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b'\xef\xbb\xbftask = "gsm8k"\r\nseed = 3\r\n')
    assert load_config(path) == RunConfig(task="gsm8k", seed=3)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('task = "é"'.encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        load_config(tmp_path / "latin.toml")


def test_config_from_keeps_flat_names() -> None:
    assert config_from({"settings": {"selector.c": 1}}).settings == {"selector.c": 1}


def test_lists_of_texts_keep_their_commas() -> None:
    seeds = ("Is it good, or bad?", "Judge it.")
    listed = config_from({"settings": {"seeds": list(seeds)}}).settings
    typed = parse_settings(['seeds=["Is it good, or bad?", "Judge it."]'])
    for settings in (listed, typed):
        assert adjust(EvoPromptGA(), settings, "evoprompt-ga") == EvoPromptGA(seeds=seeds)
    assert adjust(EvoPromptGA(), {"seeds": "one, two"}, "evoprompt-ga") == EvoPromptGA(seeds=("one", "two"))
    with pytest.raises(ConfigError, match="a JSON list"):
        adjust(EvoPromptGA(), {"seeds": '["unfinished'}, "evoprompt-ga")


@pytest.mark.parametrize(
    ("hint", "words"),
    [(int, "a whole number"), (int | None, "a whole number or none"),
     (tuple[str, ...], "values separated by commas, or a JSON list of them"),
     (Selector, "'first' or 'second'"), (Inner, "a group of settings"), (Literal["a", "b"], "'a' or 'b'")],
)  # fmt: skip
def test_describe_type(hint: Any, words: str) -> None:
    assert describe_type(hint) == words
