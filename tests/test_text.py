"""Templates and reply parsing never execute, rescan or lose what they read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.text import (
    Pattern,
    counted,
    find_spans,
    first_line,
    lines_of,
    normalise,
    shorten,
    strip_fence,
    visible,
    visible_json,
)


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[HBetter: p = 0.001", "\\x1b[2J\\x1b[HBetter: p = 0.001"),
        ("\x9b2J", "\\x9b2J"),
        ("one\rtwo", "one\\x0dtwo"),
        ("one\r\ntwo\n\tthree", "one\ntwo\n\tthree"),
        ("\x07\x08\x7f\x00", "\\x07\\x08\\x7f\\x00"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("half \ud83d", "half \\ud83d"),
        ("naïve 😀 日本 \u200d", "naïve 😀 日本 \u200d"),
    ],
)
def test_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(codec=None), max_size=40))
def test_what_is_visible_says_the_same_as_json_and_is_unicode(text: str) -> None:
    shown = visible_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(shown) == text or any("\ud800" <= half <= "\udfff" for half in text)
    shown.encode()
    assert visible(shown) == shown
    visible(text).encode()


@given(st.lists(st.text(st.characters(exclude_characters="\r\n"))), st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_end_where_those_of_files_do(lines: list[str], end: str) -> None:
    assert lines_of(end.join(lines)) == (lines or [""])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one\ntwo"), "one"),
        (AssertionError(), "AssertionError"),
        (RuntimeError(" \n\n below "), "below"),
    ],
)
def test_the_first_line_of_an_error_is_its_kind_where_it_says_nothing(error: Exception, said: str) -> None:
    assert first_line(error) == said
