"""Judge replies that are nearly what was asked for: read where they can say one thing only, and never guessed."""

from __future__ import annotations

import pytest

from promptopt.evaluators.judge_reply import Choice, answers_in, choice_in, reason_in, score_in
from tests.ends import LONG, ends, long


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ('{"score": 4,}', 4),
        ("{'score': 4}", 4),
        ("{score: 4}", 4),
        ("{'reason': 'It's good', 'score': 4}", 4),
        ('{"reason": "The "best" reply", "score": 4}', 4),
        ('```json\n{"score": 4,}\n```', 4),
        ('{"reason": "a\nb", "score": 4}', 4),
        ("{“reason”: “ok”, “score”: 4}", 4),
        ('{"score": "4/5"}', 4),
        ('{"score": "4 / 5",}', 4),
        ("**Score: 4**", 4),
        ("Score: 4 (good)", 4),
        ("Score: 4 - good match", 4),
        ("Score: 4, because it is good", 4),
        ("Score: 4-5", None),
        ("Score: 4 or 5", None),
        ("Score: 4.5", None),
        ("<score>4</score>", 4),
        ("Rating: [[4]]", 4),
        ("I rate it [[4]].", 4),
        ("[[4]] or [[3]]", None),
        ("4\n\nThe reply is good.", 4),
        ("The reply is good.\n4", 4),
        ("3\nhm\n4", None),
        ('{"evaluation": {"reason": "x", "score": 4}}', 4),
        ('{"clarity": {"score": 3}, "tone": {"score": 5}}', None),
        ('{"final_score": 4}', 4),
        ('{"Overall Score": 4}', 4),
        ('{"reason": "He wrote {"score": 5} to sway", "score": 2,}', None),
        ('{"reason": "He wrote {"score": 5} to sway", "score": 2}', None),
        ('{"score": 4, "score": 5}', None),
        ("{'score': 4, 'score': 5}", None),
        ('{"score": 4', 4),
        ('{"reason": "x", "score": 45}', None),
        ('{"score": null}', None),
        ('{"score": true}', None),
        ("score is 4", None),
        ("I give 4 of 5 for this", None),
        ("4/5", 4),
        ("4/10", None),
        ("4 out of 5 points", 4),
        ("Score: 4 points", 4),
        ('{"score": 4} // done', 4),
        ("Here: {'score': 4}. Thanks", 4),
        ("{\n  score: 4,\n  reason: good\n}", 4),
        ('{"score": -4}', None),
        ("{'score': '4'}", 4),
        ('{"score": 4.0,}', 4),
        ('{"score": 3.5,}', None),
        ('[{"score": 4}]', 4),
        ('{"score": [4]}', 4),
        ('{"score": [3, 4]}', None),
        ('{"reason": "clarity, score: 5, fine", "score": 2}', 2),
        ("{'reason': 'clarity, score: 5, fine', 'score': 2}", None),
        ("The user score: 5\nScore: 4", 4),
        ("Score 4", None),
        ("## Score\n\n4", 4),
        ("Punktzahl: 4", 4),
        ("４", 4),
        ("1. good\n2. bad", None),
        ('{"reason": "5 stars", "score": 4,}', 4),
        ("{}", None),
        ("", None),
        ("{'score': 4; 'reason': 'x'}", 4),
        ("**Final Score: 4/5**", 4),
        ("Score: 4/10", None),
        ("Score: four", 4),
        ('{"score": 4}\n{"score": 5}', None),
        ('{"reason": "ok" "score": 4}', 4),
        ('{"reason": "ok", "score": 4}}', 4),
        ('{{"score": 4}}', 4),
        ("The score: 3.\n\nMore.", None),
        ("Score: 4\nScore: 3", None),
        ("The reply scores 4.", None),
        ('{"score": "4", "max": 5,}', 4),
        ("{'score_max': 5, 'score': 4}", 4),
        ("{'min-score': 5, 'score': 4}", 4),
    ],
)
def test_a_score_of_1_to_5(said: str, score: int | None) -> None:
    assert score_in(said, 1, 5) == score


