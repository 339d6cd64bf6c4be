"""A judge that takes its verdict back says two things, and so nothing; one that goes on to say why says one."""

from __future__ import annotations

import pytest

from promptopt.evaluators.judge_reply import Choice, answers_in, choice_in, score_in
from tests.ends import LONG, ends, long

TAKEN_BACK = [
    "Score: 4\nActually 3",
    "Score: 4\nActually, 3.",
    "Score: 4\nActually, three.",
    "Score: 4\nActually, score: 3",
    "Score: 4\n\nWait, that should be 3.",
    "Score: 4\nOn second thought, 3.",
    "Score: 4\nOn reflection: 3/5",
    "Score: 4\nCorrection: 3",
    "Score: 4\nNo, 3.",
    "Score: 4\nHmm, make that 3",
    "Score: 4\nScratch that. 3.",
    "Score: 4\nI take that back: 3",
    "Score: 4\nI'd lower it to 3.",
    "Score: 4. The tone is fine.\nActually I would give it a 3.",
    "Score: 4\nSorry, 3 is fairer.",
    '{"score": 4}\nActually 3',
    '{"score": 4} Wait, 3 is fairer.',
    '{"score": 4}\nScore: 3',
    "{'score': 4}\nActually, 3",
    "<score>4</score>\nActually 3",
    "4\nActually 3",
    "[[4]]\nActually, 3",
    "[[4]]\nActually [[3]]",
    "Score: 4\nNo\n3",
    "Score: 4\nNo, one.",
    "Score: 4\nActually, 3. The tone is off.",
    "Score: 4\nActually, 3 points, as the date is missing.",
    "Score: 4\nActually, 3 out of 5.",
    "Score: 4\nActually, a 3 would be fair.",
    "Score: 4\nActually, 3 is the right score.",
    "Score: 4\nActually, I'd give it a 3 for clarity.",
    "Punktzahl: 4\nMoment, doch 3.",
    "评分：4\n更正：3",
]
KEPT = [
    "Score: 4\nActually quite good.",
    "Score: 4\nActually, 4.",
    "Score: 4\nActually, the reply has 2 small errors.",
    "Score: 4\nActually, it costs 3.",
    "Score: 4\nActually, it arrives on 3 May.",
    "Score: 4\nActually, order 3 is named.",
    "Score: 4\nActually 17.",
    "Score: 4\nNo 3rd party is named.",
    "Score: 4\nNo, the reply does not name H17.",
    "Score: 4\nWait times of 3 days are not named.",
    "Score: 4\nReason: it has 3 faults.",
    "Score: 4\nNo one is named.",
    "Score: 4\nNo 5: the date is missing.",
    "Score: 4\nNo 5, because the date is missing.",
    "Score: 4\nNo item 3.",
    "Score: 4\nNo, 3 would be too low.",
    "Score: 4\nActually, a 5 would need the date.",
    "Score: 4\nHmm, 5 seems too high.",
    "Score: 4\nActually, 5 is for replies without faults.",
    "Score: 4\nActually, question 2 is answered.",
    "Score: 4\nActually, item 3 is met.",
    "Score: 4\nI'd revise item 3.",
    "Score: 4\nNo, the answer is 3.",
    "Score: 4\nIn fact, one may ask for more.",
    "Score: 4\nActually, 2, 3 and 4 are right.",
    "Score: 4\nActually, 3 out of 4 steps are right.",
    "Score: 4\nActually, 3 of 4.",
    "Score: 4\nIn fact, 2.5 hours are named.",
    "Score: 4\nIn fact 3 points are made.",
    "Score: 4\nActually 3 stars is what the customer gave.",
    "Score: 4\nI would raise it to 5, if it named the date.",
    "Score: 4\nI would revise: 1. the greeting; 2. the date",
    "Score: 4\nActually (1) it is short.",
    "Score: 4\nNo.\n1. The date is missing.\n2. The name is.",
    "得分：4\n其实 3 分钟足够。",
    "Score: 4\n1. polite\n2. short",
    "Wait, 3 is too low.\nScore: 4",
    '{"reason": "Actually 3 is too low", "score": 4}',
    "Score: 3\nCorrected score: 4",
    "Score: 3\nRevised rating: 4/5",
]


@pytest.mark.parametrize("said", TAKEN_BACK)
def test_a_score_that_is_taken_back_is_none(said: str) -> None:
    assert score_in(said, 0, 5) is None


@pytest.mark.parametrize("said", KEPT)
def test_a_score_that_is_only_spoken_of_further_stays(said: str) -> None:
    assert score_in(said, 0, 5) == 4


@pytest.mark.parametrize(
    ("said", "count", "answers"),
    [
        ("Answer: yes\nActually no", 1, None),
        ('{"answers": {"1": "yes"}}\nActually no.', 1, None),
        ('{"answers": {"1": "yes", "2": "no"}}\nWait, item 1: no', 2, None),
        ('{"answers": {"1": "yes", "2": "no"}}\nWait, item 2: no', 2, [True, False]),
        ('{"answers": {"1": "yes", "2": "no"}}\nWait, item 7: no', 2, [True, False]),
        ("1. yes\n2. yes\nActually, no.", 2, None),
        ('{"answers": {"1": "yes"}}\nNo other faults.', 1, [True]),
        ('{"answers": {"1": "yes"}}\nActually, no issues were found.', 1, [True]),
    ],
)
def test_so_is_an_answer(said: str, count: int, answers: list[bool] | None) -> None:
    assert answers_in(said, count) == answers


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("Better: A\nActually B", None),
        ('{"better": "A"}\nActually B.', None),
        ('{"better": "A"} Wait, B is better.', None),
        ("Better: A\nOn second thought, it is a tie.", None),
        ("[[A]]\nActually, B", None),
        ('{"better": "A"}\nActually, A is the better one.', "A"),
        ('{"better": "A"}\nActually, a close call.', "A"),
        ('{"better": "A"}\nActually, B is too long.', "A"),
        ("Better: A\nActually, B wins.", None),
        ("Better: A\nActually, A wins.", "A"),
        ("Better: A\nActually, B is slightly better overall.", None),
        ("Better: A\nIn fact, A is slightly better overall.", "A"),
        ("Better: A\nNo tie here.", "A"),
        ("Better: A\nActually, equal in tone, but A is right.", "A"),
        ("Better: A\nActually, tie-breaker: the date.", "A"),
        ("Better: A\nIn fact, B is better in tone only.", "A"),
        ("Better: A\nActually B wins on tone, A on facts.", "A"),
    ],
)
def test_so_is_a_choice(said: str, choice: Choice | None) -> None:
    assert choice_in(said) == choice


@ends
@pytest.mark.parametrize(
    "piece", ["\n", " \n", "no, ", "actually ", "wait it is the ", "—", "Actually, it is - ", "No\n", "No 3, "]
)
def test_a_judge_that_goes_on_and_on_is_read_in_time(piece: str) -> None:
    behind = long(piece)[: LONG // 5]
    assert score_in(f'{{"score": 4}}\n{behind}', 0, 5) == 4
    assert choice_in(f"Better: A\n{behind}") == "A"
