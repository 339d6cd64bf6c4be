"""Templates and reply parsing never execute, rescan or lose what they read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.text import Pattern, counted, find_spans, normalise, shorten, strip_fence


@given(st.text(), st.text())
def test_what_fills_a_slot_survives_byte_for_byte(one: str, two: str) -> None:
    pattern = Pattern("<{a}|{b}|{c}>", ["a", "b"])
    assert pattern.render({"a": one, "b": two}) == f"<{one}|{two}|{{c}}>"


def test_values_are_never_scanned_for_slots() -> None:
    assert Pattern("{a} {b}", ["a", "b"]).render({"a": "{b}", "b": "{a} {{x}} %s $b"}) == "{b} {a} {{x}} %s $b"


def test_longer_names_are_not_cut_short() -> None:
    assert Pattern("{text_a}{text}", ["text", "text_a"]).slots == ("text_a", "text")
    assert Pattern("no slots {here}", []).render({}) == "no slots {here}"


def test_spans_are_found_whatever_their_dress() -> None:
    reply = "Sure!\n< PROMPT >\n```text\nBe brief.\n```\n</Prompt> and <prompt>two</prompt> then <prompt>never closed"
    assert find_spans(reply, "prompt") == ["Be brief.", "two"]
    assert find_spans("no tags", "prompt") == []
    assert find_spans("<prompt></prompt>", "prompt") == [""]


def test_fences_and_space() -> None:
    assert strip_fence("```python\nx = 1\n```") == "x = 1"
    assert strip_fence(" plain ") == "plain"
    assert normalise(" a\n\tb  c ") == "a b c"


@given(st.text(max_size=400), st.integers(60, 200))
def test_shortened_text_says_how_much_is_missing(text: str, limit: int) -> None:
    short = shorten(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        assert f"{len(text) - limit} characters left out" in short
        assert text.startswith(short[:20])


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, ("call",), "0 calls"),
        (1, ("call",), "1 call"),
        (1_204, ("call",), "1,204 calls"),
        (1, ("reply", "replies"), "1 reply"),
        (2, ("call is", "calls are"), "2 calls are"),
    ],
)
def test_a_count_has_the_noun_it_needs(number: int, noun: tuple[str, ...], said: str) -> None:
    assert counted(number, *noun) == said
