"""One logged conversation as messages: OpenAI's and Anthropic's form, ShareGPT's, and what LangChain writes.

Strict where `conversations.py` is not: what cannot be sent to a model as it was logged is refused, with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from promptopt.errors import DataError
from promptopt.types import ChatRole, Message, ToolCall, canonical

_ROLES: Mapping[str, ChatRole] = {
    "system": "system", "developer": "developer",
    "user": "user", "human": "user", "customer": "user", "client": "user", "visitor": "user", "caller": "user",
    "assistant": "assistant", "ai": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "model": "assistant", "agent": "assistant", "support": "assistant", "operator": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
}  # fmt: skip
"""What logs call those who speak."""
_KINDS: Mapping[str, str] = {"humanmessage": "human", "aimessage": "ai", "aimessagechunk": "ai",
                             "systemmessage": "system", "toolmessage": "tool", "functionmessage": "tool",
                             "chatmessage": "user"}  # fmt: skip
"""The classes of LangChain's messages."""
_TEXTS = ("text", "input_text", "output_text")
_THOUGHTS = ("thinking", "reasoning", "redacted_thinking")


class Unusable(DataError):
    """A conversation that cannot be used; `reason` is half a sentence that other rows may share."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_message(entry: object) -> bool:
    """Whether this looks like one message of a conversation."""
    table = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    if isinstance(table.get("kwargs"), dict) or isinstance(table.get("data"), dict):
        return _kind(table) != ""
    said = any(name in table for name in ("content", "value", "tool_calls", "function_call", "parts"))
    return said and (isinstance(table.get("role", table.get("from")), str) or table.get("type") in _ROLES)


def messages_of(entries: Sequence[object], speakers: Mapping[str, ChatRole] | None = None) -> tuple[Message, ...]:
    """The messages of a conversation, as they were spoken. `speakers`: roles of further names of speakers.

    Raises Unusable for what cannot be sent: images and sounds, roles that nobody knows, entries that are no messages.
    """
    named: dict[str, ChatRole] = {}
    if speakers is not None:
        named = {name.casefold(): role for name, role in speakers.items()}
    found: list[Message] = []
    for entry in entries:
        found += _messages(entry, named)
    return tuple(found)


def role_of(said: str, speakers: Mapping[str, ChatRole]) -> ChatRole:
    """The role of a speaker; those of `speakers` (folded names) come first. Raises Unusable for one nobody knows."""
    name = said.strip().casefold()
    role: ChatRole | None = speakers[name] if name in speakers else _ROLES.get(name)
    if role is None:
        raise Unusable(f"the speaker {said[:40]!r} is unknown (say who it is: --speaker {said.strip()[:40]!r}=user)")
    return role


def _kind(table: Mapping[str, object]) -> str:
    """The kind of a message as LangChain serialises it: by its class, or by its type beside `data`."""
    path = table.get("id")
    if isinstance(path, list) and path:
        return _KINDS.get(str(cast("list[object]", path)[-1]).casefold(), "")
    kind = table.get("type")
    return kind if isinstance(kind, str) and kind in _ROLES and isinstance(table.get("data"), dict) else ""


def _messages(entry: object, speakers: Mapping[str, ChatRole]) -> list[Message]:
    table = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    kind = _kind(table)
    inner = table.get("kwargs", table.get("data"))
    if kind and isinstance(inner, dict):
        table = {"role": kind, **{name: value for name, value in cast("dict[str, object]", inner).items()
                                  if name != "type"}}  # fmt: skip
    said = table.get("role", table.get("from", table.get("type")))
    if not isinstance(said, str):
        raise Unusable(f"an entry is no message ({_shown(cast('object', entry))})")
    content = next((table[name] for name in ("content", "value", "parts", "text") if name in table), None)
    # ShareGPT writes a call of a tool as a speaker of its own.
    if said == "function_call":
        return [Message("assistant", "", (_call(_parsed(content)),))]
    role = role_of(said, speakers)
    if role == "tool" and not _is_parts(content):
        # A result may be any JSON, and is handed on as such.
        content = canonical(content)
    text, parts_calls, results = _content(content)
    calls = [*parts_calls, *_calls(table)]
    name = table.get("name")
    named = name if isinstance(name, str) else ""
    of = table.get("tool_call_id")
    plain = Message(role, text, tuple(calls), str(of) if of else "", named)
    # Anthropic brings the results of tools in a user's message.
    return [*results, *([plain] if plain.content or plain.tool_calls or not results else [])]


def _is_parts(content: object) -> bool:
    """Whether this is a text, nothing, or a list of a message's parts."""
    listed = cast("list[object]", content) if isinstance(content, list) else [content]
    tables = [cast("dict[str, object]", part) for part in listed if isinstance(part, dict)]
    plain = all(part is None or isinstance(part, str | dict) for part in listed)
    return plain and all(isinstance(table.get("type"), str) for table in tables)


def _content(content: object) -> tuple[str, list[ToolCall], list[Message]]:
    """The text of a content, the calls that stand in it, and the results."""
    if content is None or isinstance(content, str):
        return "" if content is None else content, [], []
    if not isinstance(content, list | dict):
        raise Unusable(f"the content of a message is {content!r:.40}, and no text; write it in quotes")
    texts: list[str] = []
    calls: list[ToolCall] = []
    results: list[Message] = []
    parts = cast("list[object]", content if isinstance(content, list) else [content])
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        table = cast("dict[str, object]", part) if isinstance(part, dict) else {}
        kind, text = table.get("type"), table.get("text")
        if kind == "tool_use":
            calls.append(ToolCall.of(str(table.get("name")), table.get("input"), str(table.get("id", ""))))
        elif kind == "tool_result":
            inner = _content(table.get("content"))[0]
            results.append(Message("tool", inner, tool_call_id=str(table.get("tool_use_id", ""))))
        elif isinstance(text, str) and (kind is None or kind in _TEXTS):
            texts.append(text)
        elif kind not in _THOUGHTS:
            what = str(kind) if kind else ", ".join(table) if table else "nothing"
            raise Unusable(f"a message holds {what[:40]!r} beside text (images, sounds and files are not read)")
    return "\n".join(text for text in texts if text), calls, results


def _calls(table: Mapping[str, object]) -> list[ToolCall]:
    more = table.get("additional_kwargs")
    further = cast("dict[str, object]", more) if isinstance(more, dict) else {}
    listed: list[object] = []
    # LangChain keeps what the provider sent beside its own form, which is whole where both are there.
    for place in (further, table):
        found = place.get("tool_calls")
        listed = cast("list[object]", found) if isinstance(found, list) and found else listed
    old = table.get("function_call", further.get("function_call"))
    return [_call(cast("object", each)) for each in (*listed, old) if isinstance(each, dict)]


def _call(entry: object) -> ToolCall:
    table = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    inner = table.get("function")
    function = cast("dict[str, object]", inner) if isinstance(inner, dict) else table
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise Unusable(f"a call of a tool has no name ({_shown(cast('object', entry))})")
    given = function.get("arguments", function.get("args", function.get("input")))
    return ToolCall.of(name, given, str(table.get("id", "") or ""))


def _shown(entry: object) -> str:
    return repr(str(entry)[:40])


def _parsed(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value
