"""Replies that hold an answer in plain words, beside what looks like an offer, a place or a correction."""

import pytest

from promptopt.evaluators.readers import resolve

NUMBERS = {
    # What looks like an offer is a part of the working, or has the answer behind it.
    "There are 4 children.\nIf you need 5 apples for each, that makes 20 apples.": "20",
    "There are 4 rows.\nIf you want 6 in each, 24 seats are needed.": "24",
    "There are 4 steps.\nI hope this helps! The final answer is 42.": "42",
    "We add 3 and 4.\nLet me know if it is unclear. Answer: 7": "7",
    "We have 42.\nIf you want, I can show 3 other ways.": "42",
    "We have 42.\nIf you need more, feel free to ask for 2 examples.": "42",
    "We have 42.\nDo you want me to check: 3 more?": "42",
    "We have 42. Let me know: 3 other ways exist.": "42",
    # A place is what was asked for.
    "Of the 10 paragraphs, the answer is in paragraph 4.": "4",
    "There are 40 lines; the error is in line 12.": "12",
    "The first of 30 was found on page 2, by table 5": "2",
    # Pence, volts and billions; and a word.
    "The answer is 50p.": "50",
    "Answer: 12v": "12",
    "The answer is 5b.": "5",
    "The answer is a -5% change.": "-5",
    r"\boxed{2p + 1}": None,
    r"\boxed{3b}": None,
    "The answer is 2p + 1.": None,
    r"\boxed{3b^2}": None,
    r"\boxed{a - 5}": None,
    r"\boxed{a-5}": None,
    # Only the field of the answer itself is one.
    '{"answer": 5, "wrong_answer": 7}': "5",
    "answer: 5\ninitial_answer: 3": "5",
    "answer: 5\nfinal_answer: 3": "3",
    # Nothing is taken back.
    "The answer is 12. Actually, you could also verify this by adding.": "12",
    "#### 12\nSorry, I cannot draw a picture.": "12",
    "The answer is 12. Wait, that is wrong.": None,
    "The answer is 12. Wait, I made a mistake.": None,
    "The answer is 12. Wait, no.": None,
    "The answer is 12. Hmm, that's not right.": None,
}
OPTIONS = {
    "The answer is B. Actually, you could also look it up.": "(B)",
    "Answer: B. Sorry, I cannot draw a picture.": "(B)",
    "Answer: B. Wait, that is wrong.": None,
    "Answer: B. Wait, C or D.": None,
    "Answer: B. Wait, it is A.": None,
}
LABELS = {
    "The user asks about negative rates because they want to know; the tone is positive.": None,
    "The text mentions a positive outcome since 2010. It is negative.": None,
    "The reviewer expected a negative experience because of rumours. It is positive.": None,
    "It is not negative at all.\nI hope this helps! Sentiment: positive": "positive",
    "I classify the text as negative because its positive parts are few": "negative",
    "I'd call it a clearly negative review since nothing positive is said": "negative",
}


@pytest.mark.parametrize(("reply", "answer"), NUMBERS.items())
def test_numbers(reply: str, answer: str | None) -> None:
    assert resolve("number")(reply) == answer


@pytest.mark.parametrize(("reply", "answer"), OPTIONS.items())
def test_options(reply: str, answer: str | None) -> None:
    assert resolve("choice")(reply) == answer


@pytest.mark.parametrize(("reply", "label"), LABELS.items())
def test_labels(reply: str, label: str | None) -> None:
    assert resolve("label", ("positive", "negative"))(reply) == label
