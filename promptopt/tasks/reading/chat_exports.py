"""Rows as messengers, assistants and platforms for bots export them, where no table of names tells how to read them.

A row that is one turn, or one exchange, becomes a row of a transcript, and one that is a conversation has `messages`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from promptopt.tasks.reading.branches import branch_shown, rank_of
from promptopt.tasks.reading.chat_parts import parsed
from promptopt.tasks.reading.chat_platforms import CONVERSATIONS, HOOKS, MESSAGES
from promptopt.tasks.reading.json_objects import list_of_tables, table_of
from promptopt.tasks.reading.speakers import FILES, as_spoken, plain_text, slack_text
from promptopt.tasks.reading.telemetry import EVENTS, message_of_event

Row = Mapping[str, object]
_NEWS = ("join", "leave", "topic", "purpose", "name", "archive")
"""How Slack ends the kinds of messages that tell what happened to a channel."""
_TIMED = re.compile(r"\d+\.\d+")
"""How Slack names a message."""
_WRITTEN_CONTENT = ("text", "multimodal_text")
"""What ChatGPT shows as said; the others are thoughts, code and what tools gave."""

_CHATWOOT_ROLES = {"0": "user", "1": "assistant", "2": "", "3": "assistant",
             # Its webhooks have the same in words.
             "incoming": "user", "outgoing": "assistant", "activity": "", "template": "assistant"}  # fmt: skip
_OF_CHATWOOT = {"inbox_id", "account_id", "content_type", "content_attributes", "private", "sender_type"}
"""Members beside a number as the kind of a message: other programs may count the other way round."""
_SENT = ("photo", "document", "voice", "audio", "video", "video_note", "sticker", "animation")
_TURN_LISTS = ("messages", "activities", "results")
_DONE = ("trace", "event", "typing", "conversationUpdate", "systemEventMessage")
_STEPS = {"user_message": "user", "assistant_message": "assistant", "run": "", "tool": "", "llm": "", "embedding": "",
          "retrieval": "", "rerank": "", "system_message": "", "undefined": ""}  # fmt: skip
_OF_PYDANTIC = {"system-prompt": "system", "user-prompt": "user", "text": "assistant"}
_SPANS = ("span_id", "spanId", "trace_id", "traceId")


def exported(row: Row) -> Row:
    """A row of such a program in a form that is read by its names; any other row as it is."""
    row = _without_json_around(row)
    return next((found for form in _FORMS if (found := form(row)) is not None), row)


def _without_json_around(row: Row) -> Row:
    """A row of a table with the texts of its cells, where every cell is JSON, as Langfuse wrote them; else the row."""
    cells = list(row.values())
    quoted = any(isinstance(each, str) and each.startswith('"') and each.endswith('"') for each in cells)
    if not quoted or not all(each is None or isinstance(each, str) for each in cells):
        return row
    held = {name: parsed(value) for name, value in row.items()}
    if any(value is row[name] for name, value in held.items() if value):
        return row
    return {name: value if isinstance(value, str) else row[name] for name, value in held.items()}


def _slack(row: Row) -> Row | None:
    # Seconds with what follows the point, which is part of the name: other tables have dates there.
    timed = isinstance(row.get("ts"), str) and _TIMED.fullmatch(str(row["ts"]))
    if not timed or not isinstance(row.get("text"), str) or not {"user", "bot_id"} & set(row):
        return None
    news = str(row.get("subtype", "")).endswith(_NEWS)
    role, said = ("", "") if news else ("bot" if row.get("bot_id") else "user", slack_text(str(row["text"])))
    # What opens no thread stands alone.
    return {"thread_ts": row.get("thread_ts", row["ts"]), "ts": row["ts"], "role": role, "text": said, **_files(row)}


def _activity(row: Row) -> Row | None:
    """An activity of the Bot Framework; those that are no message say nothing."""
    session, speaker = table_of(row.get("conversation")).get("id"), table_of(row.get("from"))
    if not session or not speaker or "type" not in row:
        return None
    spoken = row["type"] == "message" and isinstance(row.get("text"), str)
    named = speaker.get("role")
    # In transcripts of Copilot Studio roles are numbers.
    named = "bot" if named == 0 else "user" if named == 1 else named
    role, said = (named, row["text"]) if spoken else ("", "")
    return {"conversation_id": session, **_time_of(row), "role": role, "text": said, **_files(row)}


def _chatwoot(row: Row) -> Row | None:
    """A message of Chatwoot's, whose kinds are numbers or words: the customer, the desk, neither, a template."""
    kind = str(row.get("message_type"))
    if kind not in _CHATWOOT_ROLES or "content" not in row or not _OF_CHATWOOT & set(row):
        return None
    # What happened to a conversation, and what colleagues tell each other, is no turn.
    unsaid = not _CHATWOOT_ROLES[kind] or row.get("private") in (True, "true", "True", "t", "1")
    role, text = ("", "") if unsaid else (_CHATWOOT_ROLES[kind], row["content"])
    name = str(table_of(row.get("conversation")).get("id", row.get("conversation_id", "")))
    moment = {"created_at": row["created_at"]} if "created_at" in row else {}
    said = {"role": role, "content": text, **({} if unsaid else _files(row))}
    return {"conversation_id": name, **moment, **said} if name else said


