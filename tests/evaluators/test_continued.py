"""Replies that go on with another example, ticks and crosses, and what stands beside a number."""

from __future__ import annotations

import pytest

from promptopt.evaluators.continued import read_first
from promptopt.evaluators.readers import resolve

SENTIMENT = ("positive", "negative")

NUMBERS = {
    "A: 12\n\nQ: What is 3 + 4?\nA: 7": "12",
    "12\n\nQuestion: Tom has 5 apples. How many are left?\nAnswer: 3": "12",
    "12 apples\n---\nInput: 5 and 6\nOutput: 11": "12",
    "So he has 8 marbles. The answer is 8.\n\nQuestion: Sue has 9 cats.\nAnswer: 9 * 4 = 36. The answer is 36.": "8",
    "16 - 7 = 9, 9 * 2 = 18\n#### 18\n\nQuestion: A robe takes 2 bolts.\nAnswer: 3\n#### 3": "18",
    "18\n\nUser: thanks! And 20 + 3?\nAssistant: 23": "18",
    "7\n\n问题：8 + 9 = ?\n答案：17": "7",
    # No answer stands before these, or they are the steps of one working.
    "Let's break it down.\n\nQuestion: how many are left?\nAnswer: 5": "5",
    "Step 1 of 2.\n\nQuestion: 3 + 4?\n\nAnswer: 7": "7",
    "Input: 3 and 4.\nOutput: 7": "7",
    "Question 1: How many? Answer 1: 12\nQuestion 2: How many left? Answer 2: 5\nThe final answer is 7": "7",
    # Times of the day are no numbers.
    "5pm": None,
    "Answer: 3 PM": None,
    "at 10 a.m.": None,
    "at 7 o'clock": None,
    "From 9am to 5pm is 8 hours.": "8",
    "5 pmol": "5",
    "I am 5 years old.": "5",
    # Brackets behind a number.
    "5 km (5000 m)": None,
    "The trip takes 2 hours (120 minutes).": None,
    "The area is 20 (4 by 5).": "20",
    "There are 3 trips ($45)": None,
    "3 (i.e. 3.0)": "3",
    "14 (rounded from 13.8)": "14",
    "14 (≈ 13.8)": "14",
    "15 apples (10 + 5)": "15",
    "f(2) = 8": "8",
    "P(A) = 0.3": "0.3",
    # How sure it is, sources, steps.
    "12 (I'm 90% sure)": "12",
    "12. Confidence: 90%": "12",
    "I am 80% certain the answer is 5.": "5",
    "80% sure": "80",
    "12 [1]": "12",
    "12.[1][3]": "12",
    "[7]": "7",
    "The answer is [7]": "7",
    "Step 1: add.\nStep 2: multiply.\nThe answer is seventeen.": None,
    "Step 1: 5 + 5 = 10.\nStep 2: done": "10",
    "The answer is two, as 3 is too many.": None,
    "The answer is twenty-one (21).": "21",
    # Fractions and multiples that are no plain numbers.
    r"\boxed{\pi/4}": None,
    r"\boxed{\frac{\pi}{4}}": None,
    r"\boxed{\frac{3}{4}\pi}": None,
    r"\frac{\sqrt{3}}{2}": None,
    r"\boxed{0.\overline{3}}": None,
    r"$\frac{x}{2} = 3$": "3",
}

CHOICES = {
    "B\n\nQuestion: What is 2+2?\n(A) 3\n(B) 4\nAnswer: A": "(B)",
    "Answer: B\n\nQ: next one\nAnswer: C": "(B)",
    "B\nUser: are you sure?\nAssistant: C": "(B)",
    "Question 3: B": "(B)",
    "Question 1: A\nQuestion 2: B": None,
    "❌ A\n✅ B\n❌ C": "(B)",
    "[ ] A\n[x] B\n[ ] C": "(B)",
    "A. Paris ❌\nB. London ✅": "(B)",
    "A ❌ B ✅ C ❌": "(B)",
    "✅ A\n✅ B\n❌ C": None,
    "❌ A": None,
    "✅ C": "(C)",
    "Answer: ✅ D": "(D)",
    "❌ A is wrong. The answer is B.": "(B)",
    # Of statements that are named by letters.
    "P ✅\nQ ❌\nAnswer: C": "(C)",
    "✅ R\n❌ S\nSo the answer is (D).": "(D)",
    "❌ A\n✅ B\n\\boxed{B}": "(B)",
    "A) Paris ❌\nB) Rome ✅\n\nAnswer: A is wrong, so B": "(B)",
}

