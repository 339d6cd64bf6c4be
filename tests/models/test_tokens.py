from __future__ import annotations

import base64
import hashlib
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.models import tokens


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("went online")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "empty"))
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    tokens._counter.cache_clear()
    tokens._counter_of.cache_clear()


def without_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "find_spec", lambda name: None)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4", "Qwen/Qwen2.5-7B-Instruct", "anthropic/claude", ""])
def test_without_tables_the_rule_counts(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    without_litellm(monkeypatch)
    prose = "The quick brown fox jumps over the lazy dog, as it does in every test of this kind."
    assert tokens.estimate_tokens(prose, model) == tokens.by_rule(prose) == 21
    assert tokens.estimate_tokens("", model) == 0


@given(st.text())
def test_the_rule_is_zero_for_nothing_only_and_never_above_the_bytes(text: str) -> None:
    count = tokens.by_rule(text)
    assert (count == 0) == (text == "")
    assert count <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(), st.text())
def test_the_rule_grows_with_the_text(first: str, second: str) -> None:
    assert tokens.by_rule(first + second) >= tokens.by_rule(first)


def test_the_rule_knows_other_scripts_and_lone_surrogates() -> None:
    assert tokens.by_rule("電影很好看") == 5
    assert tokens.by_rule("\ud800") == 1


def test_a_table_at_hand_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    table = tmp_path / hashlib.sha1(url.encode()).hexdigest()
    table.write_bytes(b"".join(base64.b64encode(bytes([value])) + b" %d\n" % value for value in range(256)))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert tokens._folder_with("o200k_base") == tmp_path
    assert tokens._folder_with("cl100k_base") != tmp_path


def test_litellms_tables_are_used_where_it_is_installed() -> None:
    pytest.importorskip("litellm", reason="litellm (the extra `hosted`) is not installed")
    if tokens._folder_with("o200k_base") is None:
        pytest.skip("this release of litellm ships no o200k_base table")
    text = "Tokenization is surprisingly uneven."
    assert tokens.estimate_tokens(text, "gpt-4o-mini") == 6
    assert tokens.estimate_tokens(text, "gpt-4o-mini") != tokens.by_rule(text)
