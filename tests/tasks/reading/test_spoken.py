"""Turns as programs for people's chats write them, in lists, in a cell and in two columns; and what are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Conversation, conversations_of, is_log

ASKED, ANSWERED = "Where is 7?", "In Graz: at the post."
TURNS = [("user", ASKED), ("assistant", ANSWERED)]


def only(row: dict[str, Any], **how: Any) -> Conversation:
    (found,) = conversations_of([(1, row)], **how).conversations
    return found


def said(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in only(row).messages]


@pytest.mark.parametrize("container", ["conversations", "dialogue", "turns", "exchanges", "transcript", "history"])
@pytest.mark.parametrize(
    ("speaker", "text", "asks", "answers"),
    [("from", "value", "human", "bard"), ("from", "text", "User", "Bot"), ("speaker", "text", "customer", "agent"),
     ("author", "message", "user", "bing"), ("sender", "body", "Visitor", "Chatbot"),
     ("participant", "utterance", "client", "claude"), ("role", "message", "user", "assistant"),
     ("speaker", "content", "caller", "Operator")],
)  # fmt: skip
def test_a_turn_is_known_in_any_spelling(container: str, speaker: str, text: str, asks: str, answers: str) -> None:
    row = {container: [{speaker: asks, text: ASKED}, {speaker: answers, text: ANSWERED}]}
    assert is_log(row)
    assert said(row) == TURNS


@pytest.mark.parametrize("name", ["author", "sender", "speaker"])
def test_texts_by_people_are_no_conversation(name: str) -> None:
    assert not is_log({"history": [{name: "Ann", "text": "A fine tent."}, {name: "Bob", "text": "It leaks."}]})


@pytest.mark.parametrize(
    "cell",
    [
        f"Customer: {ASKED}\nAgent: {ANSWERED}",
        f"\n  USER : {ASKED}\n\nassistant: {ANSWERED}\n",
        f"[10:05] Visitor: {ASKED}\n[10:06] Support (Ann): {ANSWERED}",
        f"27/11/2026, 09:05 - Customer: {ASKED}\n27/11/2026, 09:06 - Virtual agent: {ANSWERED}",
        f"11/27/26, 9:05 PM - Customer: {ASKED}\n11/27/26, 9:06 PM - Agent: {ANSWERED}",
        f"2026-01-02 10:05 client: {ASKED}\r\n2026-01-02 10:06 Bot: {ANSWERED}",
    ],
)
@pytest.mark.parametrize("column", ["transcript", "conversation", "text"])
def test_a_cell_with_a_line_for_each_turn_is_a_conversation(cell: str, column: str) -> None:
    assert is_log({"id": "1", column: cell})
    assert said({"id": "1", column: cell}) == TURNS


def test_a_turn_goes_on_over_lines_and_colons_of_its_own() -> None:
    cell = f"User: Note: two things:\nfirst: the tent\n\nBot: {ANSWERED}"
    assert said({"transcript": cell}) == [("user", "Note: two things:\nfirst: the tent"), ("assistant", ANSWERED)]


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0c", "\x1c"])
def test_signs_that_end_no_line_of_a_file_end_no_turn(sign: str) -> None:
    cell = f"User: two things{sign}Agent: they said\nBot: {ANSWERED}"
    assert said({"transcript": cell}) == [("user", f"two things{sign}Agent: they said"), ("assistant", ANSWERED)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_turns_end_where_lines_do(end: str) -> None:
    assert said({"transcript": f"User: hello{end}Bot: {ANSWERED}"}) == [("user", "hello"), ("assistant", ANSWERED)]


@pytest.mark.parametrize(
    "cell",
    ["User: hello\nUser: hello?", "To the shop\nUser: hello\nBot: hi", "Ann: hello\nBob: hi", "note: see user: x", ""],
)
def test_a_cell_of_other_lines_is_none(cell: str) -> None:
    assert not is_log({"id": "1", "text": cell, "label": "good"})


@pytest.mark.parametrize(
    ("asks", "answers"),
    [("user_message", "assistant_message"), ("customerQuery", "botReply"), ("User Input", "Agent Response"),
     ("human-question", "ai-answer"), ("user", "assistant"), ("human", "ai")],
)  # fmt: skip
def test_two_columns_by_who_speaks_are_a_turn_each(asks: str, answers: str) -> None:
    row = {"id": "1", asks: ASKED, answers: ANSWERED}
    assert is_log(row)
    assert said(row) == TURNS
    assert [message.role for message in only({**row, "system": "Be kind."}).messages] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    "row",
    [{"user": "u17", "model": "small"}, {"customer": "Ann", "agent": "Bob"}, {"user_id": "1", "model_name": "small"},
     {"question": "a", "answer": "b"}, {"user_message": "a", "user_query": "b", "bot_reply": "c"},
     {"user_message": "a", "bot_reply": ""}],
)  # fmt: skip
def test_other_columns_are_none(row: dict[str, Any]) -> None:
    assert not is_log(row)


REQUEST = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": ASKED}],
           "tools": [{"type": "function", "function": {"name": "find"}}]}  # fmt: skip
RESPONSE = {"choices": [{"message": {"role": "assistant", "content": ANSWERED}}]}


@pytest.mark.parametrize("write", [json.dumps, lambda value: value])
@pytest.mark.parametrize(
    ("asks", "answers"),
    [("requestBody", "responseBody"), ("request_body", "response_body"),
     ("backendRequestBody", "backendResponseBody")],
)  # fmt: skip
@pytest.mark.parametrize("outer", ["", "properties"])
def test_gateways_and_diagnostic_logs_keep_request_and_response_by_these_names(
    outer: str, asks: str, answers: str, write: Any
) -> None:
    inner = {asks: write(REQUEST), answers: write(RESPONSE)}
    row = {"time": "2026-01-01", **({outer: write(inner)} if outer else inner)}
    assert is_log(row)
    assert said(row) == [("system", "Be kind."), *TURNS]
    assert len(only(row).tools) == 1


def test_invocations_that_bedrock_logs_are_read() -> None:
    asked = {"system": "Be kind.", "messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]}
    answered = {"role": "assistant", "content": [{"type": "text", "text": ANSWERED}]}
    row = {"modelId": "m", "input": {"inputBodyJson": asked}, "output": {"outputBodyJson": answered}}
    assert said(row) == [("system", "Be kind."), *TURNS]


@pytest.mark.parametrize(
    ("given", "weight"), [("0", 0.0), ("1", 1.0), (0, 0.0), (True, 1.0), (" 0.5 ", 0.5), ("high", None), (None, None)]
)
def test_weights_may_be_texts(given: object, weight: float | None) -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": given}]}
    assert only(row).weights == (None, weight)


def test_people_in_a_cell_are_known_once_they_are_named() -> None:
    row = {"chat": f"[27/11/2026, 9:05:12 PM] Ann Lee: {ASKED}\n[27/11/2026, 9:06:12 PM] Acme Support: {ANSWERED}"}
    assert not is_log(row)
    found = only(row, speakers={"Ann Lee": "user", "acme support": "assistant"})
    assert [(message.role, message.content) for message in found.messages] == TURNS


@pytest.mark.parametrize("text", ["1" + " " * 20_000, "Customer (" + " " * 20_000, "2026-01-01 " + " -" * 10_000])
def test_long_lines_of_blanks_are_read_at_once(text: str) -> None:
    """A pattern that tries the blanks in all ways would take minutes."""
    assert not is_log({"text": text})


@pytest.mark.parametrize("body", ["<p>" + "<img " * 20_000 + "</p>", "<p>" + "<br" * 20_000 + "</p>"])
def test_long_html_that_is_broken_is_read_at_once(body: str) -> None:
    assert (
        said({"conversation": [{"author": "user", "body": body}, {"author": "bot", "body": ANSWERED}]})[1] == TURNS[1]
    )