def _conversation(row: Row) -> Row | None:
    """A conversation whose messages are such rows."""
    for name in _TURN_LISTS:
        tables = list_of_tables(row.get(name))
        # Beside what was said stands what a bot did.
        turns = [
            {"chatId": "", "conversation": {"id": "-"}, **each} for each in tables if each.get("type") not in _DONE
        ]
        for form in (_chatwoot, _teams, _discord, _activity, *MESSAGES):
            # The first one tells most lists of other programs apart.
            found = [form(each) for each in turns] if turns and form(turns[0]) else []
            if found and all(found):
                return {**row, "messages": [each for each in found if each and each["role"]]}
    return None


def _teams(row: Row) -> Row | None:
    """A message of Teams, as Graph gives it: a bot speaks as an application."""
    speaker, body, name = table_of(row.get("from")), table_of(row.get("body")), row.get("chatId")
    if "messageType" not in row or not body or not (isinstance(name, str) or "channelIdentity" in row):
        return None
    # In a channel a thread is named by its first message.
    session = name if isinstance(name, str) else row.get("replyToId") or row.get("id")
    spoken = row["messageType"] == "message" and speaker
    text = plain_text(str(body.get("content")))
    role, said = ("bot" if speaker.get("application") else "user", text) if spoken else ("", "")
    moment = {"timestamp": row["createdDateTime"]} if "createdDateTime" in row else {}
    return {"conversation_id": session, **moment, "role": role, "text": said, **_files(row)}


def _telegram(row: Row) -> Row | None:
    """An update of Telegram's bots."""
    message = table_of(row.get("message"))
    session, speaker = table_of(message.get("chat")).get("id"), table_of(message.get("from"))
    if "update_id" not in row or session is None or "is_bot" not in speaker:
        return None
    sent = [name for name in _SENT if name in message]
    files = {"files": [{"file_id": sent[0]}]} if sent else {}
    said = str(message.get("text", message.get("caption", "")))
    role = "bot" if speaker["is_bot"] else "user"
    return {"conversation_id": session, "timestamp": message.get("date"), "role": role, "text": said, **files}


def _telegram_chat(row: Row) -> Row | None:
    """A chat that Telegram Desktop exported, whose texts may be in pieces."""
    # Services stand among them: who joined, and what was pinned.
    tables = [each for each in list_of_tables(row.get("messages")) if each.get("type") == "message"]
    if not tables or not all("from_id" in each and "text" in each for each in tables):
        return None
    # A chat with a bot has the bot's own id, which a message gives with "user" before it.
    bot = f"user{row.get('id')}" if row.get("type") == "bot_chat" else None
    found: list[dict[str, object]] = []
    for each in tables:
        held = each["text"]
        pieces = cast("list[object]", held) if isinstance(held, list) else [held]
        text = "".join(each if isinstance(each, str) else str(table_of(each).get("text", "")) for each in pieces)
        role = each.get("from") if bot is None else "bot" if each["from_id"] == bot else "user"
        sent = [name for name in ("photo", "file", "media_type") if each.get(name)]
        found.append({"role": role, "content": text, **({"files": sent} if sent else {})})
    return {**row, "messages": found}


