"""Transcripts of a row a turn: whose conversation it is, by which columns, and in which order."""

from __future__ import annotations

import json
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


PAIR = [("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")]


@pytest.mark.parametrize(
    ("asks", "answers"),
    [("user_message", "bot_response"), ("Question", "Answer"), ("prompt", "response"), ("query", "answer"),
     ("customer text", "agent reply")],
)  # fmt: skip
def test_rows_of_a_turn_of_each_are_one_conversation(asks: str, answers: str) -> None:
    given = (("s", 2, "q2", "a2"), ("s", 1, "q1", "a1"), ("t", 1, "q3", ""))
    rows = [{"Chat ID": chat, "turn": turn, asks: asked, answers: answered} for chat, turn, asked, answered in given]
    assert is_log(rows[0])
    assert said(read(*rows)) == {"s": PAIR, "t": [("user", "q3")]}


EXCHANGES = [
    lambda asked, answered: {"inputTranscript": asked, "messages": [{"contentType": "PlainText", "content": answered}]},
    lambda asked, answered: {"queryResult": {"queryText": asked, "fulfillmentText": answered}},
    lambda asked, answered: {"queryResult": {"text": asked, "responseMessages": [{"text": {"text": [answered]}}]}},
    lambda asked, answered: {"request": {"queryInput": {"text": {"text": asked}}},
                             "response": {"queryResult": {"responseMessages": [{"text": {"text": [answered]}}]}}},
    lambda asked, answered: {"request": {"input": {"text": asked}},
                             "response": {"output": {"generic": [{"response_type": "text", "text": answered}]}}},
]  # fmt: skip


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_exchanges_of_programs_that_know_intents_are_turns(exchange: Any) -> None:
    first, second = exchange("q1", "a1"), exchange("q2", "a2")
    rows = [{"sessionId": "s", "timestamp": f"2026-01-01T10:0{place}:00Z", **each}
            for place, each in ((2, second), (1, first))]  # fmt: skip
    listed = {"interactions": [{"createTime": "2026-01-01T10:02:00Z", **second},
                               {"createTime": "2026-01-01T10:01:00Z", **first}]}  # fmt: skip
    assert said(read(*rows)) == {"s": PAIR}
    assert said(read(listed)) == {"row 1": PAIR}


def test_an_exchange_that_an_event_began_is_a_greeting() -> None:
    exchanges = [EXCHANGES[3]("", "Hello!"), EXCHANGES[3]("q1", "a1"), EXCHANGES[3]("q2", "a2")]
    assert said(read({"interactions": exchanges})) == {"row 1": [("assistant", "Hello!"), *PAIR]}


def test_samples_without_a_session_are_no_chats() -> None:
    assert not is_log({"question": "q", "answer": "a"})
    assert not is_log({"prompt": "q", "response": "a", "id": "7"})


def test_a_row_that_names_no_conversation_stands_alone() -> None:
    rows = [{"session_id": name, "role": role, "text": role} for name in ("", None) for role in ("user", "assistant")]
    assert said(read(*rows)) == {f"row {place}": [(row["role"], row["role"])] for place, row in enumerate(rows, 1)}


