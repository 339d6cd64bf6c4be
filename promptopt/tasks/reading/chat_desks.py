"""Desks and telephone agents whose exports tell in words of their own which side speaks.

`DESK_MESSAGES`: a row that is one message becomes a row of a transcript. `DESK_CONVERSATIONS`: a row that is a
conversation has `messages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from promptopt.tasks.reading.json_objects import table_of, tables_among
from promptopt.tasks.reading.speakers import plain_text

Row = Mapping[str, object]
Form = Callable[[Row], Row | None]
_USER, _ASSISTANT = "user", "assistant"
_GLADLY = {"CUSTOMER": _USER, "AGENT": _ASSISTANT}
_KUSTOMER = {"in": _USER, "out": _ASSISTANT}
_TRENGO = {"INBOUND": _USER, "OUTBOUND": _ASSISTANT, "NOTE": ""}
_LIVEPERSON = {"Consumer": _USER, "Agent": _ASSISTANT, "Controller": ""}
_OLARK = {"MessageToOperator": _USER, "MessageToVisitor": _ASSISTANT}
_TAWK = {"v": _USER, "a": _ASSISTANT, "s": ""}
_BLAND = {"user": _USER, "assistant": _ASSISTANT, "robot": _ASSISTANT, "agent-action": ""}


def _gladly(row: Row) -> Row | None:
    """An item of Gladly's; its notes, and what happened to a conversation, are no turns."""
    held, who = table_of(row.get("content")), table_of(row.get("initiator")).get("type")
    if not isinstance(who, str) or not isinstance(held.get("type"), str) or "conversationId" not in row:
        return None
    role = "" if str(held["type"]).endswith("NOTE") else _GLADLY.get(who, "")
    return _turn_row(row["conversationId"], row.get("timestamp"), role, held.get("content"))


def _kustomer(row: Row) -> Row | None:
    """A message of Kustomer's."""
    held, related = table_of(row.get("attributes")), table_of(row.get("relationships"))
    if row.get("type") != "message" or str(held.get("direction")) not in _KUSTOMER or "preview" not in held:
        return None
    session = table_of(table_of(related.get("conversation")).get("data")).get("id")
    return _turn_row(session, held.get("sentAt"), _KUSTOMER[str(held["direction"])], held["preview"])


def _trengo(row: Row) -> Row | None:
    """A message of Trengo's; notes are what colleagues tell each other."""
    if str(row.get("type")) not in _TRENGO or not row.get("ticket_id") or not isinstance(row.get("message"), str):
        return None
    return _turn_row(row["ticket_id"], row.get("created_at"), _TRENGO[str(row["type"])], row["message"])


def _turn_row(session: object, time: object, role: str, said: object) -> Row:
    text = plain_text(said) if role and isinstance(said, str) else ""
    named = {"conversation_id": session} if session else {}
    moment = {"timestamp": time} if time is not None else {}
    return {**named, **moment, "role": role if text.strip() else "", "content": text}


def _liveperson(row: Row) -> Row | None:
    """A conversation of LivePerson's."""
    entries = tables_among(row.get("messageRecords"))
    said = [
        (each.get("sentBy"), table_of(table_of(each.get("messageData")).get("msg")).get("text")) for each in entries
    ]
    return _spoken(row, "messageRecords", said, _LIVEPERSON)


def _olark(row: Row) -> Row | None:
    """A transcript of Olark's; offline messages and what the operators do are no turns."""
    entries = tables_among(row.get("items"))
    if not any(each.get("kind") in _OLARK for each in entries):
        return None
    said = [(each.get("kind"), each.get("body")) for each in entries]
    # Kinds that are not known are no turns here, where `_spoken` takes them for another program's.
    return _spoken(row, "items", said, {**{str(kind): "" for kind, _ in said}, **_OLARK})


def _tawk(row: Row) -> Row | None:
    """A chat of tawk.to's."""
    entries = tables_among(row.get("messages"))
    return _spoken(
        row, "messages", [(table_of(each.get("sender")).get("t"), each.get("msg")) for each in entries], _TAWK
    )


def _bland(row: Row) -> Row | None:
    """A call of Bland's."""
    entries = tables_among(row.get("transcripts"))
    return _spoken(row, "transcripts", [(each.get("user"), each.get("text")) for each in entries], _BLAND)


def _spoken(row: Row, name: str, said: Sequence[tuple[object, object]], roles: Mapping[str, str]) -> Row | None:
    """The row with its turns as messages, in the place of the list under `name`; None where that is another's."""
    if not said or not all(str(who) in roles for who, _ in said):
        return None
    turns = [{"role": roles[str(who)], "content": plain_text(text)} for who, text in said if isinstance(text, str)]
    spoken = [turn for turn in turns if turn["role"] and turn["content"].strip()]
    return {**row, name: None, "messages": spoken} if spoken else None


DESK_MESSAGES: tuple[Form, ...] = (_gladly, _kustomer, _trengo)
DESK_CONVERSATIONS: tuple[Form, ...] = (_liveperson, _olark, _tawk, _bland)
