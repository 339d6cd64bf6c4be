"""Cells that hold a conversation, a list of `{"role": …, "content": …}`, as data sets of replies publish them.

Content may be a text, nothing, or a list of parts; calls of tools may stand beside it (OpenAI) or in it (Anthropic).
ShareGPT's `{"from": …, "value": …}` is the same under other names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from promptopt.tasks.reading.json_objects import tables_among
from promptopt.tasks.reading.speakers import few_shot_role

Messages = tuple[tuple[str, str], ...]
"""(role, content) pairs, in the order spoken."""

_SHAREGPT = {"human": "user", "gpt": "assistant"}
_CALLS = ("tool_calls", "function_call")


def messages_in(value: object) -> Messages | None:
    """The messages of a cell; None where it is anything but a list of messages."""
    if not isinstance(value, list) or not value:
        return None
    found: list[tuple[str, str]] = []
    for entry in cast("list[object]", value):
        message = message_in(entry)
        if message is None:
            return None
        found.append(message)
    return tuple(found)


def message_in(entry: object) -> tuple[str, str] | None:
    """Role and content of one message; None for what is none. A call of a tool is written as `name(arguments)`."""
    message: Mapping[str, object] = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    role, content = message.get("role"), message.get("content")
    if role is None and isinstance(message.get("value"), str) and isinstance(message.get("from"), str):
        said = str(message["from"])
        role, content = _SHAREGPT.get(said, said), message["value"]
    # `function_call` is one call, OpenAI's older form; `tool_calls` is a list.
    calls = [call for name in _CALLS for call in _several(message.get(name))]
    # An assistant may say nothing; from anybody else, a row without content is no message.
    if not isinstance(role, str) or (content is None and not calls and role != "assistant"):
        return None
    texts = [""] if content is None else [_part(part) for part in _several(content)]
    written = [*texts, *map(_call_as_text, calls)]
    if not all(isinstance(each, str) for each in written):
        return None
    return few_shot_role(message.get("name"), role) or role, "\n".join(each for each in written if each)


def calls_a_tool(value: object) -> bool:
    """Whether a message of the cell calls a tool."""
    entries = cast("list[object]", value) if isinstance(value, list) else []
    tables = tables_among(entries)
    parts = tables_among([part for table in tables for part in _several(table.get("content"))])
    used = any(part.get("type") == "tool_use" for part in parts)
    return used or any(table.get(name) for table in tables for name in _CALLS)


def _several(value: object) -> list[object]:
    if value is None:
        return []
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _part(part: object) -> str | None:
    """A text, or one part of a content that has several; None for what is neither. What is no text is named."""
    if isinstance(part, str):
        return part
    table = cast("dict[str, object]", part) if isinstance(part, dict) else {}
    kind, text = table.get("type"), table.get("text")
    if isinstance(text, str):
        return text
    if kind == "tool_use":
        return _call_as_text({"name": table.get("name"), "arguments": table.get("input")})
    if kind == "tool_result":
        inner = [_part(each) for each in _several(table.get("content"))]
        return "\n".join(each for each in inner if each)
    # An image, say: the model is not shown it, but that there was one.
    return f"[{kind}]" if isinstance(kind, str) else None


def _call_as_text(call: object) -> str | None:
    table = cast("dict[str, object]", call) if isinstance(call, dict) else {}
    inner = table.get("function", table)
    function = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
    name, given = function.get("name"), function.get("arguments")
    if not isinstance(name, str):
        return None
    if not isinstance(given, str):
        # Anthropic's tools take an object, OpenAI's a text that is one.
        given = "" if given is None else json.dumps(given, ensure_ascii=False)
    return f"{name}({given})"


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