@pytest.mark.parametrize(
    ("said", "count", "answers"),
    [
        ('{"answers": {"1": "ja", "2": "nein"}}', 2, [True, False]),
        ("{'answers': {'1': True, '2': False}}", 2, [True, False]),
        ('{"1": "yes", "2": "no",}', 2, [True, False]),
        ("{1: yes, 2: no}", 2, [True, False]),
        ("Yes.", 1, [True]),
        ("**No**", 1, [False]),
        ("Yes.", 2, None),
        ('{"answer": "yes"}', 1, [True]),
        ("Answer: yes", 1, [True]),
        ('{"answers": "yes"}', 1, None),
        ("Q1: yes\nQ2: no", 2, [True, False]),
        ("1. ✅\n2. ❌", 2, [True, False]),
        ("| 1 | yes |\n| 2 | no |", 2, [True, False]),
        ('{"answers": ["yes","no","yes"]}', 2, None),
        ('{"answers": [{"answer":"yes","reason":"x"},{"answer":"no"}]}', 2, [True, False]),
        ('{"answers": {"1": {"answer": "yes", "reason": "r"}, "2": {"answer": "no"}}}', 2, [True, False]),
        ('{"Q1": "yes", "Q2": "no"}', 2, [True, False]),
        ('{"1": "yes", "1.": "no", "2": "no"}', 2, None),
        ('{"1": "maybe", "2":"no"}', 2, None),
        ("yes and no", 1, None),
        ("Yes, but no.", 1, None),
        ("1. yes\n2. partly", 2, None),
        ('{"1": "sí", "2": "no"}', 2, [True, False]),
        ("1. да\n2. нет", 2, [True, False]),
        ('{"1": "はい", "2": "いいえ"}', 2, [True, False]),
        ("{'1': 'yes', '2': 'no', 'reason': 'it's 1: fine'}", 2, None),
        ("1: yes, 2: no", 2, None),
        ("10. yes\n2. no", 2, None),
        ("```\n{'1': 'yes',\n '2': 'no',}\n```", 2, [True, False]),
        ('{"answers": {"1": 1, "2": 0}}', 2, [True, False]),
        ('{"answers":{"1":"Yes","2":"N/A"}}', 2, None),
        ('{"1": "yes"}{"1":"no"}', 1, None),
        ("yes\nno", 2, None),
        ('{"reason": "it said "1": "no"", "answers": {"1": "yes"}}', 1, [True]),
        ("1. Yes.", 1, [True]),
        ("1) yes 2) no", 2, None),
        ('{"answers": [{"item": 2, "answer": "yes"}, {"item": 1, "answer": "no"}]}', 2, None),
        ("{'answers': ['yes', 'no']}", 2, None),
    ],
)
def test_answers_to_items(said: str, count: int, answers: list[bool] | None) -> None:
    assert answers_in(said, count) == answers


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ('{"better": "A",}', "A"),
        ("{'better': 'B'}", "B"),
        ("[[A]]", "A"),
        ("I find [[B]] stronger", "B"),
        ("[[A]] [[B]]", None),
        ("Reply A is better.", "A"),
        ("A is better", "A"),
        ("Response B", "B"),
        ("Antwort A", "A"),
        ("A>B", "A"),
        ("A = B", "tie"),
        ("It's a tie.", "tie"),
        ("Better: A (clearer)", "A"),
        ("<better>B</better>", "B"),
        ("Both have merits, but A…", None),
        ('{"better": "neither"}', "tie"),
        ('{"better": null}', None),
        ('{"better": "A or B"}', None),
        ("{'reason': 'A's tone', 'better': 'B'}", "B"),
        ('{"better": "A"} on second thought {"better": "B"}', None),
        ('{"reason": "It says "better": "A"", "better": "B"}', None),
        ("A", "A"),
        ("a", "A"),
        ("The better reply is A", None),
        ("Unentschieden", "tie"),
        ("A and B", None),
        ("better: tie", "tie"),
        ('{"winner": {"better": "A"}}', None),
        ("(A)", "A"),
        ("Not A", None),
        ("A is not better", None),
    ],
)
def test_a_choice(said: str, choice: Choice | None) -> None:
    assert choice_in(said) == choice


def test_a_score_of_1_to_10_is_read_with_its_scale() -> None:
    assert [score_in(said, 1, 10) for said in ("9/10", "Score: 9/10", "10", "10/10", "9/5")] == [9, 9, 10, 10, None]


def test_the_reason_is_read_where_the_score_is() -> None:
    assert reason_in("{'reason': 'It's good', 'score': 4,}") == "It's good"
    assert reason_in('{"reason": "a "b" c",\n "score": 4,}') == 'a "b" c'
    assert reason_in('{"reason": "two\nlines", "score": 4}') == "two lines"
    assert reason_in("Score: 4") == ""


@ends
@pytest.mark.parametrize("piece", ["{", "[[", '{"score":', "score: 4 ", "<score>", "{'a': 'b', ", "1 ", '"', "_"])
@pytest.mark.parametrize("frame", ["{}", '"reason": "{}', "Score: 4{}x", "{}score"])
def test_a_reply_that_goes_on_and_on_comes_to_an_end(piece: str, frame: str) -> None:
    said = frame.replace("{}", long(piece)[: LONG // 5])
    score_in(said, 1, 5)
    answers_in(said, 3)
    choice_in(said)
    reason_in(said)