def _discord(row: Row) -> Row | None:
    """A message of Discord's interface: people are no bots, which is not said of them."""
    author = table_of(row.get("author"))
    if "channel_id" not in row or "username" not in author or not isinstance(row.get("content"), str):
        return None
    role = "bot" if author.get("bot") else "user"
    moment = {"timestamp": row["timestamp"]} if "timestamp" in row else {}
    return {"conversation_id": row["channel_id"], **moment, "role": role, "content": row["content"], **_files(row)}


def _rasa(row: Row) -> Row | None:
    """An event that Rasa sends to a broker; those that are no speech say nothing."""
    if not isinstance(row.get("event"), str) or not row.get("sender_id") or "timestamp" not in row:
        return None
    spoken = row["event"] in ("user", "bot") and isinstance(row.get("text"), str)
    role, said = (row["event"], row["text"]) if spoken else ("", "")
    return {"conversation_id": row["sender_id"], "timestamp": row["timestamp"], "role": role, "text": said}


def _chainlit(row: Row) -> Row | None:
    """A step of Chainlit's; those that are no message say nothing."""
    session = row.get("threadId", row.get("thread_id"))
    kind = str(row.get("type"))
    # Other programs have runs and calls of tools in threads, too.
    known = kind in _STEPS and ("streaming" in row or "showInput" in row or _STEPS[kind] != "")
    if not session or not known or "output" not in row:
        return None
    role, said = _STEPS[kind], row["output"]
    moment = {"created_at": row["createdAt"]} if "createdAt" in row else {}
    return {"conversation_id": session, **moment, "role": role, "text": said if role else ""}


def _spoken_turn(row: Row) -> Row | None:
    """A turn whose speaker or text stands in an object, as Botpress has them."""
    table = {**row}
    if not any(isinstance(row.get(name), dict) for name in ("author", "sender", "from", "payload")):
        return None
    spoken = as_spoken(table)
    if spoken is table:
        return None
    plain = {name: value for name, value in row.items() if not isinstance(value, dict | list)}
    return {**plain, "role": spoken["role"], "content": spoken["content"], **_files(row)}


def _underlined(row: Row) -> Row | None:
    """A conversation whose messages are the fields of objects, as Haystack wrote them."""
    tables = list_of_tables(row.get("messages"))
    if not tables or not all("_role" in each for each in tables):
        return None
    return {**row, "messages": [{name.lstrip("_"): value for name, value in each.items()} for each in tables]}


def _pydantic(row: Row) -> Row | None:
    """A conversation of Pydantic AI: requests hold what the system, the user and tools say, responses the model's."""
    tables = list_of_tables(row.get("messages"))
    if not tables or not all(each.get("kind") in ("request", "response") for each in tables):
        return None
    found: list[dict[str, object]] = []
    for part in (part for each in tables for part in list_of_tables(each.get("parts"))):
        kind, content = str(part.get("part_kind")), part.get("content")
        if kind in _OF_PYDANTIC:
            found.append({"role": _OF_PYDANTIC[kind], "content": content})
        elif kind in ("tool-call", "tool-return"):
            found.append({"type": kind.replace("return", "result"), "toolCallId": part.get("tool_call_id"),
                          "toolName": part.get("tool_name"), "input": part.get("args"), "output": content})  # fmt: skip
    return {**row, "messages": found}


def _best_ranked_branch(row: Row) -> Row | None:
    """A tree of OpenAssistant's: of several replies, and of several questions behind one, the best."""
    place = table_of(row.get("prompt"))
    if not isinstance(place.get("replies"), list):
        return None
    found: list[Row] = [place]
    while replies := list_of_tables(place.get("replies")):
        place = table_of(min(replies, key=rank_of))
        found.append(place)
    return {**row, "messages": [{"role": each.get("role"), "text": each.get("text")} for each in found]}


def _palm(row: Row) -> Row | None:
    """A conversation as PaLM's chats had it: authors of any name, the prompt as `context`, and examples before it."""
    tables, context = list_of_tables(row.get("messages")), row.get("context")
    shown = [
        (table_of(each.get("input")), table_of(each.get("output"))) for each in list_of_tables(row.get("examples"))
    ]
    if not tables or not all("author" in each and "content" in each for each in tables):
        return None
    if not isinstance(context, str) and not shown:
        return None
    # Examples are no replies that were given.
    turns: list[Row] = [{"role": "system", "content": context}] if context else []
    for asked, answered in shown:
        turns += [{"role": "user", "content": asked.get("content")},
                  {"role": "assistant", "content": answered.get("content"), "weight": 0}]  # fmt: skip
    first = tables[0]["author"]
    turns += [{"role": "user" if each["author"] == first else "assistant", "content": each["content"]}
              for each in tables]  # fmt: skip
    return {**row, "context": None, "examples": None, "messages": turns}


