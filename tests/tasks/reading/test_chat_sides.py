"""Logs whose sides, prompts or histories stand where a reader that goes by usual names would pass them over."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import conversations_of, is_log

Rows = list[dict[str, Any]]
ASKED, ANSWERED = "Where is H7?", "In Graz."
TWO = [("user", ASKED), ("assistant", ANSWERED)]
KIND = ("system", "Be kind.")
BEFORE = [("user", "Hi!"), ("assistant", "Hello!")]


def plain(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


PALM: Rows = [
    {"context": "Be kind.", "examples": [{"input": {"content": "Hi!"}, "output": {"content": "Hello!"}}],
     "messages": [{"author": "0", "content": ASKED}, {"author": "1", "content": ANSWERED}]},
]  # fmt: skip
PALM_TUNING: Rows = [
    {"context": "Be kind.", "messages": [{"author": "user", "content": ASKED}, {"author": "bot", "content": ANSWERED}]}
]
DRIFT: Rows = [
    {"data": {"messages": [{"author": {"type": "contact"}, "type": "chat", "body": ASKED},
                           {"author": {"type": "user", "bot": False}, "type": "chat", "body": ANSWERED}]}},
]  # fmt: skip
PROMPT_FLOW: Rows = [
    {"inputs": {"question": ASKED,
                "chat_history": [{"inputs": {"question": "Hi!"}, "outputs": {"answer": "Hello!"}}]},
     "outputs": {"answer": ANSWERED}},
]  # fmt: skip
BOTPRESS: Rows = [
    {"conversationId": "c", "direction": "incoming", "type": "text", "payload": {"text": ASKED}},
    {"conversationId": "c", "direction": "outgoing", "type": "text", "payload": {"text": ANSWERED}},
]
ZENDESK: Rows = [
    {"ticket": {"id": 1, "requester_id": 7},
     "comments": [{"author_id": 7, "body": ASKED, "public": True}, {"author_id": 9, "body": ANSWERED, "public": True},
                  {"author_id": 9, "body": "A note.", "public": False}]},
]  # fmt: skip
SALESFORCE: Rows = [
    {"conversationEntries": [{"sender": {"role": "EndUser"}, "messageText": ASKED},
                             {"sender": {"role": "Chatbot"}, "messageText": ANSWERED}]},
]  # fmt: skip
TAVERN: Rows = [{"history": [{"is_user": True, "mes": ASKED}, {"is_user": False, "mes": ANSWERED}]}]
LANGWATCH: Rows = [
    {"trace_id": "t", "spans": [{"type": "llm", "input": {"type": "chat_messages", "value": [plain("user", ASKED)]},
                                 "output": {"type": "chat_messages", "value": [plain("assistant", ANSWERED)]}}]},
]  # fmt: skip
ADK: Rows = [
    {"id": "s", "events": [{"author": "user", "content": {"role": "user", "parts": [{"text": ASKED}]}},
                           {"author": "shop", "actions": {}},
                           {"author": "shop", "content": {"role": "model", "parts": [{"text": ANSWERED}]}}]},
]  # fmt: skip


def arena(winner: str, first: str, second: str) -> Rows:
    a, b = ([plain("user", ASKED), plain("assistant", said)] for said in (first, second))
    return [{"question_id": "q", "conversation_a": a, "conversation_b": b, "winner": winner}]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(PALM, [KIND, *BEFORE, *TWO], id="PaLM's chats"),
        pytest.param(PALM_TUNING, [KIND, *TWO], id="PaLM's tuning"),
        pytest.param(DRIFT, TWO, id="Drift"),
        pytest.param(PROMPT_FLOW, [*BEFORE, *TWO], id="Prompt flow"),
        pytest.param(BOTPRESS, TWO, id="Botpress, its kind beside the payload"),
        pytest.param(ZENDESK, TWO, id="Zendesk, who asks in the ticket"),
        pytest.param(SALESFORCE, TWO, id="Salesforce"),
        pytest.param(TAVERN, TWO, id="SillyTavern"),
        pytest.param(LANGWATCH, TWO, id="LangWatch"),
        pytest.param(ADK, TWO, id="Google's agents"),
        pytest.param(arena("model_a", ANSWERED, "No idea."), TWO, id="an arena, the first is better"),
        pytest.param(arena("model_b", "No idea.", ANSWERED), TWO, id="an arena, the second is better"),
        pytest.param(arena("tie", ANSWERED, "Graz."), TWO, id="an arena, a tie"),
    ],
)
def test_it_is_read_as_it_was_said(rows: Rows, expected: list[tuple[str, str]]) -> None:
    (found,) = conversations_of(list(enumerate(rows, start=1))).conversations

    assert is_log(rows[0])
    assert [(message.role, message.content) for message in found.messages] == expected


def test_the_replies_of_examples_are_not_learned_from() -> None:
    (found,) = conversations_of([(1, PALM[0])]).conversations

    assert found.weights[2] == 0
    assert found.weights[4] is None


def test_a_pair_of_bad_replies_is_left_out_with_its_reason() -> None:
    read = conversations_of([(1, arena("tie (bothbad)", "No.", "No idea.")[0])])

    assert read.conversations == ()
    assert read.refused == {"its label says that the reply is a bad one": (1,)}


def test_users_answer_nobody_where_the_desk_has_a_name() -> None:
    said = [{"author": {"type": kind}, "body": text} for kind, text in (("user", ASKED), ("agent", ANSWERED))]
    (found,) = conversations_of([(1, {"messages": said})]).conversations

    assert [message.role for message in found.messages] == ["user", "assistant"]
