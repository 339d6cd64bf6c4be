"""Transcripts of a row a turn: whose conversation it is, by which columns, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Reading, conversations_of, is_log


def read(*rows: dict[str, Any]) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


def said(reading: Reading) -> dict[str, list[tuple[str, str]]]:
    return {each.id: [(m.role, m.written) for m in each.messages] for each in reading.conversations}


def test_transcripts_go_by_conversation_and_time() -> None:
    rows = [
        {"session_id": "b", "speaker": "customer", "text": "hello", "time": "1"},
        {"session_id": "a", "speaker": "agent", "text": "hi", "time": "10"},
        {"session_id": "a", "speaker": "customer", "text": "hey", "time": "9"},
    ]
    assert said(read(*rows)) == {"b": [("user", "hello")], "a": [("user", "hey"), ("assistant", "hi")]}


@pytest.mark.parametrize(
    ("session", "time"),
    [
        ("Ticket ID", "Created At"),
        ("ticketId", "createdAt"),
        ("TICKET-ID", "created_at"),
        ("conversationId", "Sent at"),
    ],
)
def test_columns_are_known_however_their_words_are_joined(session: str, time: str) -> None:
    rows = [
        {session: 7, "Speaker": "Agent", "Message": "hi", time: "2026-01-02 10:05"},
        {session: 7, "Speaker": "Customer", "Message": "hey", time: "2026-01-02 10:00"},
    ]
    assert is_log(rows[0])
    assert said(read(*rows)) == {"7": [("user", "hey"), ("assistant", "hi")]}


@pytest.mark.parametrize(
    ("first", "second"),
    [("9", "10"), ("2026-01-09T10:00", "2026-01-10 09:00"), ("2026-01-09T10:00+02:00", "2026-01-09T09:00Z"),
     ("2026-01-09", "2026-01-09 08:00")],
)  # fmt: skip
def test_turns_go_by_the_moment_and_not_by_its_spelling(first: str, second: str) -> None:
    rows = [
        {"chat_id": "a", "role": "assistant", "content": "hi", "timestamp": second},
        {"chat_id": "a", "role": "user", "content": "hey", "timestamp": first},
    ]
    found = read(*rows)

    assert said(found) == {"a": [("user", "hey"), ("assistant", "hi")]}
    assert found.unordered == ()


@pytest.mark.parametrize(("first", "second"), [("1/9/2026 10:00", "1/10/2026 9:00"), ("", "7"), ("nan", "1")])
def test_turns_whose_times_cannot_be_read_stay_in_the_order_of_the_rows_and_it_is_known(
    first: str, second: str
) -> None:
    rows = [
        {"chat_id": "b", "role": "user", "content": "alone", "timestamp": "yesterday"},
        {"chat_id": "a", "role": "user", "content": "hey", "timestamp": first},
        {"chat_id": "a", "role": "assistant", "content": "hi", "timestamp": second},
    ]
    found = read(*rows)

    assert said(found)["a"] == [("user", "hey"), ("assistant", "hi")]
    assert found.unordered == (2,)
