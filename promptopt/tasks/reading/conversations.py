"""Cells that hold a conversation, a list of `{"role": …, "content": …}`, as data sets of replies publish them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

Messages = tuple[tuple[str, str], ...]
"""(role, content) pairs, in the order spoken."""


def messages_in(value: object) -> Messages | None:
    """The messages of a cell; None where it is anything but a list of objects with the texts `role` and `content`."""
    if not isinstance(value, list) or not value:
        return None
    found: list[tuple[str, str]] = []
    for entry in cast("list[object]", value):
        message: Mapping[str, object] = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            return None
        found.append((role, content))
    return tuple(found)


def before_reply(messages: Messages) -> Messages:
    """What a reply answers: all messages but a last one of the assistant's."""
    return messages[:-1] if messages[-1][0] == "assistant" else messages


def reply_in(messages: Messages) -> str:
    """What the assistant says last; empty where someone else speaks last."""
    role, content = messages[-1]
    return content if role == "assistant" else ""


def transcript(messages: Sequence[tuple[str, str]]) -> str:
    """Messages as one text, a paragraph each, with their roles where there are several."""
    return "\n\n".join(content if len(messages) == 1 else f"{role}: {content}" for role, content in messages)
