"""Rows as messengers, assistants and platforms for bots export them, where no table of names tells how to read them.

A row that is one turn, or one exchange, becomes a row of a transcript, and one that is a conversation has `messages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

Row = Mapping[str, object]
_NEWS = ("join", "leave", "topic", "purpose", "name", "archive")
"""How Slack ends the kinds of messages that tell what happened to a channel."""
_WRITTEN = ("text", "multimodal_text")
"""What ChatGPT shows as said; the others are thoughts, code and what tools gave."""


def exported(row: Row) -> Row:
    """A row of such a program in a form that is read by its names; any other row as it is."""
    return next((found for form in _FORMS if (found := form(row)) is not None), row)


def _slack(row: Row) -> Row | None:
    if not isinstance(row.get("ts"), str) or not isinstance(row.get("text"), str) or not {"user", "bot_id"} & set(row):
        return None
    news = str(row.get("subtype", "")).endswith(_NEWS)
    role, said = ("", "") if news else ("bot" if row.get("bot_id") else "user", row["text"])
    # What opens no thread stands alone.
    return {"thread_ts": row.get("thread_ts", row["ts"]), "ts": row["ts"], "role": role, "text": said}


def _activity(row: Row) -> Row | None:
    """An activity of the Bot Framework; those that are no message say nothing."""
    session, speaker = _table(row.get("conversation")).get("id"), _table(row.get("from"))
    if not session or not speaker or "type" not in row:
        return None
    spoken = row["type"] == "message" and isinstance(row.get("text"), str)
    role, said = (speaker.get("role"), row["text"]) if spoken else ("", "")
    return {"conversation_id": session, **_time_of(row), "role": role, "text": said}


def _dialogflow(row: Row) -> Row | None:
    """An exchange of Dialogflow's in the log of its cloud."""
    answer, session = _table(row.get("jsonPayload")).get("queryResult"), _table(row.get("labels")).get("session_id")
    if not session or answer is None:
        return None
    return {"session_id": session, **_time_of(row), "queryResult": answer}


def _chatgpt(row: Row) -> Row | None:
    """The branch of a tree of messages that was shown last."""
    tree, place = _table(row.get("mapping")), row.get("current_node")
    found: list[dict[str, object]] = []
    # A node that was seen is taken away: no tree leads back to itself.
    while isinstance(place, str) and (node := _table(tree.pop(place, None))):
        message = _table(node.get("message"))
        content, role = _table(message.get("content")), _table(message.get("author")).get("role")
        parts, place = content.get("parts"), node.get("parent")
        # The page's own system messages are empty.
        said = isinstance(parts, list) and any(cast("list[object]", parts)) and role != "tool"
        if said and content.get("content_type") in _WRITTEN and message.get("recipient", "all") == "all":
            found.append({"role": role, "content": parts})
    return {**row, "messages": found[::-1]} if found else None


def _time_of(row: Row) -> Row:
    return {"timestamp": row["timestamp"]} if "timestamp" in row else {}


def _table(value: object) -> dict[str, object]:
    return {**cast("dict[str, object]", value)} if isinstance(value, dict) else {}


_FORMS: tuple[Callable[[Row], Row | None], ...] = (_slack, _activity, _dialogflow, _chatgpt)
