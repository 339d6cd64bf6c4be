"""Texts that are written as TOML are read from it as they were."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.tasks.toml_text import quoted, quoted_lines, quoted_pairs


@given(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\n\r\t\x7f\x00'\"\\"))))
@pytest.mark.parametrize("write", [quoted, quoted_lines])
def test_any_text_comes_back(write: type, text: str) -> None:
    assert tomllib.loads(f"a = {write(text)}")["a"] == text


@pytest.mark.parametrize("text", ["a\nb\x7f", "a\nb\x0b", "a\r\nb"])
def test_signs_that_a_literal_text_cannot_hold_are_escaped(text: str) -> None:
    assert quoted_lines(text) == quoted(text)
    assert quoted_lines("a\nb\t'") == "'''\na\nb\t''''"


def test_pairs_are_arrays_of_two() -> None:
    assert tomllib.loads(f"a = {quoted_pairs([('user', 'x'), ('assistant', '')])}")["a"] == [
        ["user", "x"],
        ["assistant", ""],
    ]
