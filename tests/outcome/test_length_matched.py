"""A judge's gain where length plays no part, beside that on all replies that differ."""

from __future__ import annotations

import pytest

from promptopt.outcome.length_matched import LengthMatched, alike, from_report, length_matched
from promptopt.types import Score


def pair(old: str, new: str, before: float, after: float, group: str = "") -> tuple[Score, Score, str]:
    return Score(before, old), Score(after, new), group


def liked_for_length(count: int) -> list[tuple[Score, Score, str]]:
    """Of each kind so many: longer ones that gain, ones of a length that do not, and equal ones."""
    longer = [pair("yes", f"yes indeed, number {at}", 0.2, 0.8) for at in range(count)]
    same = [pair(f"so it is {at}", f"so it was {at}", 0.5, 0.5) for at in range(count)]
    return [*longer, *same, *(pair("no", "no", 0.4, 0.4) for _ in range(count))]


def test_a_gain_that_is_length_alone_is_gone_where_replies_are_of_one_length() -> None:
    found = length_matched(liked_for_length(20))
    assert found is not None
    assert (found.mean, found.pairs, found.differing) == (0.0, 20, 40)
    assert found.of_differing == pytest.approx(0.3)
    assert found.ci95 is not None
    assert found.ci95[0] <= 0.0 <= found.ci95[1]
    assert found.sentence().startswith(
        "Length: the new replies are 2.4 times as long as the old ones. 20 of the 40 pairs of replies that differ are "
        "of about one length: there the gain is +0.000 (95 % interval "
    )
    assert found.sentence().endswith("), on all that differ +0.300.")


def test_too_few_pairs_of_one_length_have_no_number() -> None:
    found = length_matched(liked_for_length(9))
    assert found is not None
    assert (found.mean, found.ci95, found.pairs) == (None, None, 9)
    assert "Only 9 of the 18 pairs of replies that differ are of about one length: how much of the gain is length" in (
        found.sentence()
    )
    assert from_report({"length_matched": found.to_json()}) == found


def test_what_it_is_of_and_reads_back() -> None:
    unread = (Score(0.0, "a", judged=False), Score(1.0, "b"), "")
    assert length_matched([unread, pair("a", "a", 0.0, 1.0), pair("", "b", 0.0, 1.0)]) is None
    assert length_matched([]) is None
    assert from_report({}) is None
    thought = pair("<think>long thoughts, which nobody sees</think>yes", "yea", 0.0, 1.0)
    found = length_matched([thought] * 12)
    assert isinstance(found, LengthMatched)
    assert (found.pairs, found.mean, found.longer) == (12, 1.0, 1.0)
    assert from_report({"length_matched": found.to_json()}) == found
    # Turns of one conversation are one.
    grouped = length_matched([pair("yes", "yea", 0.0, 1.0, "one")] * 12)
    assert grouped is not None
    assert grouped.ci95 is not None
    assert found.ci95 is not None
    assert grouped.ci95[0] < found.ci95[0]
    assert alike("a" * 80, "b" * 100)
    assert not alike("a" * 79, "b" * 100)
    assert not alike("same", "same")


def test_conversations_count_once_where_the_gain_beside_it_does() -> None:
    # One long conversation gains, and a short one loses.
    pairs = [pair(f"yes {at}", f"yea {at}", 0.0, 1.0, "long") for at in range(11)] + [pair("no", "on", 1.0, 0.0, "s")]
    turns, chats = length_matched(pairs), length_matched(pairs, "conversation")
    assert turns is not None
    assert chats is not None
    assert (turns.mean, turns.of_differing) == (pytest.approx(10 / 12), pytest.approx(10 / 12))
    assert (chats.mean, chats.of_differing) == (0.0, 0.0)
    assert chats.pairs == turns.pairs == 12


def test_where_no_pair_is_of_one_length_that_is_said() -> None:
    found = length_matched([pair("yes", "yes, with pleasure", 0.0, 1.0)] * 12)
    assert found is not None
    assert "ones. None of the 12 pairs of replies that differ are of about one length: how much" in found.sentence()
