"""What a message of a server holds: what was said, what was thought, and whether it is a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from promptopt.types import ToolCall, canonical
from promptopt.types.identity import object_in

THOUGHT_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought")
"""Where servers put what a model thought, apart from what it said: vLLM, SGLang, DeepSeek; OpenRouter, Ollama."""
_PART_TEXT_FIELDS = ("text", "value", "content", "thinking", "reasoning")
_PART_FIELDS = frozenset((*_PART_TEXT_FIELDS, "type", "parts", "refusal"))
"""The members by which a part of a content is known."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The texts of a message."""

    said: str = ""
    thought: str = ""
    refused: bool = False


def contents_of(message: Mapping[str, Any]) -> Contents:
    """The contents of a chat message. Raises ValueError for a content that is none."""
    content: object = message.get("content")
    if isinstance(content, dict) and not _PART_FIELDS.intersection(cast("dict[str, Any]", content)):
        # JSON that a gateway has read already.
        found = Contents(canonical(cast("object", content)))
    else:
        found = _contents_of(cast("object", content))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        found = Contents(refusal, found.thought, refused=True)
    # One thought, which some gateways give under two names.
    apart = "".join(dict.fromkeys(str(message[name]) for name in THOUGHT_FIELDS if isinstance(message.get(name), str)))
    return Contents(found.said, found.thought + apart, found.refused)


def calls_of(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The calls of tools in a chat message; those that came in pieces are put together by their index."""
    listed: object = message.get("tool_calls")
    old: object = message.get("function_call")
    given: list[object] = [*cast("list[object]", listed)] if isinstance(listed, list) else []
    # A single call, as OpenAI's dialect wrote it before there were tools.
    given += [{"function": old}] if isinstance(old, dict) else []
    calls: list[tuple[str, str, str]] = []
    # The place of the call that pieces of an index go to.
    places: dict[object, int] = {}
    for entry in given:
        call = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        inner = call.get("function")
        # Some servers leave the envelope out.
        function = cast("dict[str, Any]", inner) if isinstance(inner, dict) else call
        arguments: object = function.get("arguments")
        text = arguments if isinstance(arguments, str) else "" if arguments is None else canonical(arguments)
        named, id = (str(part[key]) if part.get(key) else "" for part, key in ((function, "name"), (call, "id")))
        place = places.get(call.get("index"))
        # A call without an index is whole, and goes with no other.
        if "index" not in call or place is None or _is_another(calls[place], (named, text, id)):
            places[call.get("index")] = len(calls)
            calls.append((named, text, id))
            continue
        name, held, known = calls[place]
        # The id stands in the first piece alone, and arguments are spread over all.
        calls[place] = (name + named, held + text, known if known else id)
    return tuple(ToolCall.of(name, text, id) for name, text, id in calls if name)


def _is_another(call: tuple[str, str, str], piece: tuple[str, str, str]) -> bool:
    """Whether a piece (name, arguments, id) is of another call than the one with its index.

    Gemini's servers give all calls that are asked side by side the index 0.
    """
    (name, held, known), (named, text, id) = call, piece
    if known and id and known != id:
        return True
    return bool(name and named and text) and object_in(held) is not None


def _contents_of(content: object) -> Contents:
    """A text, or parts that are joined as they stand; what is no text says nothing."""
    if content is None:
        return Contents()
    if isinstance(content, str):
        return Contents(content)
    if isinstance(content, list):
        parts = [_contents_of(part) for part in cast("list[object]", content)]
        said, thought = ("".join(getattr(part, name) for part in parts) for name in ("said", "thought"))
        return Contents(said, thought, any(part.refused for part in parts))
    if isinstance(content, dict):
        return _of_part(cast("dict[str, Any]", content))
    raise ValueError("a content that is no text")


def _of_part(part: Mapping[str, Any]) -> Contents:
    # Gemini's contents hold their parts one level deeper.
    if "parts" in part:
        return _contents_of(part["parts"])
    kind = str(part.get("type"))
    if "refusal" in kind and isinstance(part.get("refusal"), str):
        return Contents(part["refusal"], refused=True)
    found = _contents_of(next((part[name] for name in _PART_TEXT_FIELDS if part.get(name) is not None), None))
    # Gemini marks a thought by a flag, others by the kind of the part.
    if "thinking" in kind or "reasoning" in kind or part.get("thought") is True:
        return Contents("", found.said + found.thought)
    return found


def as_object(value: object) -> dict[str, Any]:
    """`value` as a JSON object. Raises ValueError where it is none."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return cast("dict[str, Any]", value)
