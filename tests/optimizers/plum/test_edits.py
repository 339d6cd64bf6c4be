"""Edits of phrases: delete, swap, protected spans, crossover, the bank."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.plum.edits import (
    FRONT,
    PhraseEdit,
    active,
    apply,
    crossover,
    draw_edit,
    join,
    settle,
    substitute,
)
from promptopt.optimizers.plum.phrases import Chunker, Phrases, RuleChunker, cut_phrases, protected
from tests.optimizers.plum.phrase_search import Bars

WORDS = RuleChunker("word")
PHRASE_LISTS = st.lists(st.sampled_from(["a", "b", "an", "in a", "b b", "c"]), min_size=2, max_size=6)


def phrases_of(text: str, chunker: Chunker | None = None) -> Phrases:
    return cut_phrases(text, RuleChunker() if chunker is None else chunker, random.Random(0))


def deleted(text: str, phrase: str, chunker: Chunker | None = None) -> str:
    phrases = phrases_of(text, chunker)
    index = next(index for index, chunk in enumerate(phrases.chunks) if chunk.text == phrase)
    return apply(phrases, PhraseEdit("del", (index,), phrase))


def test_a_deletion_leaves_every_other_word_alone() -> None:
    text = "Choose a suitable answer and an option"
    assert deleted(text, "a", WORDS) == "Choose suitable answer and an option"


@pytest.mark.parametrize(
    ("text", "phrase", "left"),
    [
        ("Read the text, then answer.", "then answer", "Read the text."),
        ("Read the text, then answer.", "Read the text", "then answer."),
        ("Rate it as good or bad, or skip it.", "or bad", "Rate it as good, or skip it."),
        ("Say yes.\n- Be kind.\n- Be brief.", "Be kind", "Say yes.\n- Be brief."),
        ("Say yes.\n- Be kind.\n- Be brief.", "Be brief", "Say yes.\n- Be kind."),
        ("Say yes\n- Be kind\n- Be brief", "Say yes", "- Be kind\n- Be brief"),
        ("Say yes. Be kind. Be brief.", "Be kind", "Say yes. Be brief."),
        ("Say {x} aloud now", "aloud now", "Say {x}"),
        ("{x}s are {y}", "s are", "{x} {y}"),
        ("请把评论分为正面或负面。", "请把评论分为", "正面或负面。"),
        ("a|b|c", "b", "a|c"),
    ],
)
def test_a_deletion_leaves_one_separator(text: str, phrase: str, left: str) -> None:
    assert deleted(text, phrase, Bars() if "|" in text else None) == left


@given(PHRASE_LISTS, st.integers())
def test_a_swap_keeps_all_phrases(texts: list[str], seed: int) -> None:
    phrases = phrases_of("|".join(texts), Bars())
    edit = draw_edit(phrases, ("swap",), (), random.Random(seed))
    assert isinstance(edit, PhraseEdit)
    swapped = apply(phrases, edit)
    assert Counter(swapped.split("|")) == Counter(texts)
    first, second = edit.at
    assert first != second
    assert swapped.split("|")[first] == texts[second]
    assert sum(new != old for new, old in zip(swapped.split("|"), texts, strict=True)) in (0, 2)


@pytest.mark.slow
def test_no_sequence_of_edits_touches_what_is_protected() -> None:
    start = (
        "Use {question} well, and answer with <label>.\n\n```py\nif a and b:\n    print(a)\n```\n\n- See https://a.b/c,"
        " or not.\n- Do not forget {context} then, as always.\n请把 {x} 分为正面或负面。End\n```\nbare\n```"
    )
    kept = [start[begin:end] for begin, end in protected(start)]
    assert len(kept) == 7
    rng, text, bank = random.Random(7), start, ()
    for number in range(3_000):
        phrases = phrases_of(text, RuleChunker(("phrase", "word", "span", "sentence")[number % 4]))
        edit = draw_edit(phrases, active(bank), bank, rng)
        known = substitute(edit, ["another way", "最好的"], rng) if isinstance(edit, PhraseEdit) else edit
        if isinstance(known, str):
            text, bank = start, ()
            continue
        text, bank = apply(phrases, known), settle(bank, [known])
        assert [text[begin:end] for begin, end in protected(text)] == kept
        # A fence stands on lines of its own.
        assert all(line.startswith("```") or "```" not in line for line in text.split("\n"))
        if len(text) > 900:
            text, bank = start, ()


def test_an_addition_is_set_apart() -> None:
    phrases = phrases_of("Read it, then {x}s go.\n```\ncode\n```")
    places = {phrases.chunks[index].text if index >= 0 else "": index for index in [FRONT, *phrases.solid]}

    def added(text: str, place: str) -> str:
        return apply(phrases, PhraseEdit("add", (places[place],), new=text))

    assert added("now", "") == "now Read it, then {x}s go.\n```\ncode\n```"
    assert added("now", "Read it").startswith("Read it now, then")
    assert added("now", "{x}").startswith("Read it, then {x} now s go")
    assert added("now", "```\ncode\n```").endswith("```\nnow")
    assert apply(phrases_of("好的。"), PhraseEdit("add", (0,), new="请")) == "好的请。"


@given(PHRASE_LISTS, st.lists(st.sampled_from(["x", "y"]), max_size=3), st.integers())
def test_what_is_drawn(texts: list[str], bank: list[str], seed: int) -> None:
    edit = draw_edit(phrases_of("|".join(texts), Bars()), active(tuple(bank)), tuple(bank), random.Random(seed))
    assert isinstance(edit, PhraseEdit)
    assert edit.kind != "add" or edit.new in bank
    assert edit.kind == "add" or edit.old == " | ".join(texts[index] for index in edit.at)


def test_draws_are_uniform_over_edits_and_places() -> None:
    phrases, rng = phrases_of("a|b|c", Bars()), random.Random(1)
    edits = [draw_edit(phrases, active(("x",)), ("x",), rng) for _ in range(4_000)]
    kinds = Counter(edit.kind for edit in edits if isinstance(edit, PhraseEdit))
    assert all(900 < kinds[kind] < 1_100 for kind in ("del", "swap", "sub", "add"))
    places = Counter(edit.at[0] for edit in edits if isinstance(edit, PhraseEdit) and edit.kind == "add")
    assert set(places) == {FRONT, 0, 1, 2}
    assert min(places.values()) > 180


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("a", "del", "del: too few phrases"),
        ("a", "swap", "swap: too few phrases"),
        ("{x}", "sub", "sub: too few phrases"),
    ],
)
def test_an_edit_that_cannot_be_made_says_why(text: str, kind, why: str) -> None:
    assert draw_edit(phrases_of(text), (kind,), (), random.Random(0)) == why


def test_the_bank_follows_accepted_edits() -> None:
    delete, add = PhraseEdit("del", (0,), old="b"), PhraseEdit("add", (1,), new="b")
    assert settle(("a", "b"), [delete]) == ("a", "b", "b")
    assert settle(settle(("a", "b"), [delete]), [add]) == ("a", "b")
    assert settle((), [PhraseEdit("swap", (0, 1), old="a | b"), PhraseEdit("sub", (0,), old="a", new="c")]) == ()


@pytest.mark.parametrize(
    ("first", "second", "split", "child"),
    [
        ("p0|p1|p2|.", "q0|q1|.", 0, "q0|q1|."),
        ("p0|p1|p2|.", "q0|q1|.", 1, "p0|q1|."),
        ("p0|p1|p2|.", "q0|q1|.", 2, "p0|p1"),
        ("q0|q1|.", "p0|p1|p2|.", 2, "q0|q1|.|p2|."),
        ("a|.|b", "q0|q1", 1, "a|.|q1"),
    ],
)
def test_crossover(first: str, second: str, split: int, child: str) -> None:
    assert crossover(phrases_of(first, Bars()), phrases_of(second, Bars()), split) == child


def test_crossover_of_real_text() -> None:
    first, second = phrases_of("Read the text, then answer."), phrases_of("Look at it! Say yes\nor no.")
    assert crossover(first, second, 1) == "Read the text, Say yes\nor no."
    assert crossover(second, first, 2) == "Look at it! Say yes"
    assert crossover(first, second, 2) == "Read the text, then answer.\nor no."


@given(PHRASE_LISTS, st.integers(0, 5))
def test_crossover_with_itself_is_the_parent(texts: list[str], split: int) -> None:
    phrases = phrases_of("|".join(texts), Bars())
    assert crossover(phrases, phrases, split % len(texts)) == phrases.text


def test_joined_words_stay_apart() -> None:
    assert join("one", "two") == "one two"
    assert join("one ", "two") == "one two"
    assert join("one", ", two") == "one, two"
    assert join("正面", "负面") == "正面负面"
    assert join("", "two") == "two"
    assert join("(one)", "two") == "(one) two"
    assert join("(", "two") == "(two"


def test_of_two_marks_that_meet_one_stays() -> None:
    assert join("one,", ". Two") == "one. Two"
    assert join("One.", ", two") == "One. two"
    assert join("one，", "。") == "one。"
    assert apply(phrases_of(". then"), PhraseEdit("add", (FRONT,), new="now")) == "now. then"
