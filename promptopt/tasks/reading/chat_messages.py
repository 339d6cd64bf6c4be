"""One logged conversation as messages: OpenAI's and Anthropic's form, ShareGPT's, and what LangChain writes.

Strict where `conversations.py` is not: what cannot be sent to a model as it was logged is refused, with its reason.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
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
    shortened_entry,
    steps_of,
)
from promptopt.tasks.reading.json_objects import table_of
from promptopt.tasks.reading.speakers import as_spoken, few_shot_role, has_files, is_pictured, is_speaker, known_role
from promptopt.tasks.reading.tagged_tools import calls_in_text, results_in_text
from promptopt.thoughts import after_thought
from promptopt.types import ChatRole, Message, ToolCall, canonical

_ROLE_OF_CLASS: Mapping[str, str] = {"humanmessage": "human", "aimessage": "ai", "aimessagechunk": "ai",
                             "systemmessage": "system", "toolmessage": "tool", "functionmessage": "tool",
                             "chatmessage": "user"}  # fmt: skip
"""The classes of LangChain's messages."""
_CONTENT_FIELDS = ("content", "value", "tool_calls", "function_call", "parts", "blocks")
"""Members of which a model's message has one."""
_LONGEST_NAME = 40
"""Characters of a speaker's name. Ours."""
_MOST_NAMES = 5
"""Unknown speakers of one conversation that are told. Ours."""
_TURN_END_TOKEN = re.compile(r"\s*(?:<\|(?:endoftext|im_end|eot_id|end|return)\|>|</s>|<end_of_turn>)\s*\Z")
"""The mark with which a model ends, where a log has it in the text."""
# So many letters of it: a text that only speaks of such addresses holds fewer.
_WRITTEN_OUT = re.compile(r"data:(image|audio|video)/[\w.+-]+;base64,[\w+/=]{64}")
"""The beginning of an image or a sound that stands in a text, as it is shown on pages."""


def is_message(entry: object) -> bool:
    """Whether this looks like one message of a conversation."""
    table = table_of(entry)
    if isinstance(table.get("kwargs"), dict) or isinstance(table.get("data"), dict):
        # Rasa's turns have data too.
        return _message_kind(table) != "" or as_spoken(table) is not table
    said = any(name in table for name in _CONTENT_FIELDS)
    plain = said and (isinstance(table.get("role", table.get("from")), str) or is_speaker(str(table.get("type"))))
    return is_entry(table) or plain or as_spoken(table) is not table


def placed_messages(
    entries: Sequence[object], speakers: Mapping[str, ChatRole] | None = None
) -> tuple[tuple[Message, int], ...]:
    """The messages of a conversation, as they were spoken, each with the place of its entry.

    One entry may be several messages, and several one. `speakers`: roles of further names of speakers. Raises Unusable
    for what cannot be sent: images and sounds, roles that nobody knows, entries that are no messages.
    """
    named: dict[str, ChatRole] = {}
    if speakers is not None:
        named = {name.casefold(): role for name, role in speakers.items()}
    found: list[tuple[Message, int]] = []
    unknown: dict[str, None] = {}
    for place, entry in enumerate(entries):
        try:
            spoken = _messages(entry, named)
        except _UnknownSpeaker as cause:
            unknown[cause.name] = None
            continue
        for message in spoken:
            written_out = _WRITTEN_OUT.search(message.content)
            if written_out:
                raise Unusable(f"a text holds the bytes of an {written_out[1]} (images, sounds and files are not read)")
            # Where each call is an entry of its own, those that are asked side by side are one message, with the text.
            before, first = found[-1] if found else (None, -1)
            joins = before is not None and (before.tool_calls or _is_reply(entries[first]))
            if before is not None and joins and _only_calls(entry) and message.tool_calls:
                found[-1] = replace(before, tool_calls=(*before.tool_calls, *message.tool_calls)), first
            else:
                found.append((message, place))
    if unknown:
        raise Unusable(_unknown_said(list(unknown)[:_MOST_NAMES], {message.role for message, _ in found}))
    return tuple(found)


class _UnknownSpeaker(Unusable):
    """One whom nobody knows, by `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unknown_said(names: Sequence[str], known: Collection[ChatRole]) -> str:
    """Who of a conversation nobody knows, and what to type: whoever speaks first asks, where no user is known."""
    roles = ["assistant" if at or "user" in known else "user" for at in range(len(names))]
    shown = ", ".join(repr(name[:_LONGEST_NAME]) for name in names)
    # A longer one is no name, and cut it would be another.
    typed = " ".join(
        f"--speaker {shlex.quote(f'{name}={role}')}"
        for name, role in zip(names, roles, strict=True)
        if len(name) <= _LONGEST_NAME
    )
    said = f"the speaker {shown} is unknown" if len(names) == 1 else f"the speakers {shown} are unknown"
    return (
        f"{said} (say who {'it is' if len(names) == 1 else 'they are'}, with {typed} of `promptopt init`)"
        if typed
        else said
    )


def answered_by_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages; where no assistant speaks, the system that answers a user is one, as in spoken dialogues."""
    roles = [message.role for message in messages]
    if roles[:1] != ["user"] or "system" not in roles or "assistant" in roles:
        return messages
    return tuple(replace(each, role="assistant") if each.role == "system" else each for each in messages)


