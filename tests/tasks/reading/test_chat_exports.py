"""Conversations as help desks, messengers, assistants and platforms for bots export them are read as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import NO_MESSAGES, Reading, conversations_of, is_log
from promptopt.tasks.reading.files import read_rows

Rows = list[dict[str, Any]]
ASKED, ANSWERED, THEN, LAST = "Where is H7?", "In Graz.", "When does it come?", "On Monday."
TWO = [("user", ASKED), ("assistant", ANSWERED)]
FOUR = [*TWO, ("user", THEN), ("assistant", LAST)]
CALL = [("user", ASKED), ("assistant", 'find({"order":"H7"})'), ("tool", '{"city":"Graz"}'), ("assistant", ANSWERED)]


def read(rows: Rows) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


def said(rows: Rows) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.written) for m in each.messages if m.role != "system"] for each in read(rows).conversations]


def _author(kind: str) -> dict[str, Any]:
    return {"author": {"type": kind, "id": "5", "name": "Ann"}}


INTERCOM: Rows = [
    {"type": "conversation", "id": "1", "source": {"body": f"<p>{ASKED}</p>", **_author("lead")},
     "conversation_parts": {"type": "conversation_part.list", "conversation_parts": [
         {"part_type": "comment", "body": f"<p>{ANSWERED}</p>", **_author("bot")},
         {"part_type": "note", "body": "<p>angry?</p>", **_author("admin")},
         {"part_type": "comment", "body": f"<div>{THEN}</div>", **_author("user")},
         {"part_type": "assignment", "body": None, **_author("bot")},
         {"part_type": "comment", "body": "<p>On <b>Mon</b>day.</p>", **_author("admin")}]}},
]  # fmt: skip
ZENDESK: Rows = [
    {"id": 1, "subject": "Order", "status": "closed", "requester_id": 5, "description": ASKED,
     "comments": [{"author_id": 5, "body": ASKED, "public": True}, {"author_id": 9, "body": ANSWERED, "public": True},
                  {"author_id": 9, "body": "ours", "public": False}]},
]  # fmt: skip
SUNSHINE: Rows = [
    {"conversation": {"id": "z"},
     "messages": [{"author": {"type": kind}, "content": {"type": "text", "text": text}}
                  for kind, text in (("user", ASKED), ("business", ANSWERED))]},
]  # fmt: skip
ZENDESK_CHAT: Rows = [
    {"id": "c", "history": [{"type": "chat.memberjoin", "sender_type": "Visitor"},
                            {"type": "chat.msg", "sender_type": "Visitor", "msg": ASKED},
                            {"type": "chat.msg", "sender_type": "Agent", "msg": ANSWERED}]},
]  # fmt: skip
RASA: Rows = [
    {"sender_id": "r", "slots": {}, "events": [
        {"event": "action", "name": "action_listen"}, {"event": "user", "text": ASKED, "parse_data": {}},
        {"event": "bot", "text": ANSWERED, "data": {}}, {"event": "slot", "name": "x"},
        {"event": "user", "text": THEN}, {"event": "bot", "text": LAST}]},
]  # fmt: skip
ANSWERS = ((ASKED, ANSWERED), (THEN, LAST))
DIALOGFLOW_CX: Rows = [
    {"jsonPayload": {"queryResult": {"text": asked,
                                     "responseMessages": [{"text": {"text": [answer]}}, {"payload": {}}]}},
     "labels": {"session_id": "d"}, "timestamp": f"2026-05-01T10:00:0{second}Z"}
    for second, (asked, answer) in enumerate(ANSWERS)
]  # fmt: skip
DIALOGFLOW_ES: Rows = [
    {"session": "projects/p/agent/sessions/d", "queryResult": {"queryText": ASKED, "fulfillmentText": ANSWERED}},
]
INTERACTIONS: Rows = [
    {"name": "c", "interactions": [
        {"request": {}, "response": {"queryResult": {"transcript": asked,
                                                     "responseMessages": [{"text": {"text": [answer]}}]}}}
        for asked, answer in ANSWERS]},
]  # fmt: skip
LEX: Rows = [
    {"sessionId": "l", "inputTranscript": asked, "messages": [{"content": answer, "contentType": "PlainText"}]}
    for asked, answer in ANSWERS
]
ACTIVITIES: Rows = [
    {"type": "conversationUpdate", "conversation": {"id": "b"}, "from": {"id": "u", "role": "user"}},
    {"type": "message", "conversation": {"id": "b"}, "from": {"id": "u", "role": "user"}, "text": ASKED},
    {"type": "message", "conversation": {"id": "b"}, "from": {"id": "x", "role": "bot"}, "text": ANSWERED},
]
SLACK: Rows = [
    {"type": "message", "bot_id": "B", "text": ANSWERED, "ts": "17.2", "thread_ts": "17.1"},
    {"type": "message", "user": "U", "text": ASKED, "ts": "17.1", "thread_ts": "17.1"},
    {"type": "message", "subtype": "channel_join", "user": "U", "text": "<@U> has joined", "ts": "16.0"},
]
CHATGPT: Rows = [
    {"title": "t", "current_node": "a", "mapping": {
        "s": {"message": {"author": {"role": "system"}, "content": {"content_type": "text", "parts": [""]}}},
        "u": {"parent": "s", "message": {"author": {"role": "user"},
                                         "content": {"content_type": "text", "parts": [ASKED]}}},
        "b": {"parent": "u", "message": {"author": {"role": "assistant"},
                                         "content": {"content_type": "text", "parts": ["Another branch."]}}},
        "a": {"parent": "u", "message": {"author": {"role": "assistant"},
                                         "content": {"content_type": "text", "parts": [ANSWERED]}}}}},
]  # fmt: skip
CLAUDE: Rows = [
    {"uuid": "u", "chat_messages": [{"sender": "human", "text": ASKED}, {"sender": "assistant", "text": ANSWERED}]},
]
OPEN_WEBUI: Rows = [
    {"id": "o", "chat": {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}]}},
]
BATCH: Rows = [
    {"custom_id": "r", "params": {"system": [{"type": "text", "text": "Be kind."}],
                                  "messages": [{"role": "user", "content": ASKED}]},
     "result": {"type": "succeeded",
                "message": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": ANSWERED}]}}},
]  # fmt: skip
USED = {"toolUse": {"toolUseId": "t", "name": "find", "input": {"order": "H7"}}}
RETURNED = {"toolResult": {"toolUseId": "t", "content": [{"json": {"city": "Graz"}}], "status": "success"}}
SPEC = {"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}}
BEDROCK: Rows = [
    {"operation": "Converse", "input": {"inputBodyJson": {
        "messages": [{"role": "user", "content": [{"text": ASKED}, {"cachePoint": {"type": "default"}}]},
                     {"role": "assistant", "content": [{"reasoningContent": {}}, USED]},
                     {"role": "user", "content": [RETURNED]}],
        "system": [{"text": "Be kind."}], "toolConfig": {"tools": [SPEC]}}},
     "output": {"outputBodyJson": {"output": {"message": {"role": "assistant", "content": [{"text": ANSWERED}]}}}}},
]  # fmt: skip
STREAM: Rows = [
    {"operation": "InvokeModelWithResponseStream",
     "input": {"inputBodyJson": {"system": "Be kind.", "messages": [{"role": "user", "content": ASKED}]}},
     "output": {"outputBodyJson": [
         {"type": "message_start", "message": {"role": "assistant", "content": []}},
         {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWERED[:4]}},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWERED[4:]}},
         {"type": "message_stop"}]}},
]  # fmt: skip
VERTEX: Rows = [
    {"full_request": {"system_instruction": {"parts": {"text": "Be kind."}},
                      "contents": [{"role": "user", "parts": [{"text": ASKED}]}]},
     "full_response": {"candidates": [{"content": {"role": "model", "parts": [
         {"text": "The user wants to know.", "thought": True}, {"text": ANSWERED}]}}]}},
]  # fmt: skip
UI = {"type": "tool-find", "toolCallId": "t", "state": "output-available", "input": {"order": "H7"},
      "output": {"city": "Graz"}}  # fmt: skip
INVOKED = {"state": "result", "toolCallId": "t", "toolName": "find", "args": {"order": "H7"},
           "result": {"city": "Graz"}}  # fmt: skip
UI_PARTS: list[dict[str, Any]] = [
    {"parts": [{"type": "step-start"}, {"type": "reasoning", "text": "hm"}, UI, {"type": "step-start"},
               {"type": "text", "text": ANSWERED}]},
    {"parts": [{**UI, "type": "dynamic-tool", "toolName": "find"}, {"type": "text", "text": ANSWERED}]},
    {"content": ANSWERED, "parts": [{"type": "tool-invocation", "toolInvocation": INVOKED},
                                    {"type": "text", "text": ANSWERED}]},
    {"content": ANSWERED, "toolInvocations": [INVOKED]},
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "spoken"),
    [
        (INTERCOM, FOUR), (ZENDESK, TWO), (SUNSHINE, TWO), (ZENDESK_CHAT, TWO), (RASA, FOUR), (DIALOGFLOW_CX, FOUR),
        (DIALOGFLOW_CX[::-1], FOUR), (DIALOGFLOW_ES, TWO), (INTERACTIONS, FOUR), (LEX, FOUR), (ACTIVITIES, TWO),
        (CHATGPT, TWO), (CLAUDE, TWO), (OPEN_WEBUI, TWO), (BATCH, TWO), (BEDROCK, CALL), (STREAM, TWO), (VERTEX, TWO),
        *(([{"messages": [{"role": "user", "parts": [{"type": "text", "text": ASKED}]},
                          {"role": "assistant", **each}]}], CALL) for each in UI_PARTS),
    ],
)  # fmt: skip
def test_a_conversation_is_read_as_it_was_spoken(rows: Rows, spoken: list[tuple[str, str]]) -> None:
    assert is_log(rows[0])
    assert said(rows) == [spoken]


def test_a_thread_is_a_conversation_and_news_of_the_channel_is_none() -> None:
    assert [each for each in said(SLACK) if each] == [TWO]


def test_pieces_of_two_conversations_stay_apart() -> None:
    other = [{**row, "sessionId": "m"} for row in LEX]
    mixed = [row for pair in zip(LEX, other, strict=True) for row in pair]
    assert said(mixed) == [FOUR, FOUR]
    assert [each.id for each in read(mixed).conversations] == ["l", "m"]


@pytest.mark.parametrize("rows", [BATCH, BEDROCK, STREAM, VERTEX])
def test_the_system_prompt_beside_the_messages_is_found(rows: Rows) -> None:
    (found,) = read(rows).conversations
    assert found.messages[0].content == "Be kind."


LANGCHAIN = [
    {"type": "human", "data": {"content": ASKED}},
    {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "find", "args": {"order": "H7"}, "id": "c"}]}},
    {"type": "tool", "data": {"content": '{"city":"Graz"}', "tool_call_id": "c"}},
    {"type": "ai", "data": {"content": ANSWERED}},
]


def test_messages_of_langchain_in_a_table_keep_their_calls() -> None:
    rows: Rows = [{"id": n, "session_id": "s", "message": json.dumps(each)} for n, each in enumerate(LANGCHAIN)]
    assert said(rows) == [CALL]


def test_a_conversation_may_be_a_list_with_nothing_around_it(tmp_path: Path) -> None:
    listed, lines = tmp_path / "all.json", tmp_path / "all.jsonl"
    listed.write_text(json.dumps([LANGCHAIN, LANGCHAIN]))
    lines.write_text("".join(json.dumps(LANGCHAIN) + "\n" for _ in range(2)))
    for path in (listed, lines):
        assert said([dict(row) for row in read_rows(path)]) == [CALL, CALL]


@pytest.mark.parametrize(
    "tools",
    [
        [{"functionDeclarations": [{"name": "find", "parameters": {"type": "OBJECT"}}]}],
        [{"type": "function", "name": "find", "parameters": {"type": "object"}}],
        [{"name": "find", "input_schema": {"type": "object"}}],
    ],
)
def test_schemas_of_every_provider_become_the_same(tools: Rows) -> None:
    row = {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}]}
    (sent,) = read([{**row, "tools": tools}]).conversations[0].tools
    (bedrock,) = read(BEDROCK).conversations[0].tools
    assert sent == bedrock
    assert json.loads(sent)["function"] == {"name": "find", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    "row",
    [
        {"review": "Good.", "author": {"name": "Ann", "type": "user"}, "stars": 5},
        {"events": [{"event": "click"}], "label": "buy"},
        {"comments": ["good", "bad"], "requester_id": 5},
        {"type": "message", "text": "no time", "label": "spam"},
        {"session_id": "s", "message": "plain text", "label": "spam"},
        {"mapping": {"a": 1}, "current_node": "b"},
        {"text": "good", "chat": {"topic": "x"}},
    ],
)
def test_other_data_is_no_log(row: dict[str, Any]) -> None:
    assert not is_log(row)


def test_messages_without_marks_of_an_interface_stay_one() -> None:
    row = {
        "messages": [
            {"role": "assistant", "parts": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]}
        ]
    }
    (found,) = read([row]).conversations
    assert [each.content for each in found.messages] == ["One.\nTwo."]


def test_a_call_in_a_stream_is_put_together() -> None:
    events: Rows = [
        {"type": "message_start", "message": {"role": "assistant", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_start", "index": 1,
         "content_block": {"type": "tool_use", "id": "t", "name": "find", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"order":'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"H7"}'}},
    ]  # fmt: skip
    row: dict[str, Any] = {"messages": [{"role": "user", "content": ASKED}], "response": events}
    assert said([row]) == [CALL[:2]]


SPOKEN_TO = {"responseMessages": [{"text": {"text": [ANSWERED]}}]}


@pytest.mark.parametrize(
    "row",
    [
        {"interactions": [{"response": {"queryResult": {"text": ASKED, **SPOKEN_TO}}}]},
        {"session": "s", "queryResult": {"transcript": ASKED, **SPOKEN_TO}},
        {"chat": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}]},
    ],
)
def test_what_was_asked_may_stand_elsewhere(row: dict[str, Any]) -> None:
    assert is_log(row)
    assert said([row]) == [TWO]


def test_a_table_may_call_its_texts_messages_for_short() -> None:
    rows: Rows = [
        {"chat_id": "c", "sender": "visitor", "msg": ASKED},
        {"chat_id": "c", "sender": "bot", "msg": ANSWERED},
    ]
    assert said(rows) == [TWO]


def test_the_tree_of_a_page_gives_neither_thoughts_nor_calls_and_ends_where_it_leads_back() -> None:
    def node(parent: str, role: str, kind: str, text: str, **further: str) -> dict[str, Any]:
        content = {"content_type": kind, "parts": [text]}
        return {"parent": parent, "message": {"author": {"role": role}, "content": content, **further}}

    tree = {
        "u": node("a", "user", "text", ASKED),
        "c": node("u", "assistant", "text", "search()", recipient="browser"),
        "r": node("c", "tool", "text", "a page"),
        "t": node("r", "assistant", "thoughts", "hm"),
        "a": node("t", "assistant", "text", ANSWERED),
    }
    assert said([{"mapping": tree, "current_node": "a"}]) == [TWO]


def test_a_picture_is_no_text() -> None:
    picture = {"author": {"type": "user"}, "content": {"type": "image", "text": "", "mediaUrl": "https://a.test/b.png"}}
    found = read([{"messages": [*SUNSHINE[0]["messages"], picture]}])
    assert not found.conversations
    assert list(found.refused.values()) == [(1,)]


def test_rows_without_times_are_in_no_wrong_order_and_news_alone_is_told() -> None:
    assert not read(ACTIVITIES).unordered
    assert read(ACTIVITIES[:1]).refused == {NO_MESSAGES: (1,)}
