"""Rules that a reply keeps or not, told without a judge."""

from __future__ import annotations

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluators.clauses import Clauses


@pytest.mark.parametrize(
    ("reply", "broken"),
    [
        ("Merci, CAFE\u0301 Zurich", ""),
        ("Thanks", "lacks 'café'"),
        ("café, but Sorry", "says 'sorry'"),
        ("café one two three four five", "has 6 words, 5 are allowed"),
        ("café 17", "does not match [a-z]$"),
        ("", "lacks 'café'; does not match [a-z]$"),
    ],
)
def test_a_reply_keeps_all_clauses_or_is_worth_nothing(reply: str, broken: str) -> None:
    clauses = Clauses(must_contain=("café",), must_not_contain=("sorry",), pattern="[a-z]$", max_words=5)
    found = clauses.judge(reply)
    assert (found.feedback, found.value) == (broken, float(not broken))


def test_nothing_asked_is_kept_and_no_words_at_all_cannot_be_asked() -> None:
    assert Clauses().judge("").value == 1.0
    with pytest.raises(ConfigError, match="max_words is 0"):
        Clauses(max_words=0)
