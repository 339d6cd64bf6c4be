"""Chunks: offsets that lose nothing, what is protected, and where the rules cut."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.optimizers.plum.phrases import Level, Phrases, RuleChunker, cut_phrases, frozen_texts, protected
from promptopt.tasks.contract import Contract
from promptopt.testing import planted_task
from tests.optimizers.plum.phrase_search import Bars

LEVELS: tuple[Level, ...] = ("phrase", "word", "sentence", "span")
PIECES = [
    *["Classify", "the", "review", "and", "of", "which", "e.g.", '"yes"', "don't", "(B).", "it's,", "1.5", "x"],
    *["\n", "\n\n- ", "\n1. ", "\na) ", "  ", "\t", " ", " ", " ", ".", ", ", "! ", "…", "—"],
    *["{x}", "{{ y }}", "```py\na = 1\n```", "```", "<answer>", "</answer>", "https://a.b/c?d=e.", "\\boxed{z}"],
    *[
        "🙂",
        "👩‍👩‍👧",
        "请把评论分为正面或负面。",
        "，",
        "「はい」",
        "ภาษาไทยไม่มีเว้นวรรค",
        "🇩🇪",
        "\u0301",
        "\x00",
        "\r\n",
    ],
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=30).map("".join)


def joined(phrases: Phrases) -> str:
    """Gaps and chunks by turns, as the chunks themselves say what stands in them."""
    text = phrases.gap(0)
    for index, chunk in enumerate(phrases.chunks):
        text += chunk.text + phrases.gap(index + 1)
    return text


def loses_nothing(text: str, level: Level, seed: int) -> None:
    phrases = cut_phrases(text, RuleChunker(level), random.Random(seed), ("don't", "the review"))
    assert joined(phrases) == text
    assert all(chunk.text and text[chunk.start : chunk.end] == chunk.text for chunk in phrases.chunks)
    # Words are in chunks; only white space, list marks, and at level `span` punctuation, stand between them.
    gaps = " ".join(phrases.gap(index) for index in range(len(phrases.chunks) + 1))
    assert level == "span" or not re.search(r"[^\W\d_](?![.)])", gaps)


def test_chunks_and_gaps_joined_are_the_text() -> None:
    rng = random.Random(0)
    for number in range(1_000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randrange(40)))
        loses_nothing(text, LEVELS[number % 4], number)


@given(TEXTS, st.sampled_from(LEVELS), st.integers())
def test_with_any_text(text: str, level: Level, seed: int) -> None:
    loses_nothing(text, level, seed)


@given(TEXTS, st.sampled_from(LEVELS), st.integers(1, 7))
def test_parts_joined_are_the_text(text: str, level: Level, count: int) -> None:
    phrases = cut_phrases(text, RuleChunker(level), random.Random(0))
    size = len(phrases.chunks)
    bounds = [-(-place * size // count) for place in range(count + 1)]
    parts = [phrases.part(begin, end) for begin, end in pairwise(bounds)]
    assert "".join(part.text for part in parts) == (text if size else "")
    assert all(joined(part) == part.text for part in parts)


@given(TEXTS, st.integers())
def test_without_a_draw_the_same_text_gives_the_same_chunks(text: str, seed: int) -> None:
    for level in ("phrase", "word", "sentence"):
        chunker = RuleChunker(level)
        assert chunker.spans(text, random.Random(seed)) == chunker.spans(text, random.Random(seed + 1))


def shown(text: str, level: Level = "phrase", frozen: tuple[str, ...] = (), seed: int = 0) -> list[str]:
    return [chunk.text for chunk in cut_phrases(text, RuleChunker(level), random.Random(seed), frozen).chunks]


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("Answer the question.", ["Answer the question", "."]),
        (
            "Classify the review as positive or negative, then answer with one word.",
            ["Classify the review", "as positive", "or negative", ",", "then answer", "with one word", "."],
        ),
        ("Steps:\n- Be kind\n2) Use e.g. rain\n# Title", ["Steps", ":", "Be kind", "Use e.g. rain", "Title"]),
        ('Say "yes" or (no).', ['Say "yes"', "or (no)", "."]),
        ("one two three four five six seven eight nine", ["one two three four five six seven eight", "nine"]),
        ("请把评论分为正面或负面。好", ["请把评论分为", "正面或负面", "。", "好"]),
        ("使用Python编写", ["使用", "Python", "编写"]),
        ("word", ["word"]),
        ("?!", ["?!"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_phrases_end_where_the_rules_say(text: str, chunks: list[str]) -> None:
    assert shown(text) == chunks


def test_combining_signs_stay_with_their_letter() -> None:
    assert all(not chunk.startswith(("ั", "ิ", "ี", "่", "้", "็")) for chunk in shown("กำนี้ก็ดีที่สุดนี้นั่นนี่" * 3))


def test_other_levels() -> None:
    text = "One two three, four! Five six.\nSeven"
    assert shown(text, "word") == ["One", "two", "three", ",", "four", "!", "Five", "six", ".", "Seven"]
    assert shown(text, "sentence") == ["One two three, four!", "Five six.", "Seven"]
    spans = {tuple(shown("a b c d e f g h.", "span", seed=seed)) for seed in range(50)}
    assert spans == {
        ("a b c d", "e f g h"),
        ("a b", "c d e", "f g h"),
        ("a b", "c d", "e f", "g h"),
    }


def test_what_no_edit_may_touch() -> None:
    text = "Use {x} and \\boxed{y} in <b>bold</b>,\n```\nlet a | b\n```\nsee https://a.b/c. End: yes or no!"
    found = [text[start:end] for start, end in protected(text, ("yes or no", "or no!"))]
    fence = "```\nlet a | b\n```"
    assert found == ["{x}", "\\boxed{y}", "<b>", "</b>", fence, "https://a.b/c", "yes or no!"]
    phrases = cut_phrases(text, Bars(), random.Random(0), ("yes or no!",))
    assert [chunk.text for chunk in phrases.chunks if not chunk.editable] == found
    assert not any("|" in chunk.text for chunk in phrases.chunks if chunk.editable)


def test_marks_are_no_phrases() -> None:
    phrases = cut_phrases("Read it, {x}! - Go: 🙂", RuleChunker(), random.Random(0))
    assert [phrases.chunks[index].text for index in phrases.editable] == ["Read it", "- Go"]
    assert [phrases.chunks[index].text for index in phrases.solid] == ["Read it", "{x}", "- Go"]


def test_the_sentence_a_phrase_stands_in() -> None:
    phrases = cut_phrases("Read it. Then say yes, or say no.\nStop", RuleChunker(), random.Random(0))
    of = {chunk.text: phrases.sentence(index) for index, chunk in enumerate(phrases.chunks)}
    assert of["or say no"] == "Then say yes, or say no."
    assert of["Read it"] == "Read it."
    assert of["Stop"] == "Stop"
    part = phrases.part(3, 5)
    assert part.sentence(0) == "Then say yes, or say no."


def test_the_contract_freezes_texts() -> None:
    bound = Contract(frozen=("the",), must_contain=("Answer", "the"))
    assert frozen_texts(replace(planted_task(), contract=bound)) == ("the", "Answer")
    assert frozen_texts(planted_task()) == ()


@pytest.mark.parametrize("spans", [[(0, 3), (2, 5)], [(3, 2)], [(0, 0)], [(0, 99)], [(4, 5), (0, 1)]])
def test_spans_out_of_order_are_an_error(spans: list[tuple[int, int]]) -> None:
    class Wrong:
        def spans(self, text: str, rng: random.Random) -> list[tuple[int, int]]:
            return spans

    with pytest.raises(ValueError, match="span"):
        cut_phrases("some words", Wrong(), random.Random(0))


def test_unusable_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="longest"):
        RuleChunker(longest=0)
