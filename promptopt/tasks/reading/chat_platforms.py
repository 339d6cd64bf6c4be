"""Messages of desks and of programs that make bots, whose speakers or texts stand where no name tells of them.

`MESSAGES`: a row that is one message becomes a row of a transcript. `CONVERSATIONS`: a row that is a whole one has
`messages`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from promptopt.tasks.reading.chat_desks import DESK_CONVERSATIONS, DESK_HOOKS, DESK_MESSAGES, is_liveagent
from promptopt.tasks.reading.json_objects import list_of_tables, table_of
from promptopt.tasks.reading.opik import table_row, trace_with_spans
from promptopt.tasks.reading.speakers import plain_text

Row = Mapping[str, object]
Form = Callable[[Row], Row | None]
_ADDRESS = re.compile(r"(?:whatsapp:|sms:|rcs:)?\+\d{6,15}|messenger:\S+")
"""How Twilio names who speaks from outside: by where they can be written to."""
_OF_ADA = ("ada", "bot", "agent")
_DIRECTIONS = {"incoming": "user", "outgoing": "assistant"}
# All kinds of a thread, by which its rows are known; only MESSAGE is said to the customer.
_OF_HUBSPOT = ("MESSAGE", "COMMENT", "WELCOME_MESSAGE", "ASSIGNMENT", "THREAD_STATUS_CHANGE")
_HEARD = {"external": "user", "internal": "assistant"}
_UNSAID = ("lineitem", "note", "forwardparent", "forwardchild")
"""Kinds of threads of Help Scout that no customer is shown."""
_SPOKEN_TRACES = ("text", "speak")


def _twilio(row: Row) -> Row | None:
    """A message of Twilio's Conversations. Who is neither an address nor the system is left for the user to name."""
    author, body = row.get("author"), row.get("body")
    if "conversation_sid" not in row or not isinstance(author, str) or "body" not in row:
        return None
    role = "user" if _ADDRESS.fullmatch(author) else author
    files = {"files": row["media"]} if isinstance(row.get("media"), list) and row["media"] else {}
    return _turn_row(
        row["conversation_sid"], row.get("date_created"), role, body if isinstance(body, str) else "", files
    )


def _ada(row: Row) -> Row | None:
    """A message of Ada's: the customer's sender is an id, the other side's a word, in each version another."""
    sender, recipient, held = (row.get(name) for name in ("sender", "recipient", "message_data"))
    if not isinstance(held, dict) or not isinstance(sender, str) or not row.get("conversation_id"):
        return None
    data = cast("Row", held)
    answers = sender.casefold() in _OF_ADA
    asks = not answers and (sender == row.get("chatter_id") or str(recipient).casefold() in _OF_ADA)
    body, kind = data.get("body"), str(data.get("_type", data.get("type")))
    said = body if isinstance(body, str) else ""
    files = {"files": [kind]} if kind in ("picture", "file", "video") else {}
    role = "assistant" if answers else "user" if asks else ""
    return _turn_row(row["conversation_id"], row.get("date_created"), role if said or files else "", said, files)


def _kore(row: Row) -> Row | None:
    """A message of Kore.ai's, whose texts stand in components."""
    kind, components = str(row.get("type")), list_of_tables(row.get("components"))
    if kind not in _DIRECTIONS or not components or "botId" not in row:
        return None
    texts = [table_of(each.get("data")).get("text") for each in components]
    said = "\n".join(each for each in texts if isinstance(each, str) and each.strip())
    role = _DIRECTIONS[kind] if said else ""
    return _turn_row(row.get("sessionId"), row.get("createdOn"), role, said, {})


def _freshchat(row: Row) -> Row | None:
    """A message of Freshchat's; what colleagues tell each other, and the system, is no turn."""
    parts, actor = list_of_tables(row.get("message_parts")), row.get("actor_type")
    if not parts or not isinstance(actor, str):
        return None
    texts = [table_of(each.get("text")).get("content") for each in parts]
    said = "\n".join(each for each in texts if isinstance(each, str) and each.strip())
    shown = str(row.get("message_type", "normal")) == "normal" and actor != "system"
    pictured = any("image" in each or "file" in each or "video" in each for each in parts)
    files = {"files": parts} if pictured and shown else {}
    return _turn_row(row.get("conversation_id"), row.get("created_time"), actor if shown and said else "", said, files)


def _cognigy(row: Row) -> Row | None:
    """A row of Cognigy's histories."""
    said, role = row.get("inputText"), row.get("source")
    if not row.get("sessionId") or not isinstance(said, str) or role not in ("user", "bot", "agent"):
        return None
    return _turn_row(row["sessionId"], row.get("timestamp"), str(role) if said.strip() else "", said, {})


