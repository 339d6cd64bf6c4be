"""One logged conversation as messages: OpenAI's and Anthropic's form, ShareGPT's, and what LangChain writes.

Strict where `conversations.py` is not: what cannot be sent to a model as it was logged is refused, with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from promptopt.tasks.reading.chat_parts import (
    Unusable,
    call_of,
    calls_beside,
    content_of,
    entry_of,
    is_call,
    is_entry,
    is_parts,
    parsed,
    shown,
)
from promptopt.types import ChatRole, Message, canonical

_ROLES: Mapping[str, ChatRole] = {
    "system": "system", "developer": "developer",
    "user": "user", "human": "user", "customer": "user", "client": "user", "visitor": "user", "caller": "user",
    "assistant": "assistant", "ai": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "model": "assistant", "agent": "assistant", "support": "assistant", "operator": "assistant",
    "chatbot": "assistant", "bard": "assistant", "bing": "assistant", "claude": "assistant", "gemini": "assistant",
    "copilot": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
}  # fmt: skip
"""What logs call those who speak."""
_KINDS: Mapping[str, str] = {"humanmessage": "human", "aimessage": "ai", "aimessagechunk": "ai",
                             "systemmessage": "system", "toolmessage": "tool", "functionmessage": "tool",
                             "chatmessage": "user"}  # fmt: skip
"""The classes of LangChain's messages."""
_HELD = ("content", "value", "tool_calls", "function_call", "parts")
"""Members of which a model's message has one."""
_SPEAKER = ("speaker", "sender", "author", "participant")
_SPOKEN = ("text", "message", "utterance", "body")
"""Members of a turn that are not those of a model's messages."""
# So many letters of it: a text that only speaks of such addresses holds fewer.
_WRITTEN_OUT = re.compile(r"data:(image|audio|video)/[\w.+-]+;base64,[\w+/=]{64}")
"""The beginning of an image or a sound that stands in a text, as it is shown on pages."""


def is_message(entry: object) -> bool:
    """Whether this looks like one message of a conversation."""
    table = _table(entry)
    if isinstance(table.get("kwargs"), dict) or isinstance(table.get("data"), dict):
        return _kind(table) != ""
    said = any(name in table for name in _HELD)
    plain = said and (isinstance(table.get("role", table.get("from")), str) or table.get("type") in _ROLES)
    return is_entry(table) or plain or _as_spoken(table) is not table


def is_speaker(said: str) -> bool:
    """Whether those who write logs call one of those who speak so."""
    return said.strip().casefold() in _ROLES


def known_role(said: str) -> ChatRole:
    """The role of a speaker that `is_speaker` knows."""
    return _ROLES[said.strip().casefold()]


def _as_spoken(table: dict[str, object]) -> dict[str, object]:
    """A turn as programs for people's chats write it, as a message; the table itself where it is none.

    Only by a name of a speaker that is known: reviews and comments have authors and texts too.
    """
    if ("role" in table or "from" in table) and any(name in table for name in _HELD):
        return table
    speaker = next((table[name] for name in ("role", "from", *_SPEAKER) if isinstance(table.get(name), str)), None)
    said = next((table[name] for name in ("content", "value", *_SPOKEN) if isinstance(table.get(name), str)), None)
    known = isinstance(speaker, str) and is_speaker(speaker)
    return {**table, "role": speaker, "content": said} if known and said is not None else table


def messages_of(entries: Sequence[object], speakers: Mapping[str, ChatRole] | None = None) -> tuple[Message, ...]:
    """The messages of a conversation, as they were spoken. `speakers`: roles of further names of speakers.

    Raises Unusable for what cannot be sent: images and sounds, roles that nobody knows, entries that are no messages.
    """
    return tuple(message for message, _ in placed_messages(entries, speakers))


def placed_messages(
    entries: Sequence[object], speakers: Mapping[str, ChatRole] | None = None
) -> tuple[tuple[Message, int], ...]:
    """As `messages_of`, each with the place of its entry: one entry may be several messages, and several one."""
    named: dict[str, ChatRole] = {}
    if speakers is not None:
        named = {name.casefold(): role for name, role in speakers.items()}
    found: list[tuple[Message, int]] = []
    for place, entry in enumerate(entries):
        for message in _messages(entry, named):
            written_out = _WRITTEN_OUT.search(message.content)
            if written_out:
                raise Unusable(f"a text holds the bytes of an {written_out[1]} (images, sounds and files are not read)")
            # Where each call is an entry of its own, those that are asked side by side are one message.
            if found and found[-1][0].tool_calls and _only_calls(entry) and message.tool_calls:
                before, first = found[-1]
                found[-1] = replace(before, tool_calls=(*before.tool_calls, *message.tool_calls)), first
            else:
                found.append((message, place))
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
    # `["langchain", "schema", "messages", "HumanMessage"]`
    if isinstance(path, list) and path:
        return _KINDS.get(str(cast("list[object]", path)[-1]).casefold(), "")
    kind = table.get("type")
    return kind if isinstance(kind, str) and kind in _ROLES and isinstance(table.get("data"), dict) else ""


def _only_calls(entry: object) -> bool:
    table = _table(entry)
    return table.get("from") == "function_call" or (is_entry(table) and is_call(table))


def _messages(entry: object, speakers: Mapping[str, ChatRole]) -> list[Message]:
    table = _table(entry)
    if is_entry(table):
        return entry_of(table)
    table = _as_spoken(table)
    kind = _kind(table)
    inner = table.get("kwargs", table.get("data"))
    if kind and isinstance(inner, dict):
        table = {"role": kind, **{name: value for name, value in cast("dict[str, object]", inner).items()
                                  if name != "type"}}  # fmt: skip
    said = table.get("role", table.get("from", table.get("type")))
    if not isinstance(said, str):
        raise Unusable(f"an entry is no message ({shown(entry)})")
    content = next((table[name] for name in ("content", "value", "parts", "text") if name in table), None)
    # ShareGPT writes a call of a tool as a speaker of its own.
    if said == "function_call":
        return [Message("assistant", "", (call_of(parsed(content)),))]
    role = role_of(said, speakers)
    if role == "tool" and not is_parts(content):
        # A result may be any JSON, and is handed on as such.
        content = canonical(content)
    # Where a model refuses, OpenAI leaves the content out.
    if not content and isinstance(table.get("refusal"), str):
        content = table["refusal"]
    text, parts_calls, results = content_of(content)
    calls = [*parts_calls, *calls_beside(table)]
    name = table.get("name")
    named = name if isinstance(name, str) else ""
    of = table.get("tool_call_id")
    plain = Message(role, text, tuple(calls), str(of) if of else "", named)
    # Anthropic brings the results of tools in a user's message.
    return [*results, *([plain] if plain.content or plain.tool_calls or not results else [])]


def _table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
