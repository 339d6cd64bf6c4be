"""A row of a log may hold anything where a name or a number should stand: it is read, or told by its row."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import conversations_of, is_log

HUGE = 10**400
DIGITS = "1" * 5_000


def said(row: dict[str, Any]) -> list[tuple[str, str]]:
    found = conversations_of([(1, row)]).conversations
    return [(message.role, message.content) for each in found for message in each.messages]


@pytest.mark.parametrize(
    ("weight", "read"), [(HUGE, float("inf")), (-HUGE, float("-inf")), (DIGITS, float("inf")), (True, 1.0), ("x", None)]
)
def test_a_weight_of_any_size_is_one(weight: object, read: float | None) -> None:
    turns = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In Graz.", "weight": weight}]
    (found,) = conversations_of([(1, {"messages": turns})]).conversations
    assert found.weights == (None, read)


@pytest.mark.parametrize("rank", [HUGE, -HUGE, 1.5])
def test_a_rank_of_any_size_orders_replies(rank: float) -> None:
    replies = [
        {"rank": rank, "text": "In Linz.", "role": "assistant"},
        {"rank": 0, "text": "In Graz.", "role": "assistant"},
    ]
    best = "In Linz." if rank < 0 else "In Graz."
    assert said({"prompt": {"text": "Where?", "role": "prompter", "replies": replies}})[-1] == ("assistant", best)


@pytest.mark.parametrize("role", [["user"], {"name": "user"}, [[]], HUGE])
def test_an_activity_whose_role_is_no_name_is_no_turn(role: object) -> None:
    row: dict[str, Any] = {"conversation": {"id": "c"}, "from": {"role": role}, "type": "message", "text": "Where?"}
    assert said(row) == []


@pytest.mark.parametrize("role", [1, 1.0, "user"])
def test_an_activity_tells_by_number_or_word_that_the_user_speaks(role: object) -> None:
    row: dict[str, Any] = {"conversation": {"id": "c"}, "from": {"role": role}, "type": "message", "text": "Where?"}
    assert said(row) == [("user", "Where?")]


@pytest.mark.parametrize("kind", [["x"], {"a": 1}, None, HUGE])
def test_items_of_no_kind_are_no_transcript(kind: object) -> None:
    row = {"items": [{"kind": kind, "body": "Where?"}]}
    assert (said(row), is_log(row)) == ([], False)


def test_a_number_of_thousands_of_digits_is_no_place_in_a_list() -> None:
    row = {"attributes": {f"gen_ai.prompt.{DIGITS}.content": "Where?"}}
    assert said(row) == []
