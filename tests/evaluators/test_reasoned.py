"""A claim with its reason names the label, though the reason names another."""

from __future__ import annotations

import pytest

from promptopt.evaluators.readers import resolve

LABELS = ("positive", "negative")


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The review is negative because the positive aspects are few.", "negative"),
        ("I think it's positive, although some may see it as negative.", "positive"),
        ("This is positive since what is negative is outweighed.", "positive"),
        ("The tweet is positive even though the user had negative experiences.", "positive"),
        ("It's negative due to more negative than positive words.", "negative"),
        ("I consider this text positive given that negative words are rare.", "positive"),
    ],
)
def test_the_claim_before_a_reason_is_the_answer(reply: str, label: str) -> None:
    assert resolve("label", LABELS)(reply) == label


@pytest.mark.parametrize(
    "reply",
    [
        # It wavers.
        "It could be positive because of the start, or negative.",
        "It seems positive because of its words, and negative in its tone.",
        # It turns.
        "It is positive because of the start, but negative in the end.",
        "I was tempted to say positive because of the words. Overall, negative.",
        "It is positive because of the words. Wait, negative.",
        # It claims both, or neither.
        "The text is positive or negative because of who reads it.",
        "The text is neither positive nor negative because it is neutral.",
        # Another sentence stands before the reason, or no claim does.
        "The words are positive. The tone is not, because it is negative and positive.",
        "Because positive words and negative ones balance.",
    ],
)
def test_what_is_no_plain_claim_is_not_read_as_one(reply: str) -> None:
    assert resolve("label", LABELS)(reply) is None
