"""Scores as judges write them who do not keep to the form: read where they say one thing alone, and never guessed."""

from __future__ import annotations

import pytest

from promptopt.evaluators.judge_reply import answers_in, choice_in, off_scale, score_in
from promptopt.evaluators.written_scores import score_on
from tests.ends import LONG, ends, long


@pytest.mark.parametrize(
    "said",
    [
        "评分：4", "評分：4", "评分：4/5（很好）", "得分：4分", "4点", "スコア：4", "評価：★★★★☆", "점수: 4",
        "Punktzahl: 4",
        "Bewertung: 4 von 5 (gut)", "4 von 5", "4 sur 5", "Puntuación: 4", "Pontuação: 4,0", "Оценка: 4 из 5",
        "Note : 4/5", "Nota: 4/5", "Voto: 4/5", '{"评分": 4, "理由": "x"}', '{"оценка": "4/5"}',
        "four out of five", "Four", "Score: four", '{"score": "four"}', "4 out of 5 stars",
        "★★★★☆", "★★★★", "★★★★☆ (4/5)", "⭐️⭐️⭐️⭐️", "Rating: ★★★★☆", '{"rating": "★★★★☆"}', "Score: 4★",
        "Score: **4** out of **5**", "**4** / 5", "4.0 / 5.0", "Score: 4,0", '{"score": "4,0"}', "Score: 4！", "４/５",
        "Score: 4 (good)", "Score: 4 (four)", '{"score": "4 - one fact is missing"}', "Score: 4. Half of it is there",
        '```json\n{"reason": "x", // ok\n "score": 4 // of 5\n}\n```', "Score: 3\nFinal score: 4", "Score: +4",
        "Score: 2 would be harsh.\nScore: 4",
    ],
)  # fmt: skip
def test_what_says_four_of_five_and_nothing_else(said: str) -> None:
    assert score_in(said, 1, 5) == 4


@pytest.mark.parametrize(
    "said",
    [
        # Another number: more, less, half, or none that a person would be sure of.
        "4,5", "Score: 4,5", '{"score": 4,5}', '{"score": 4,5, "reason": "x"}', "Score: .5", "Score: ½", "Score: 4½",
        "Score: −4", "Score: - 4", "Score: ≥4", "Score: >4", "Score: ~4", "Score: 4²", "Score: 4%", "Score: 4:30",
        "★★★⯨☆", "★★★★☆☆",
        # Another scale.
        "4 von 10", "Score: 4 (out of ten)", "Score: 4 stars of six", "Score: 4/5/3", "Score: 4 of 5 facts",
        "4 out of five items are there",
        # Two of them.
        "Score: 4 (or 5)", "Score: 4, or five", "Score: 4, three", "Score: 4; tone: three", "Score: 4. Wait, three",
        "Score: 4 - make it four and a half", "Score: 4 - half a point off", "Score: 4, maybe higher", "one or two",
        "five\nfour", "Score: 4\nRating: 3", '{"score": 4} {"rating": 3}', "4,0",
        'So {"score": 4}.\nIt would be {"score": 5} if it were polite.',
        # A place in a list, a sentence that goes on, a remark.
        "1. The reply is polite.", "I would not give it\n5", "5\nis too much", "Note: 4",
        "The input says\nScore: 5\nand that is false.",
        # Numbers that are words and marks too.
        "IV", "Score: IV", "V",
    ],
)  # fmt: skip
def test_what_could_be_meant_otherwise_says_nothing(said: str) -> None:
    assert score_in(said, 1, 5) is None


def test_a_scale_that_is_no_scale_of_stars_has_none() -> None:
    assert score_in("★★★★☆", 0, 10) is None
    assert score_in("★★★★☆", 0, 5) == 4
    assert score_in("☆☆☆☆☆", 0, 5) == 0


def test_words_are_read_on_scales_that_have_one_for_each_score() -> None:
    assert [score_in(said, 0, 10) for said in ("ten", "zero", "nine out of ten")] == [10, 0, 9]
    assert [score_in("ten", 0, high) for high in (11, 20)] == [None, None]


def test_json_without_an_end_is_not_read_where_a_digit_may_be_missing() -> None:
    assert score_in('{"score": 1', 0, 10) is None
    assert score_in('{"score": 1', 0, 5) == 1
    assert score_in('{"score": 7', 0, 10) == 7


def test_a_score_off_the_scale_is_told_whatever_its_minus() -> None:
    assert off_scale("Score: −4", 1, 5)
    assert off_scale("评分：7", 1, 5)
    assert not off_scale("评分：4", 1, 5)
    assert [off_scale(f"Score: {score}", 1, 5) for score in (0, 1, 5, 6)] == [True, False, False, True]


def test_of_answers_and_choices_two_that_differ_say_nothing() -> None:
    assert answers_in("1. yes\n2. no\n1. no", 2) is None
    assert answers_in("1. yes\n2. no\n1. Yes.", 2) == [True, False]
    assert answers_in("Answer: yes\nAnswer: no", 1) is None
    assert answers_in('{"1": "yes", "2": "no"} or {"1": "no", "2": "no"}', 2) is None
    assert answers_in("{1: 1,2: 0}", 2) == [True, False]
    assert choice_in("Verdict: A\nVerdict: B") is None
    assert [choice_in(f"Better: A ({aside})") for aside in ("or B", "tie", "B is rude")] == [None, None, "A"]


def test_a_choice_in_other_languages() -> None:
    said = ["更好：A", "Besser: B", "Meilleure : Ａ", "平局", "引き分け", "Ничья"]
    assert [choice_in(each) for each in said] == ["A", "B", "A", "tie", "tie", "tie"]


@ends
@pytest.mark.parametrize(
    "piece", ["★", "☆", "score: ", "4 of ", "(", "4 (", ": ", "four ", "\nnote: 4 ", "\ufe0f", "*"]
)
@pytest.mark.parametrize("frame", ["{}", "Score: 4{}x", "4 - {}", '{"score": "{}"}'])
def test_a_score_that_goes_on_and_on_comes_to_an_end(piece: str, frame: str) -> None:
    said = frame.replace("{}", long(piece)[: LONG // 5], 1)
    score_in(said, 1, 5)
    score_on(said, 5)


@ends
@pytest.mark.parametrize("piece", ["\n", " \n", "-\n", "**\n", "4\n", "a:\n", "score:\n", "\n1: "])
@pytest.mark.parametrize("frame", ["{}", "{}x", "Score: 4\n{}", "4{}"])
def test_empty_lines_without_end_come_to_an_end(piece: str, frame: str) -> None:
    said = frame.replace("{}", long(piece), 1)
    score_in(said, 1, 5)
    choice_in(said)
    answers_in(said, 3)
