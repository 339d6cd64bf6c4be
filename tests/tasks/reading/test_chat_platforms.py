"""Desks and programs that make bots, whose speakers or texts stand where no name tells of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import conversations_of, is_log
from promptopt.tasks.reading.files import read_rows

ASKED, SAID = "Where is order 7?", "It left on Monday."
Turns = list[tuple[str, str]]
Rows = list[Any]


def told(rows: Rows) -> tuple[list[Turns], list[str]]:
    """What is said in each conversation, and why others are refused."""
    reading = conversations_of(enumerate(rows, start=1))
    assert not reading.conversations or any(map(is_log, rows))
    return [[(each.role, each.content) for each in one.messages] for one in reading.conversations], [*reading.refused]


def saved(path: Path, document: Any) -> Rows:
    path.write_text(json.dumps(document), encoding="utf-8")
    return list(read_rows(path))


def thread(kind: str, by: str, body: str, minute: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "body": body, "createdBy": {"type": by, "id": 4}, "createdAt": f"2025-01-01T10:0{minute}:00Z",
            "state": "published", **more}  # fmt: skip


def twilio(author: str, body: str | None, index: int, **more: Any) -> dict[str, Any]:
    return {"sid": f"IM{index}", "conversation_sid": "CH1", "index": index, "author": author, "body": body,
            "date_created": f"2025-01-01T10:0{index}:00Z", "media": None, **more}  # fmt: skip


def ada(sender: str, recipient: str, minute: int, **data: Any) -> dict[str, Any]:
    return {"_id": f"m{minute}", "chatter_id": "c1", "conversation_id": "v1", "sender": sender, "recipient": recipient,
            "date_created": f"2025-01-01T10:0{minute}:00Z", "message_data": {"_type": "text", **data}}  # fmt: skip


def kore(kind: str, text: str, minute: int, session: str = "s1") -> dict[str, Any]:
    return {"_id": f"ms-{minute}", "type": kind, "botId": "st-1", "sessionId": session, "createdBy": "u-1",
            "createdOn": f"2025-01-01T10:0{minute}:00.000Z",
            "components": [{"cT": "text", "data": {"text": text}}]}  # fmt: skip


def freshchat(actor: str, text: str, minute: int, kind: str = "normal", session: str = "v1") -> dict[str, Any]:
    return {"message_parts": [{"text": {"content": text}}], "actor_type": actor, "message_type": kind,
            "conversation_id": session, "created_time": f"2025-01-01T10:0{minute}:00Z"}  # fmt: skip


def trace(kind: str, said: Any, form: str) -> dict[str, Any]:
    return {"turnID": "t1", "type": kind, "payload": {"type": kind, "payload": said}, "format": form}


def step(kind: str, of: str, said: Any) -> dict[str, Any]:
    return {"type": kind, "data": {"type": of, "payload": said}, "createdAt": "2025-01-01T10:00:00Z"}


def cognigy(source: str, text: str, minute: int) -> dict[str, Any]:
    return {"sessionId": "s1", "source": source, "inputText": text, "timestamp": f"2025-01-01T10:0{minute}:00Z"}


def hubspot(kind: str, text: str, direction: str | None, minute: int) -> dict[str, Any]:
    return {"type": kind, "text": text, "direction": direction, "senders": [{"actorId": "A-1"}],
            "conversationsThreadId": "9", "createdAt": f"2025-01-01T10:0{minute}:00Z"}  # fmt: skip


HELP_SCOUT = {
    "id": 3, "subject": "Order", "type": "email", "primaryCustomer": {"id": 9},
    "_embedded": {"threads": [
        thread("note", "user", "He is nice.", 7), thread("message", "user", f"<p>{SAID}</p>", 5),
        thread("message", "user", "A draft.", 4, state="draft"), thread("lineitem", "user", "", 3),
        thread("customer", "customer", ASKED, 1),
    ]},
}  # fmt: skip
VOICEFLOW = [
    trace("launch", None, "launch"), trace("text", {"message": "Hello!"}, "trace"), trace("text", ASKED, "request"),
    trace("debug", {"message": "matched"}, "trace"), trace("speak", {"message": SAID}, "trace"),
]  # fmt: skip
LOGS = {"transcript": {"id": "t", "sessionID": "s", "logs": [
    step("action", "launch", None), step("action", "path-1", {"label": ASKED}),
    step("trace", "debug", {"message": "matched"}), step("trace", "text", {"message": SAID}),
]}}  # fmt: skip
GENESYS = {"conversationId": "v", "transcripts": [{"phrases": [
    {"text": ASKED, "participantPurpose": "external"}, {"text": SAID, "participantPurpose": "internal"}]}]}  # fmt: skip
ITEMS = {"object": "list", "data": [
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASKED}]}]}  # fmt: skip
CRISP = {"session_id": "s", "messages": [
    {"type": "text", "from": "user", "content": ASKED}, {"type": "note", "from": "operator", "content": "He is nice."},
    {"type": "text", "from": "operator", "content": SAID}]}  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        [HELP_SCOUT],
        [{"messages": VOICEFLOW[2:]}],
        [LOGS],
        [GENESYS],
        [ITEMS],
        [CRISP],
        [twilio("whatsapp:+14155550100", ASKED, 0), twilio("system", SAID, 1)],
        [{"messages": [twilio("+14155550100", ASKED, 0), twilio("system", SAID, 1)], "meta": {"page": 0}}],
        [ada("c1", "Ada", 1, body=ASKED), ada("Ada", "c1", 2, body=SAID), ada("Ada", "c1", 3, _type="greeting")],
        [ada("c1", "bot", 1, body=ASKED), ada("agent", "c1", 2, body=SAID)],
        [kore("outgoing", SAID, 2), kore("incoming", ASKED, 1)],
        [{"messages": [kore("incoming", ASKED, 1), kore("outgoing", SAID, 2)], "moreAvailable": False}],
        [freshchat("user", ASKED, 1), freshchat("agent", "Nice.", 2, "private"), freshchat("bot", SAID, 3)],
        [cognigy("user", ASKED, 1), cognigy("bot", SAID, 2)],
        [{"results": [hubspot("MESSAGE", ASKED, "INCOMING", 1), hubspot("COMMENT", "Nice.", None, 2),
                      hubspot("MESSAGE", SAID, "OUTGOING", 3)]}],
        [hubspot("MESSAGE", SAID, "OUTGOING", 3), hubspot("COMMENT", "Nice.", None, 2),
         hubspot("MESSAGE", ASKED, "INCOMING", 1)],
    ],
    ids=["Help Scout", "Voiceflow", "Voiceflow's logs", "Genesys", "OpenAI's items", "Crisp", "Twilio", "Twilio's page",
         "Ada", "Ada's older", "Kore.ai", "Kore.ai's page", "Freshchat", "Cognigy", "HubSpot's page", "HubSpot"],
)  # fmt: skip
def test_who_speaks_is_known_and_what_no_customer_saw_is_left_out(rows: Rows) -> None:
    assert told(rows) == ([[("user", ASKED), ("assistant", SAID)]], [])


def test_a_line_that_is_a_transcript_of_voiceflow_is_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "bot.jsonl"
    path.write_text("".join(json.dumps(VOICEFLOW) + "\n" for _ in range(2)), encoding="utf-8")

    turns = [("assistant", "Hello!"), ("user", ASKED), ("assistant", SAID)]
    assert told(list(read_rows(path))) == ([turns, turns], [])


def test_who_has_no_address_at_twilio_is_asked_for() -> None:
    found, refused = told([twilio("whatsapp:+14155550100", ASKED, 0), twilio("bo_40shop", SAID, 1)])

    assert found == []
    assert "--speaker bo_40shop=" in refused[0]


def test_pictures_beside_the_texts_are_refused() -> None:
    media = [{"sid": "ME1", "content_type": "image/png"}]
    for rows in (
        [twilio("+14155550100", None, 0, media=media), twilio("system", SAID, 1)],
        [ada("c1", "Ada", 1, _type="picture"), ada("Ada", "c1", 2, body=SAID)],
    ):
        found, refused = told(rows)
        assert found == []
        assert "picture or a file" in refused[0]


@pytest.mark.parametrize("form", [kore, freshchat])
def test_a_page_of_several_conversations_is_not_one(form: Any, tmp_path: Path) -> None:
    asks, answers = {kore: ("incoming", "outgoing"), freshchat: ("user", "agent")}[form]
    messages = [
        each
        for session in ("a", "b")
        for each in (form(asks, ASKED, 1, session=session), form(answers, SAID, 2, session=session))
    ]
    found, refused = told(saved(tmp_path / "page.json", {"messages": messages, "total": 4}))

    assert (found, refused) == ([[("user", ASKED), ("assistant", SAID)]] * 2, [])


def test_a_transcript_of_the_bot_framework_is_read_under_its_own_ending(tmp_path: Path) -> None:
    told_by = (("conversationUpdate", "user", None), ("message", "user", ASKED), ("message", "bot", SAID))
    activities = [
        {"type": kind, "conversation": {"id": "c"}, "from": {"id": role, "role": role}, "text": said}
        for kind, role, said in told_by
    ]

    found, _ = told(saved(tmp_path / "chat.transcript", activities))
    assert found == [[("user", ASKED), ("assistant", SAID)]]


@pytest.mark.parametrize(
    "row",
    [
        {"sender": "c1", "recipient": "Ada", "message_data": "a text", "label": "good"},
        {"type": "incoming", "components": ["door"], "botId": "x", "label": "good"},
        {"source": "user", "inputText": "hello", "label": "good"},
        {"transcripts": [{"phrases": [{"text": "hello", "participantPurpose": "acd"}]}], "label": "good"},
        {"logs": [{"type": "action", "text": "restart"}], "label": "bad"},
        {"author": "Poe", "body": "Once upon", "label": "good"},
        {"object": "list", "data": [{"id": "gpt"}]},
        {"ts": "2024-01-01", "user": "u1", "text": "a tweet", "label": "good"},
        {"logs": [{"type": "log", "data": {"message": "disk full"}}], "label": "bad"},
        {"items": [{"kind": "book", "body": "a text"}], "total": 3},
        {"transcripts": [{"user": "u7", "text": "hello"}], "label": "good"},
        {"ticket_id": 3, "type": "incident", "message": "It burns.", "label": "urgent"},
        {"type": "message", "attributes": {"direction": "north", "preview": "x"}, "label": "good"},
    ],
)
def test_tables_that_look_a_little_like_it_stay_tables(row: dict[str, Any]) -> None:
    assert not is_log(row)


GLADLY: Rows = [
    {"conversationId": "c", "timestamp": f"2025-01-01T10:0{minute}:00Z", "initiator": {"type": who},
     "content": {"type": kind, "content": text}}
    for minute, (who, kind, text) in enumerate([
        ("CUSTOMER", "CHAT_MESSAGE", ASKED), ("AGENT", "CONVERSATION_NOTE", "He is nice."),
        ("SYSTEM", "CONVERSATION_STATUS_CHANGE", None), ("AGENT", "CHAT_MESSAGE", SAID)])
]  # fmt: skip
KUSTOMER: Rows = [
    {"type": "message", "attributes": {"direction": side, "preview": text, "sentAt": f"2025-01-01T10:0{minute}:00Z"},
     "relationships": {"conversation": {"data": {"id": "k"}}}}
    for minute, (side, text) in enumerate((("in", ASKED), ("out", SAID)))
]  # fmt: skip
TRENGO: Rows = [
    {"ticket_id": 3, "type": kind, "message": text, "created_at": f"2025-01-01 10:0{minute}:00"}
    for minute, (kind, text) in enumerate((("INBOUND", ASKED), ("NOTE", "He is nice."), ("OUTBOUND", SAID)))
]
LIVEPERSON = {"info": {"conversationId": "l"}, "messageRecords": [
    {"sentBy": who, "type": "TEXT_PLAIN", "messageData": {"msg": {"text": text}}, "timeL": 1700000000000}
    for who, text in (("Controller", "Joined."), ("Consumer", ASKED), ("Agent", SAID))]}  # fmt: skip
OLARK = {"id": "o", "kind": "Conversation", "items": [
    {"kind": kind, "body": text, "timestamp": "1700000000.1"}
    for kind, text in (("MessageToOperator", ASKED), ("Note", "Nice."), ("MessageToVisitor", SAID))]}  # fmt: skip
TAWK = {"id": "t", "messages": [
    {"sender": {"t": who}, "type": "msg", "msg": text}
    for who, text in (("s", "Ann joined."), ("v", ASKED), ("a", SAID))]}  # fmt: skip
BLAND = {"call_id": "b", "transcripts": [
    {"id": 1, "user": who, "text": text}
    for who, text in (("user", ASKED), ("agent-action", "Looks it up."), ("assistant", SAID))]}  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [GLADLY, KUSTOMER, TRENGO, [LIVEPERSON], [OLARK], [TAWK], [BLAND]],
    ids=["Gladly", "Kustomer", "Trengo", "LivePerson", "Olark", "tawk.to", "Bland"],
)
def test_desks_that_name_the_sides_in_words_of_their_own_are_read(rows: Rows) -> None:
    assert told(rows) == ([[("user", ASKED), ("assistant", SAID)]], [])