def role_of(said: str, speakers: Mapping[str, ChatRole]) -> ChatRole:
    """The role of a speaker; those of `speakers` (folded names) come first. Raises Unusable for one nobody knows."""
    name = said.strip().casefold()
    role = speakers[name] if name in speakers else known_role(said) if is_speaker(said) else None
    if not name:
        raise Unusable("a turn does not say who speaks (fill in its role, or leave the conversation out)")
    if role is None:
        raise _UnknownSpeaker(said.strip())
    return role


def _message_kind(table: Mapping[str, object]) -> str:
    """The kind of a message as LangChain serialises it: by its class, or by its type beside `data`."""
    path = table.get("id")
    # `["langchain", "schema", "messages", "HumanMessage"]`
    if isinstance(path, list) and path:
        return _ROLE_OF_CLASS.get(str(cast("list[object]", path)[-1]).casefold(), "")
    kind = table.get("type")
    return kind if isinstance(kind, str) and is_speaker(kind) and isinstance(table.get("data"), dict) else ""


def _is_reply(entry: object) -> bool:
    """Whether this is the text of a reply of OpenAI's responses, whose calls are entries behind it."""
    return table_of(entry).get("type") == "message" and table_of(entry).get("role") == "assistant"


def _only_calls(entry: object) -> bool:
    table = table_of(entry)
    return table.get("from") == "function_call" or (is_entry(table) and is_call(table))


def _messages(entry: object, speakers: Mapping[str, ChatRole]) -> list[Message]:
    table = table_of(entry)
    if is_entry(table):
        return entry_of(table)
    spoken = as_spoken(table)
    if has_files(table) or (spoken is not table and is_pictured(str(spoken["content"]))):
        raise Unusable("a message has a picture or a file beside text (images, sounds and files are not read)")
    table = spoken
    kind = _message_kind(table)
    inner = table.get("kwargs", table.get("data"))
    if kind and isinstance(inner, dict):
        table = {"role": kind, **{name: value for name, value in cast("dict[str, object]", inner).items()
                                  if name != "type"}}  # fmt: skip
    said = table.get("role", table.get("from", table.get("type")))
    if said == "placeholder" and not any(name in table for name in _CONTENT_FIELDS):
        # Langfuse's prompts have them, and `name` them.
        raise Unusable(f"the place {str(table.get('name'))[:40]!r} for messages is not filled (log what was sent)")
    if not isinstance(said, str):
        raise Unusable(f"an entry is no message ({shortened_entry(entry)})")
    if "role" not in table and "from" not in table and not any(name in table for name in (*_CONTENT_FIELDS, "text")):
        raise Unusable(f"an entry is of the kind {said[:40]!r}, which is not read (leave out what has such entries)")
    content = _message_content(table)
    # ShareGPT writes a call of a tool as a speaker of its own.
    if said == "function_call":
        return [Message("assistant", "", (call_of(parsed(content)),))]
    role = role_of(said, speakers)
    role = few_shot_role(table.get("name"), role) or role
    if role == "tool" and not is_parts(content):
        # A result may be any JSON, and is handed on as such.
        content = canonical(content)
    # Where a model refuses, or speaks, OpenAI leaves the content out.
    for beside in (table.get("refusal"), table_of(table.get("audio")).get("transcript")):
        content = beside if not content and isinstance(beside, str) else content
    *before, last = steps_of(content) if role == "assistant" else [content]
    earlier = [message for step in before for message in _step(role, step, table, [])]
    return [*earlier, *_step(role, last, table, calls_beside(table))]


def _message_content(table: Mapping[str, object]) -> object:
    """What a message holds; of the AI SDK's, which has it as a text too, the parts, for the calls are in them."""
    if isinstance(table.get("parts"), list) and table["parts"]:
        return table["parts"]
    content = next((table[name] for name in ("content", "value", "parts", "blocks", "text") if name in table), None)
    used = table.get("toolInvocations")
    if isinstance(used, list) and isinstance(content, str):
        parts = [{"type": "tool-invocation", "toolInvocation": each} for each in cast("list[object]", used)]
        return [*parts, {"type": "text", "text": content}]
    return content


def _step(role: ChatRole, content: object, table: Mapping[str, object], beside: Sequence[ToolCall]) -> list[Message]:
    text, within, results = content_of(content, reply=role == "assistant")
    # What a model thought is not sent back to it, and no reply is held against it.
    text = _TURN_END_TOKEN.sub("", after_thought(text)) if role == "assistant" else text
    text, written = calls_in_text(text) if role == "assistant" else (text, [])
    if role in ("tool", "user") and not within and (given := results_in_text(text)):
        return given
    calls = (*within, *written, *beside)
    name, of = table.get("name"), table.get("tool_call_id")
    plain = Message(role, text, calls, str(of) if of else "", name if isinstance(name, str) else "")
    spoken = [plain] if text or calls or not results else []
    # Anthropic brings the results of tools in a user's message, before what the user says.
    return [*spoken, *results] if within and results else [*results, *spoken]