def _preferred_conversation(row: Row) -> Row | None:
    """The better of two conversations between which somebody chose; where both are bad, it is told as one that is."""
    better = str(row.get("winner"))
    if not isinstance(row.get("conversation_a"), list) or not isinstance(row.get("conversation_b"), list):
        return None
    held = row["conversation_b" if better == "model_b" else "conversation_a"]
    bad = {"label": False, "completion": ""} if "bothbad" in better else {}
    return {**row, "conversation_a": None, "conversation_b": None, "messages": held, **bad}


def _adk(row: Row) -> Row | None:
    """A session of Google's agents, whose events hold Gemini's contents."""
    held = [table_of(each.get("content")) for each in list_of_tables(row.get("events")) if each.get("content")]
    if not held or not all("parts" in each and "role" in each for each in held):
        return None
    return {**row, "events": None, "messages": held}


def _alternating(row: Row) -> Row | None:
    """A conversation of UltraChat's: what user and assistant say in turns."""
    data = row.get("data")
    said = cast("list[object]", data) if isinstance(data, list) and set(row) <= {"id", "data"} else []
    if len(said) < 2 or not all(isinstance(each, str) for each in said):
        return None
    return {**row, "data": None, "messages": [{"role": ("user", "assistant")[place % 2], "content": each}
                                              for place, each in enumerate(said)]}  # fmt: skip


def _event(row: Row) -> Row | None:
    """A message that OpenTelemetry logs as an event, a row each."""
    held = table_of(row.get("attributes"))
    kind = next((str(each) for each in (row.get("name"), row.get("event_name"), held.get("event.name"))
                 if str(each) in EVENTS), "")  # fmt: skip
    span = next((row[name] for name in _SPANS if row.get(name)), None)
    body = table_of(row.get("body"))
    if not kind or span is None or not body:
        return None
    time = next((row[name] for name in ("timestamp", "timeUnixNano", "observedTimeUnixNano") if name in row), None)
    return {"conversation_id": span, "timestamp": time, "message": message_of_event(kind, body)}


def _dialogflow(row: Row) -> Row | None:
    """An exchange of Dialogflow's in the log of its cloud."""
    answer, session = table_of(row.get("jsonPayload")).get("queryResult"), table_of(row.get("labels")).get("session_id")
    if not session or answer is None:
        return None
    return {"session_id": session, **_time_of(row), "queryResult": answer}


def _chatgpt(row: Row) -> Row | None:
    """The branch of a tree of messages that was shown last."""
    tree, place = {**table_of(row.get("mapping"))}, row.get("current_node")
    found: list[dict[str, object]] = []
    # A node that was seen is taken away: no tree leads back to itself.
    while isinstance(place, str) and (node := table_of(tree.pop(place, None))):
        message = table_of(node.get("message"))
        content, role = table_of(message.get("content")), table_of(message.get("author")).get("role")
        parts, place = content.get("parts"), node.get("parent")
        # The page's own system messages are empty.
        said = isinstance(parts, list) and any(cast("list[object]", parts)) and role != "tool"
        if said and content.get("content_type") in _WRITTEN_CONTENT and message.get("recipient", "all") == "all":
            found.append({"role": role, "content": parts})
    return {**row, "messages": found[::-1]} if found else None


def _files(row: Row) -> Row:
    return {name: row[name] for name in FILES if row.get(name)}


def _time_of(row: Row) -> Row:
    return {"timestamp": row["timestamp"]} if "timestamp" in row else {}


_FORMS: tuple[Callable[[Row], Row | None], ...] = (
    _slack, _activity, _dialogflow, _chatgpt, _chatwoot, *HOOKS, _conversation, _teams, _telegram, _telegram_chat,
    _discord, _rasa, _chainlit, _event, _underlined, _pydantic, _best_ranked_branch, _palm, _preferred_conversation,
    _adk, _alternating, branch_shown, *MESSAGES, *CONVERSATIONS, _spoken_turn,
)  # fmt: skip