LABELS = {
    "positive\n\nReview: It was dull.\nSentiment: negative": "positive",
    "The sentiment is negative.\n\nReview: I loved it.\nThe sentiment is positive.": "negative",
    "Answer: positive\n\nReview 2: awful.\nAnswer: negative": "positive",
    "Sentiment: negative\n\nSentence: nice\nSentiment: positive": "negative",
    "Let me think.\n\nReview: great movie\nSentiment: positive, not negative": "positive",
    "Sure!\nReview: I hate it, it is not positive\nSentiment: negative": "negative",
    "❌ negative": "negative",
    "✅ positive": "positive",
    "❌ negative\n✅ positive": "positive",
    "positive ✅ negative ❌": "positive",
    "positive ❌\nnegative ✅": "negative",
    "● positive ○ negative": "positive",
    "(✓) positive ( ) negative": "positive",
    "**positive**: ✔\n**negative**: ✘": "positive",
    "✅ positive\n✅ negative": None,
    "❌ positive\n❌ negative": None,
    "[x] positive [x] negative": None,
    "✅ positive\n✅ positive, ❌ negative": "positive",
    "positive (10 %), negative (90 %)": None,
    "positive 0.1, negative 0.9": None,
    "Label: positive\npositive: 0.9\nnegative: 0.1": "positive",
    "I can't tell whether it is positive.": None,
    "It is unclear if it is positive or negative.": None,
    "It's hard to say whether this is negative": None,
    "Unclear, but I'd say positive.": "positive",
    "Hard to say. Positive.": "positive",
}


@pytest.mark.parametrize("reply", NUMBERS)
def test_the_number_of_the_first_answer_is_read_without_what_stands_beside_it(reply: str) -> None:
    assert resolve("number")(reply) == NUMBERS[reply]


@pytest.mark.parametrize("reply", CHOICES)
def test_the_option_of_the_first_answer_is_read_and_the_one_with_the_tick(reply: str) -> None:
    assert resolve("choice")(reply) == CHOICES[reply]


@pytest.mark.parametrize("reply", LABELS)
def test_the_label_of_the_first_answer_is_read_and_the_one_with_the_tick(reply: str) -> None:
    assert resolve("label", SENTIMENT)(reply) == LABELS[reply]


@pytest.mark.parametrize(
    "said", ["", "\n", "Question:", "Question: x", "one line", "\n\nQuestion: 3?\nAnswer: 4", "a:\nQ: b"]
)
def test_what_has_no_answer_before_another_question_is_kept_whole(said: str) -> None:
    assert read_first(said, lambda text: text) == said


HEADINGS = (
    "**Analysis**", "# Classification", "Sentiment Analysis Result", "Result\n======", "Certainly!", "Of course!",
    "Great question!", "Breakdown", "Text 1", "Question 2", "Topic: films", "The topic is films.",
    "Category: Electronics", "The response is below.", "Given a = 5, b = 6.", "We have a = 5.",
    "Option A: dull\nOption B: fine", "A: dull\nB: fine", "The label is one of positive and negative.",
    "The sentiment is to be determined.",
)  # fmt: skip
"""Lines that a reply of one question begins with, before it repeats the question."""


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
@pytest.mark.parametrize("field", ["Question", "**Text:**", "Review 1"])
def test_a_heading_before_the_question_is_no_first_answer(heading: str, gap: str, field: str) -> None:
    whole = f"{heading}{gap}{field}: it was dull\n"
    assert resolve("number")(f"{whole}Answer: 11") == "11"
    assert resolve("choice")(f"{whole}Answer: C") == "(C)"
    assert resolve("label", SENTIMENT)(f"{whole}Sentiment: negative") == "negative"


@pytest.mark.parametrize(
    ("head", "again"),
    [
        ("Sentiment: mixed", "Sentiment: negative"),
        ("The sentiment is mixed.", "The sentiment is negative."),
        ("Answer: who knows", "Answer: negative"),
        ("#### none", "#### negative"),
        ("A: who knows", "A: negative"),
    ],
)
def test_a_first_answer_that_cannot_be_read_is_not_made_up_for_by_the_next_example(head: str, again: str) -> None:
    reply = f"{head}\n\nReview: awful\n{again}"
    assert resolve("label", SENTIMENT)(reply) is None


@pytest.mark.parametrize("word", ["unsure", "Undecided", "unclear", "uncertain"])
def test_a_dash_ends_what_a_reply_is_unsure_of(word: str) -> None:
    assert resolve("label", (*SENTIMENT, "neutral"))(f"{word} - neutral") == "neutral"
    assert resolve("label", SENTIMENT)(f"{word} if positive") is None
