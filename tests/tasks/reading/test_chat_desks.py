"""Desks, and logs of calls, in the forms that their makers document: read as they were said, or refused clearly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Reading, conversations_of, is_log
from promptopt.tasks.reading.files import read_rows

Rows = list[dict[str, Any]]
ASKED, ANSWERED, THEN, LAST, NOTE = "Where is H7?", "In Graz.", "When does it come?", "On Monday.", "He is nice."
FOUR = [("user", ASKED), ("assistant", ANSWERED), ("user", THEN), ("assistant", LAST)]
CALL = [("system", "Be kind."), ("user", ASKED), ("assistant", 'find({"order":7})'), ("tool", "Graz"),
        ("assistant", ANSWERED)]  # fmt: skip
TWO = [("system", "Be kind."), *FOUR[:2]]


def read(path: Path, document: Any) -> Reading:
    path.write_text(
        "\n".join(map(json.dumps, document)) if path.suffix == ".jsonl" else json.dumps(document), encoding="utf-8"
    )
    rows = list(read_rows(path))
    assert any(map(is_log, rows))
    return conversations_of(enumerate(rows, start=1))


def said(reading: Reading) -> list[list[tuple[str, str]]]:
    return [[(each.role, each.written) for each in one.messages] for one in reading.conversations]


def drift(kind: str, body: str, at: int, *, bot: bool = False, form: str = "chat") -> dict[str, Any]:
    return {"id": at, "conversationId": 55, "body": body, "type": form, "createdAt": at, "orgId": 1,
            "author": {"id": at % 2, "type": kind, "bot": bot}, "buttons": []}  # fmt: skip


def landbot(kind: str, data: dict[str, Any], at: float) -> dict[str, Any]:
    return {"type": "text", "timestamp": at, "data": data, "sender": {"id": 1, "name": "n", "type": kind},
            "customer": {"id": 77, "name": "Ann"}, "channel": {"id": 5, "type": "landbot"},
            "_raw": {"author_type": "user" if kind == "customer" else kind}}  # fmt: skip


def crisp(by: str, content: Any, at: int, kind: str = "text") -> dict[str, Any]:
    return {"session_id": "s", "website_id": "w", "type": kind, "from": by, "origin": "chat", "content": content,
            "timestamp": at, "fingerprint": at, "user": {"nickname": "n"}}  # fmt: skip


def recorded(purpose: str, text: str, minute: int) -> dict[str, Any]:
    return {"from": "x", "to": "y", "timestamp": f"2025-01-01T10:0{minute}:00Z", "purpose": purpose,
            "messageText": text, "participantId": "9f"}  # fmt: skip


def chatted(purpose: str, text: str, kind: str = "message") -> dict[str, Any]:
    return {"body": text, "type": kind, "participantPurpose": purpose, "utc": "2025-01-01T10:00:00Z"}


def botpress(direction: str, payload: dict[str, Any], minute: int) -> dict[str, Any]:
    return {"id": f"b{minute}", "createdAt": f"2025-01-01T10:0{minute}:00Z", "type": payload["type"],
            "payload": payload, "direction": direction, "userId": "u", "conversationId": "c"}  # fmt: skip


def chatwoot(kind: str, text: str, minute: int, *, private: bool = False) -> dict[str, Any]:
    return {"event": "message_created", "id": minute, "content": text, "content_type": "text", "message_type": kind,
            "private": private, "created_at": f"2025-01-01T10:0{minute}:00Z", "conversation": {"id": 7},
            "account": {"id": 1}, "inbox": {"id": 3}}  # fmt: skip


def group(kind: str, of: str, *messages: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "id": "g",
        "userid": of,
        "type": kind,
        "datecreated": "2025-01-01 10:00:00",
        "messages": [{"userid": by, "type": form, "format": "T", "message": text} for by, form, text in messages],
    }


DRIFT = [drift("contact", ASKED, 1), drift("user", NOTE, 2, form="private_note"),
         drift("user", f"<p>{ANSWERED}</p>", 3, bot=True), drift("contact", THEN, 4),
         drift("user", LAST, 5)]  # fmt: skip
LANDBOT = [landbot("customer", {"body": ASKED}, 1.5), landbot("bot", {"body": ANSWERED}, 2.5),
           landbot("sys", {"body": NOTE}, 2.7), landbot("customer", {"body": THEN}, 3),
           landbot("agent", {"body": LAST}, 4)]  # fmt: skip
CRISP = [crisp("user", ASKED, 1), crisp("operator", NOTE, 2, "note"),
         crisp("operator", {"namespace": "state:resolved"}, 3, "event"),
         crisp("operator", {"id": "p", "text": ANSWERED, "choices": []}, 4, "picker"), crisp("user", THEN, 5),
         crisp("operator", LAST, 6)]  # fmt: skip
BOTPRESS = [botpress("outgoing", {"type": "text", "text": LAST}, 4),
            botpress("incoming", {"type": "text", "text": THEN}, 3),
            botpress("outgoing", {"type": "choice", "text": ANSWERED, "options": []}, 2),
            botpress("incoming", {"type": "text", "text": ASKED}, 1)]  # fmt: skip
CHATWOOT = [chatwoot("incoming", ASKED, 1), chatwoot("activity", NOTE, 2),
            chatwoot("outgoing", NOTE, 3, private=True), chatwoot("outgoing", ANSWERED, 4),
            chatwoot("incoming", THEN, 5), chatwoot("template", LAST, 6)]  # fmt: skip
LIVEAGENT = [group("S", "system", ("system", "S", NOTE)), group("3", "c", ("c", "M", ASKED)),
             group("4", "a", ("a", "T", NOTE), ("a", "M", ANSWERED)), group("I", "a", ("a", "M", NOTE)),
             group("C", "c", ("c", "M", THEN), ("a", "N", NOTE), ("a", "M", LAST))]  # fmt: skip
MESSAGING = {"conversationId": "v", "media": "message",
             "messagingTranscript": [recorded("customer", ASKED, 0), recorded("bot", ANSWERED, 1),
                                     recorded("customer", THEN, 2), recorded("agent", LAST, 3)]}  # fmt: skip
WEB_CHAT = {"conversationId": "v", "media": "chat",
            "transcript": [chatted("customer", ASKED), chatted("workflow", ANSWERED),
                           chatted("agent", "", "member-join"), chatted("customer", THEN),
                           chatted("agent", LAST)]}  # fmt: skip
PHRASES = {
    "conversationId": "v",
    "mediaType": "chat",
    "transcripts": [
        {
            "transcriptId": "t",
            "phrases": [
                {"text": text, "participantPurpose": "external" if role == "user" else "internal"}
                for role, text in FOUR
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("drift.json", {"data": {"messages": DRIFT}}), ("drift.jsonl", DRIFT),
        ("landbot.jsonl", [{"messages": [each]} for each in LANDBOT]), ("landbot.json", LANDBOT),
        ("crisp.json", {"error": False, "reason": "listed", "data": CRISP}), ("crisp.jsonl", CRISP),
        ("botpress.json", {"messages": BOTPRESS, "meta": {"nextToken": "n"}}), ("botpress.jsonl", BOTPRESS),
        ("chatwoot.jsonl", CHATWOOT), ("liveagent.json", LIVEAGENT), ("liveagent.jsonl", [LIVEAGENT]),
        ("tickets.json", [{"ticket": "t", "messages": LIVEAGENT}]), ("genesys.json", [MESSAGING]),
        ("chat.json", WEB_CHAT), ("phrases.json", PHRASES), ("phrases.jsonl", [PHRASES]),
    ],
)  # fmt: skip
def test_desks_are_read_as_they_were_said_without_what_no_customer_saw(
    name: str, document: Any, tmp_path: Path
) -> None:
    reading = read(tmp_path / name, document)
    assert (said(reading), dict(reading.refused)) == ([FOUR], {})


def test_who_speaks_in_a_chat_of_liveagent_is_asked_for_where_no_mail_tells(tmp_path: Path) -> None:
    chat = [group("C", "c1", ("c1", "M", ASKED), ("a1", "M", ANSWERED))]
    reading = read(tmp_path / "chat.json", chat)
    assert list(reading.refused) == [
        "the speakers 'c1', 'a1' are unknown (say who they are, with --speaker c1=user --speaker a1=assistant "
        "of `promptopt init`)"
    ]
    told = conversations_of(enumerate(read_rows(tmp_path / "chat.json")), {"c1": "user", "a1": "assistant"})
    assert said(told) == [FOUR[:2]]


@pytest.mark.parametrize(
    "rows",
    [
        [landbot("customer", {"body": "", "url": "u"}, 1), *LANDBOT[1:]],
        [crisp("user", {"name": "x.png", "url": "u", "type": "image/png"}, 1, "file"), *CRISP[1:]],
    ],
    ids=["Landbot", "Crisp"],
)
def test_a_file_that_a_desk_was_sent_refuses_its_conversation(rows: Rows, tmp_path: Path) -> None:
    reading = read(tmp_path / "desk.jsonl", rows)
    assert said(reading) == []
    assert list(reading.refused) == [
        "a message has a picture or a file beside text (images, sounds and files are not read)"
    ]


@pytest.mark.parametrize(
    "flag",
    [{"private": "true"}, {"is_private": True}, {"isInternal": "1"}, {"type": "note"}, {"type": "internal_note"},
     {"message_type": "private_note"}, {"public": False}, {"public": "false"}],
    ids=str,
)  # fmt: skip
def test_what_colleagues_tell_each_other_is_no_turn_in_rows_of_a_turn(flag: dict[str, Any], tmp_path: Path) -> None:
    rows: Rows = [{"ticket_id": "t", "speaker": role, "text": text} for role, text in FOUR]
    reading = read(tmp_path / "desk.jsonl", [*rows[:2], {**rows[1], "text": NOTE, **flag}, *rows[2:]])
    assert said(reading) == [FOUR]


def test_an_object_in_the_place_of_a_text_is_nothing_that_was_said(tmp_path: Path) -> None:
    rows: Rows = [{"ticket_id": "t", "speaker": role, "text": text} for role, text in FOUR[:2]]
    reading = read(tmp_path / "desk.jsonl", [*rows, {**rows[0], "text": {"state": "resolved"}}])
    assert said(reading) == []
    reason = "the content of a message is {'state': 'resolved'}, and no text; write it in quotes"
    assert list(reading.refused) == [reason]
    spoken = read(tmp_path / "desk.jsonl", [*rows, {**rows[0], "text": {"text": THEN}}, {**rows[1], "text": LAST}])
    assert said(spoken) == [FOUR]


ASKS = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": ASKED}]
CHOICES = [{"index": 0, "message": {"role": "assistant", "content": ANSWERED}, "finish_reason": "stop"}]
OUTPUT = [{"type": "reasoning", "summary": []},
          {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWERED}]}]  # fmt: skip
ANTHROPIC = {
    "request": {"model": "m", "system": [{"type": "text", "text": "Be kind."}], "messages": [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "find", "input": {"order": 7}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
                                      "content": [{"type": "text", "text": "Graz"}]}]}]},
    "response": {"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [
        {"type": "thinking", "thinking": "x", "signature": "s"}, {"type": "text", "text": ANSWERED}]},
}  # fmt: skip
STATE = {"values": {"messages": [
    {"type": "system", "content": "Be kind."}, {"type": "human", "content": ASKED},
    {"type": "ai", "content": "", "tool_calls": [{"name": "find", "args": {"order": 7}, "id": "c"}]},
    {"type": "tool", "content": "Graz", "tool_call_id": "c", "name": "find"}, {"type": "ai", "content": ANSWERED}]},
    "next": [], "tasks": [], "checkpoint": {"thread_id": "t"}, "metadata": {"step": 3}}  # fmt: skip
SPAN = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "t", "spanId": "s", "name": "chat m", "attributes": [
    {"key": name, "value": {"stringValue": json.dumps(held)}} for name, held in (
        ("gen_ai.system_instructions", [{"type": "text", "content": "Be kind."}]),
        ("gen_ai.input.messages", [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]),
        ("gen_ai.output.messages", [{"role": "assistant", "parts": [{"type": "text", "content": ANSWERED}]}]))
]}]}]}]}  # fmt: skip
HELICONE = {"request_id": "r", "request_path": "/v1/chat/completions", "signed_body_url": "u",
            "request_body": {"model": "m", "messages": ASKS}, "response_body": {"choices": CHOICES}}  # fmt: skip
PHOENIX = {"name": "x", "context.trace_id": "t", "span_kind": "LLM",
           "attributes.llm.input_messages": [{"message.role": each["role"], "message.content": each["content"]}
                                             for each in ASKS],
           "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": ANSWERED}]}  # fmt: skip
BRAINTRUST = [
    {"id": "1", "root_span_id": "r", "span_attributes": {"type": "llm"}, "input": ASKS, "output": CHOICES},
    {"id": "2", "root_span_id": "r", "span_attributes": {"type": "task"}, "input": ASKED, "output": ANSWERED},
]
WEAVE = {"op_name": "weave:///e/p/op/openai.chat.completions.create:x", "trace_id": "t",
         "inputs": {"self": {}, "model": "m", "messages": ASKS}, "output": {"choices": CHOICES}}  # fmt: skip
FLAT = {"op_name": "openai.chat.completions.create", "trace_id": "t", "inputs.model": "m",
        "inputs.messages": json.dumps(ASKS), "output.choices": json.dumps(CHOICES)}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "document", "spoken"),
    [
        ("responses.jsonl", [{"id": "r", "instructions": "Be kind.", "input": ASKED, "output": OUTPUT}], TWO),
        ("anthropic.jsonl", [ANTHROPIC], CALL), ("state.json", STATE, CALL), ("states.jsonl", [STATE], CALL),
        ("spans.json", SPAN, TWO), ("helicone.jsonl", [HELICONE], TWO), ("helicone.json", {"data": [HELICONE]}, TWO),
        ("phoenix.jsonl", [PHOENIX], TWO), ("braintrust.jsonl", BRAINTRUST, TWO), ("weave.jsonl", [WEAVE], TWO),
        ("weave_flat.jsonl", [FLAT], TWO),
    ],
)  # fmt: skip
def test_logs_of_calls_are_read_with_their_prompt_and_their_reply(
    name: str, document: Any, spoken: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert said(read(tmp_path / name, document)) == [spoken]


def test_requests_that_were_exported_without_their_bodies_are_told_so(tmp_path: Path) -> None:
    bare = {name: value for name, value in HELICONE.items() if not name.endswith("_body")}
    reading = read(tmp_path / "helicone.jsonl", [bare])
    assert list(reading.refused) == [
        "it holds neither what was asked nor the reply (export requests with their bodies)"
    ]
