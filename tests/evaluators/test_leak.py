from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.evaluators.leak import LISTED, find_leaks
from promptopt.types import Example
from tests.ends import ends

ROW = "Natalia sold clips to forty eight of her friends in April, and then she sold half as many clips in May."
TRAIN = [Example.of("seventy two clips", question=ROW), *(Example.of(str(n), question=f"q{n} a b") for n in range(30))]


def test_a_clean_prompt_has_no_finding() -> None:
    assert find_leaks("Work step by step, then give the number after 'The answer is'.", TRAIN) == []
    assert find_leaks("", TRAIN) == []
    assert find_leaks("anything", []) == []


def test_words_shared_with_a_training_input_are_found_whatever_their_case_and_punctuation() -> None:
    [finding] = find_leaks("For instance: natalia sold CLIPS to forty-eight of her friends in May!", TRAIN)
    assert finding.startswith(f"shares 10 words in a row with training example {TRAIN[0].id}: ")
    assert '"natalia sold clips to forty eight of her friends in"' in finding


def test_fewer_words_than_asked_for_are_no_finding() -> None:
    assert find_leaks("natalia sold clips to forty eight of", TRAIN) == []
    assert len(find_leaks("natalia sold clips to forty eight of", TRAIN, words=7)) == 1


def test_a_verbatim_answer_is_found_and_short_ones_and_labels_are_not() -> None:
    [finding] = find_leaks("Say seventy two clips when asked; 7, 18 or so otherwise.", TRAIN)
    assert finding == f'gives away the answer of training example {TRAIN[0].id}: "seventy two clips"'
    assert find_leaks("Say seventy two clips.", TRAIN, labels=["Seventy-Two clips"]) == []


def test_phrases_that_many_examples_share_are_the_tasks_own() -> None:
    common = "Which of the following sentences is plausible, and which one is not?"
    train = [Example.of("yes", text=f"{common} Number {n}.") for n in range(40)]
    assert find_leaks(f"You will be asked: {common}", train) == []
    twice = [*TRAIN, Example.of("other", question=ROW + " Again.")]
    assert "and 1 more" in find_leaks(ROW, twice)[0]


def test_many_findings_are_counted() -> None:
    rows = [" ".join(f"w{row}x{place}" for place in range(9)) for row in range(30)]
    findings = find_leaks("; ".join(rows), [Example.of("", text=row) for row in rows])
    assert len(findings) == LISTED + 1
    assert findings[-1].startswith("20 more passages")


@ends  # every word of one against every word of the other takes minutes
@pytest.mark.slow
def test_a_long_prompt_is_held_against_thousands_of_examples() -> None:
    rng = random.Random(0)
    words = [f"word{n}" for n in range(2_000)]
    train = [Example.of(f"{n} of them", q=" ".join(rng.choices(words, k=50))) for n in range(7_000)]
    prompt = " ".join(rng.choices(words, k=8_000)) + " " + train[77]["q"]
    findings = find_leaks(prompt, train)
    assert any(train[77].id in finding for finding in findings)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=30), st.integers(0, 22))
def test_a_prompt_that_quotes_any_eight_words_is_caught(words: list[str], start: int) -> None:
    start = min(start, len(words) - 8)
    quoted = " ".join(words[start : start + 8])
    assert find_leaks(f"Note, {quoted}.", [Example.of("x", text=" ".join(words))])


def test_passages_are_shown_as_their_scripts_write_them() -> None:
    asked = "東京から大阪まで新幹線で行く方法を教えてください"
    examples = [Example.of("のぞみ号の指定席です", text=asked), Example.of("Rue Haute", text="Where?")]
    (shared,) = find_leaks("まず東京から大阪まで新幹線で", examples)
    assert '"東京から大阪まで新幹線で"' in shared
    (answer,) = find_leaks("のぞみ号の指定席です。", examples)
    assert '"のぞみ号の指定席です"' in answer
    (named,) = find_leaks("It is rue  haute.", examples)
    assert '"Rue Haute"' in named