CALL = [{"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}]
USED = {"type": "tool-find", "toolCallId": "c", "state": "output-available", "input": {}, "output": "ok"}


@pytest.mark.parametrize("write", [json.dumps, lambda value: value])
@pytest.mark.parametrize(
    "rows",
    [
        [("assistant", "", {"tool_calls": CALL}), ("tool", "ok", {"tool_call_id": "c"}), ("assistant", "done", {})],
        [("assistant", [USED, {"type": "text", "text": "done"}], {})],
    ],
)
def test_calls_of_tools_in_rows_of_a_turn_are_kept(rows: list[Any], write: Any) -> None:
    """As JSON, where a table holds them, and as lists."""
    listed = [{"chatId": "s", "role": role, "content": content if isinstance(content, str) else write(content),
               **{name: value if isinstance(value, str) else write(value) for name, value in more.items()}}
              for role, content, more in [("user", "go", {"tool_calls": None, "tool_call_id": ""}), *rows]]  # fmt: skip
    assert said(read(*listed)) == {"s": [("user", "go"), ("assistant", "find({})"), ("tool", "ok"),
                                         ("assistant", "done")]}  # fmt: skip


def test_what_a_speaker_is_goes_before_the_name() -> None:
    rows = [{"ticket": "s", "author": name, "Sender Type": kind, "text": name}
            for name, kind in (("Ann", "End-User"), ("Bob", "AI Agent"))]  # fmt: skip
    assert said(read(*rows)) == {"s": [("user", "Ann"), ("assistant", "Bob")]}


@pytest.mark.parametrize("write", [json.dumps, lambda value: value])
@pytest.mark.parametrize("column", ["message", "Data"])
@pytest.mark.parametrize(
    "message",
    [lambda kind, text: {"type": kind, "data": {"type": kind, "content": text}},
     lambda kind, text: {"type": kind, "content": text, "additional_kwargs": {}}],
)  # fmt: skip
def test_a_column_may_hold_whole_messages(message: Any, column: str, write: Any) -> None:
    turns = [("human", "q1"), ("ai", "a1"), ("human", "q2"), ("ai", "a2")]
    rows = [{"id": place, "session_id": "s", column: write(message(*turn))} for place, turn in enumerate(turns)]
    assert is_log(rows[0])
    assert said(read(*rows, {"id": 9, "session_id": "s", column: None})) == {"s": PAIR}


def test_a_message_beside_its_answer_is_no_turn_of_a_transcript() -> None:
    row = {"session_id": "s", "message": {"role": "user", "content": "q1"}, "response": "a1"}
    assert said(read(row)) == {"s": PAIR[:2]}


@pytest.mark.parametrize(
    "hidden",
    [{"Public": "false"}, {"public": "0"}, {"Is Public": "no"}, {"Comment Type": "Internal Note"}, {"Type": "note"},
     {"Visibility": "Internal"}, {"Is Private": "TRUE"}, {"part_type": "note_and_reopened"}],
)  # fmt: skip
def test_what_colleagues_tell_each_other_is_no_turn_however_the_column_is_written(hidden: dict[str, str]) -> None:
    turns = [("end-user", "Where?", {}), ("agent", "A thief!", hidden), ("agent", "Here.", {})]
    rows = [{"Ticket ID": "7", "Author Role": role, "Message": text, **more} for role, text, more in turns]

    assert said(read(*rows)) == {"7": [("user", "Where?"), ("assistant", "Here.")]}


def test_html_is_text_in_a_table_too_and_a_picture_in_it_is_told() -> None:
    texts = ["<p>Where is<br>it?</p>", "<div>Here &amp; there.</div>"]
    rows = [{"conversation_id": "7", "speaker": speaker, "text": text}
            for speaker, text in zip(("customer", "agent"), texts, strict=True)]  # fmt: skip

    assert said(read(*rows)) == {"7": [("user", "Where is\nit?"), ("assistant", "Here & there.")]}
    pictured = {"conversation_id": "8", "speaker": "customer", "text": "<p><img src='a.png'></p>"}
    (refused,) = read(*rows, pictured).refused
    assert refused.startswith("a message has a picture")


def test_a_table_whose_cells_are_all_json_holds_their_texts() -> None:
    row = {"id": "o1", "name": "chat", "input": [{"role": "user", "content": "Where?"}], "output": 'In "Graz".\n',
           "usage": {}, "sessionId": "7"}  # fmt: skip
    cells = {name: json.dumps(value) for name, value in row.items()}

    assert said(read(cells)) == {"7": [("user", "Where?"), ("assistant", 'In "Graz".\n')]}
    # Where one cell is none, what stands in quotes was said so.
    quoted = said(read({**cells, "name": "chat"}))
    assert quoted['"7"'][1] == ("assistant", json.dumps(row["output"]))