def _hubspot(row: Row) -> Row | None:
    """A message of HubSpot's threads; comments are what colleagues tell each other."""
    kind, direction = str(row.get("type")), str(row.get("direction")).casefold()
    if kind not in _OF_HUBSPOT or not isinstance(row.get("senders"), list):
        return None
    said = row.get("text")
    role = _DIRECTIONS.get(direction, "") if kind == "MESSAGE" and isinstance(said, str) else ""
    files = {"attachments": row["attachments"]} if role and row.get("attachments") else {}
    return _turn_row(row.get("conversationsThreadId"), row.get("createdAt"), role, str(said), files)


def _turn_row(session: object, time: object, role: str, said: str, files: Row) -> Row:
    named = {"conversation_id": session} if session else {}
    moment = {"timestamp": time} if time is not None else {}
    # A row without a role is no turn: what reads transcripts leaves it out.
    return {**named, **moment, "role": role, "content": plain_text(said) if role else "", **files}


def _help_scout(row: Row) -> Row | None:
    """A conversation of Help Scout's, whose threads tell by who made them who speaks."""
    threads = list_of_tables(table_of(row.get("_embedded")).get("threads"))
    if not threads or not all("type" in each and "createdBy" in each for each in threads):
        return None
    # Drafts and hidden threads were never sent.
    shown = [each for each in threads if each["type"] not in _UNSAID and each.get("state", "published") == "published"]
    turns = [
        {
            "role": "user" if table_of(each["createdBy"]).get("type") == "customer" else "assistant",
            "content": plain_text(str(each.get("body") or "")),
            "timestamp": each.get("createdAt"),
        }
        for each in shown
    ]
    return {**row, "_embedded": None, "messages": turns}


def _voiceflow(row: Row) -> Row | None:
    """A transcript of Voiceflow's: what the user did, and what the bot's steps gave; all but texts are no turns."""
    whole = table_of(row.get("transcript"))
    logs = list_of_tables(whole.get("logs", row.get("logs")))
    # Lines of many programs are called logs, and have data.
    done = any(each.get("type") in ("action", "trace") for each in logs)
    if done and all(each.get("type") in ("action", "trace", "log") and "data" in each for each in logs):
        steps = [(each["type"] == "action", table_of(each["data"])) for each in logs]
    elif is_voiceflow(messages := row.get("messages")):
        steps = [(each["format"] == "request", table_of(each.get("payload"))) for each in list_of_tables(messages)]
    else:
        return None
    turns = [
        {"role": "user" if asks else "assistant", "content": said}
        for asks, step in steps
        if (said := _said_in_step(step, asks=asks)).strip()
    ]
    named = {"conversation_id": whole["sessionID"]} if whole.get("sessionID") else {}
    return {**row, "transcript": None, "logs": None, **named, "messages": turns}


def is_voiceflow(value: object) -> bool:
    """Whether this is a list of the turns of a transcript of Voiceflow's."""
    tables = list_of_tables(value)
    return bool(tables) and all("turnID" in each and "format" in each for each in tables)


def is_whole(document: Row) -> bool:
    """Whether this is one conversation of a platform, whose list of turns is no list of rows."""
    return any(form(document) is not None for form in CONVERSATIONS)


def is_list_of_turns(value: object) -> bool:
    """Whether this is a conversation of a platform, with nothing around it."""
    return is_voiceflow(value) or is_liveagent(value)


def _said_in_step(step: Row, *, asks: bool) -> str:
    held = step.get("payload")
    if not asks:
        said = table_of(held).get("message") if step.get("type") in _SPOKEN_TRACES else None
        return said if isinstance(said, str) else ""
    # A button that is pressed says what stands on it.
    found = (held, table_of(held).get("query"), table_of(held).get("label"))
    return next((each for each in found if isinstance(each, str)), "")


def _genesys(row: Row) -> Row | None:
    """A transcript of Genesys', whose phrases tell on which side who speaks stands."""
    phrases = [each for one in list_of_tables(row.get("transcripts")) for each in list_of_tables(one.get("phrases"))]
    if not phrases or not all(str(each.get("participantPurpose")) in _HEARD for each in phrases):
        return None
    turns = [{"role": _HEARD[str(each["participantPurpose"])], "content": each.get("text")} for each in phrases]
    return {**row, "transcripts": None, "messages": turns}


def _items_in_order(row: Row) -> Row | None:
    """A page of OpenAI's conversations, whose items have no times, and begin with the newest by default."""
    items = list_of_tables(row.get("data"))
    said = [each.get("role") for each in items if each.get("type") == "message"]
    if row.get("object") != "list" or any("created_at" in each for each in items):
        return None
    # Without times the order is not told; but a conversation begins with its user.
    return {**row, "data": items[::-1]} if said[:1] == ["assistant"] and said[-1:] == ["user"] else None


HOOKS: tuple[Form, ...] = DESK_HOOKS
MESSAGES: tuple[Form, ...] = (_twilio, _ada, _kore, _freshchat, _cognigy, _hubspot, *DESK_MESSAGES)
CONVERSATIONS: tuple[Form, ...] = (
    trace_with_spans, table_row, _help_scout, _voiceflow, _genesys, _items_in_order, *DESK_CONVERSATIONS,
)  # fmt: skip
