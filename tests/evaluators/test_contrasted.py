"""Answers that name another one only to set it aside: "B rather than A", "15 out of 20"."""

from __future__ import annotations

import pytest

from promptopt.evaluators.numerals import number
from promptopt.evaluators.options import choice

CHOSEN = {
    "Not A, but B.": "(B)",
    "not (A) but (B)": "(B)",
    "It is not option A, but rather option B.": "(B)",
    "The answer is not A but B.": "(B)",
    "B rather than A": "(B)",
    "A rather than B": "(A)",
    "(B) instead of (A)": "(B)",
    "I would take B over A.": "(B)",
    "It is B as opposed to C.": "(B)",
    "I choose option B instead of option A": "(B)",
    "<b>B</b>": "(B)",
    "<p>B</p>": "(B)",
    '<span class="answer">B</span>': "(B)",
    "Answer: <strong>B</strong>": "(B)",
    "<em>(B)</em>": "(B)",
}
UNDECIDED = ("A or B", "not A", "Not A. Not B.", "rather than A", "<b>A</b> or <b>B</b>")
NUMBERS = {
    "15 rather than 16": "15",
    "15 instead of 16.": "15",
    "15 as opposed to 16": "15",
    "Instead of 16, it is 15.": "15",
    "15 out of 20": "15",
    "15 out of 20 students passed.": "15",
    "15 of 20": "15",
    "The answer is 15 out of 20.": "15",
    "half of 20": "20",
}


@pytest.mark.parametrize("reply", CHOSEN)
def test_an_option_that_is_set_against_another_is_chosen(reply: str) -> None:
    assert choice(reply) == CHOSEN[reply]


@pytest.mark.parametrize("reply", UNDECIDED)
def test_an_option_that_is_only_turned_down_chooses_none(reply: str) -> None:
    assert choice(reply) is None


@pytest.mark.parametrize("reply", NUMBERS)
def test_a_number_that_another_is_set_against_is_the_answer(reply: str) -> None:
    assert number(reply) == NUMBERS[reply]
