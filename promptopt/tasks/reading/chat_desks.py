"""Desks and telephone agents whose exports tell in words of their own which side speaks.

`DESK_MESSAGES`: a row that is one message becomes a row of a transcript; so does one of `DESK_HOOKS`, which holds one
message in a list. `DESK_CONVERSATIONS`: a row that is a conversation has `messages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from promptopt.tasks.reading.json_objects import list_of_tables, table_of, tables_among
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
_LANDBOT = {"customer": _USER, "bot": _ASSISTANT, "agent": _ASSISTANT, "sys": ""}
_CRISP = {"user": _USER, "operator": _ASSISTANT}
_CRISP_UNSAID = ("note", "event")
_GENESYS = ("customer", "external", "contact")
"""What Genesys calls those who speak from outside; all others are people or programs of the desk."""
_LIVEAGENT = {"3": _USER, "5": _USER, "4": _ASSISTANT}
"""Groups of LiveAgent's that tell who wrote: mail that came in, a form, and mail that went out."""
_LIVEAGENT_CHATS = ("C", "6", "8")
_LIVEAGENT_TEXTS = ("M", "Y")


def _landbot(row: Row) -> Row | None:
    """A message of Landbot's."""
    who, held = table_of(row.get("sender")).get("type"), table_of(row.get("data"))
    session = table_of(row.get("customer")).get("id")
    if session is None or str(who) not in _LANDBOT or "channel" not in row or not held:
        return None
    files = {"files": [held]} if "url" in held else {}
    role = _LANDBOT[str(who)]
    found = _turn_row(session, row.get("timestamp"), role, held.get("body"))
    # A picture without a text is one that the customer saw, too.
    return {**found, **({"role": role, **files} if files and role else {})}


def _landbot_hook(row: Row) -> Row | None:
    """What Landbot sends of each message: a list of that one."""
    held = list_of_tables(row.get("messages"))
    return _landbot(held[0]) if len(held) == 1 else None


def _crisp(row: Row) -> Row | None:
    """A message of Crisp's; what happened to a session, and what operators tell each other, is no turn."""
    kind, content = row.get("type"), row.get("content")
    if not row.get("session_id") or str(row.get("from")) not in _CRISP or "fingerprint" not in row:
        return None
    # Choices and fields have what was asked beside them.
    said = content if kind == "text" else table_of(content).get("text")
    role = "" if kind in _CRISP_UNSAID else _CRISP[str(row["from"])]
    found = _turn_row(row["session_id"], row.get("timestamp"), role, said)
    sent = bool(role) and "url" in table_of(content)
    return {**found, "role": role, "files": [content]} if sent else found


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
    if not any(str(each.get("kind")) in _OLARK for each in entries):
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


def _genesys_recording(row: Row) -> Row | None:
    """A recording of Genesys' of a chat or of messages, whose entries tell the purpose of who speaks."""
    for name, of, text in (("transcript", "participantPurpose", "body"),
                           ("messagingTranscript", "purpose", "messageText")):  # fmt: skip
        entries = [each for each in list_of_tables(row.get(name)) if isinstance(each.get(of), str)]
        if entries and all(text in each or "type" in each for each in entries):
            said = [(str(each[of]), each.get(text)) for each in entries if each.get("type", "message") == "message"]
            roles = {who: _USER if who.casefold() in _GENESYS else _ASSISTANT for who, _ in said}
            return _spoken(row, name, said, roles)
    return None


def is_liveagent(value: object) -> bool:
    """Whether this is a list of the groups of messages of a ticket of LiveAgent's."""
    tables = list_of_tables(value)
    return bool(tables) and all("userid" in each and isinstance(each.get("messages"), list) for each in tables)


def _liveagent(row: Row) -> Row | None:
    """A ticket of LiveAgent's: in mail the group tells who wrote, in chats nothing but the number of who speaks."""
    if not is_liveagent(row.get("messages")):
        return None
    groups = tables_among(row["messages"])
    asks = {str(each["userid"]) for each in groups if _LIVEAGENT.get(str(each.get("type"))) == _USER}
    turns: list[Row] = []
    for group in groups:
        kind = str(group.get("type"))
        for each in tables_among(group["messages"]):
            by = str(each.get("userid", group["userid"]))
            # A chat beside mail is with the same customer.
            spoken = (_USER if by in asks else _ASSISTANT if asks else by) if kind in _LIVEAGENT_CHATS else ""
            role, text = _LIVEAGENT.get(kind, spoken), each.get("message")
            if role and each.get("type") in _LIVEAGENT_TEXTS and isinstance(text, str):
                turns.append({"role": role, "content": plain_text(text)})
    return {**row, "messages": turns}


def _spoken(row: Row, name: str, said: Sequence[tuple[object, object]], roles: Mapping[str, str]) -> Row | None:
    """The row with its turns as messages, in the place of the list under `name`; None where that is another's."""
    if not said or not all(str(who) in roles for who, _ in said):
        return None
    turns = [{"role": roles[str(who)], "content": plain_text(text)} for who, text in said if isinstance(text, str)]
    spoken = [turn for turn in turns if turn["role"] and turn["content"].strip()]
    return {**row, name: None, "messages": spoken} if spoken else None


DESK_HOOKS: tuple[Form, ...] = (_landbot_hook,)
DESK_MESSAGES: tuple[Form, ...] = (_gladly, _kustomer, _trengo, _landbot, _crisp)
DESK_CONVERSATIONS: tuple[Form, ...] = (_liveperson, _olark, _tawk, _bland, _genesys_recording, _liveagent)
