"""Replies that were logged as the pieces of a stream, put together again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import cast

from promptopt.tasks.reading.json_objects import table_of, tables_among
from promptopt.text import lines_of

Table = dict[str, object]
_BESIDE_EVENTS = (":", "event:", "id:", "retry:")
"""How lines of a stream begin that hold no event: remarks, and what the next one is."""
_GROWN = (("text", "text"), ("partial_json", "input"))
"""Members of a piece of Anthropic's streams, each with the member of the block that it is a piece of."""


def events_in(text: str) -> list[object] | None:
    """The events of a stream as servers send it: lines of `data: {…}`, or of JSON alone; None for any other text."""
    found: list[object] = []
    for line in lines_of(text):
        said = line.strip().removeprefix("data:").strip()
        if said and said != "[DONE]" and not said.startswith(_BESIDE_EVENTS):
            try:
                found.append(json.loads(said))
            except (ValueError, RecursionError):
                return None
    return found


def streamed(pieces: Sequence[object]) -> Table | None:
    """The message that the pieces of a stream make together; None where they are none.

    Of Anthropic, of OpenAI's chats and responses, of Gemini and Ollama.
    """
    tables = [table_of(piece) for piece in pieces]
    if not tables or not all(tables):
        return None
    return next((found for form in _FORMS if (found := form(tables)) is not None), None)


def _anthropic(tables: Sequence[Table]) -> Table | None:
    if tables[0].get("type") != "message_start":
        return None
    blocks: dict[str, Table] = {}
    for table in tables:
        place, delta = str(table.get("index")), table_of(table.get("delta"))
        if "content_block" in table:
            blocks[place] = dict(table_of(table["content_block"]))
        for name, member in _GROWN:
            grown = delta.get(name)
            if place in blocks and isinstance(grown, str):
                begun = blocks[place].get(member)
                # The block of a call begins with an empty object as its input, and grows by pieces of JSON text.
                blocks[place][member] = begun + grown if isinstance(begun, str) else grown
    return {"role": "assistant", "content": list(blocks.values())}


def _chunks(tables: Sequence[Table]) -> Table | None:
    """OpenAI's chats: of several choices the first."""
    choices = [
        choice for table in tables for choice in tables_among(table.get("choices")) if choice.get("index", 0) == 0
    ]
    deltas = [table_of(choice["delta"]) for choice in choices if "delta" in choice]
    # A choice without `delta` is a whole reply, and a list of those no stream.
    if not deltas or len(deltas) < len(choices):
        return None
    calls = _calls([call for delta in deltas for call in tables_among(delta.get("tool_calls"))])
    named = {"tool_calls": calls} if calls else {}
    return {"role": "assistant", "content": _joined_texts(delta.get("content") for delta in deltas), **named}


def _calls(pieces: Sequence[Table]) -> list[Table]:
    """The calls of tools that such pieces make; some servers count none of them, or name one again in each piece."""
    found: list[Table] = []
    growing: dict[str, Table] = {}
    for piece in pieces:
        place, named = str(piece.get("index")), piece.get("id")
        if place not in growing or (named and growing[place]["id"] not in ("", named)):
            growing[place] = {"id": "", "name": "", "arguments": ""}
            found.append(growing[place])
        call, function = growing[place], table_of(piece.get("function"))
        for name, held in (("id", named), ("name", function.get("name"))):
            if isinstance(held, str) and not call[name]:
                call[name] = held
        more = function.get("arguments")
        call["arguments"] = f"{call['arguments']}{more}" if isinstance(more, str) else call["arguments"]
    return found


def _responses(tables: Sequence[Table]) -> Table | None:
    """OpenAI's responses: the last event has all of it."""
    last = tables[-1]
    return table_of(last.get("response")) if last.get("type") == "response.completed" else None


def _gemini(tables: Sequence[Table]) -> Table | None:
    first = [next(iter(tables_among(table.get("candidates"))), Table()) for table in tables]
    # One alone is a whole answer, which is read as such elsewhere.
    if len(tables) < 2 or not all("candidates" in table or "usageMetadata" in table for table in tables):
        return None
    parts: list[Table] = []
    for part in (part for each in first for part in tables_among(table_of(each.get("content")).get("parts"))):
        begun = parts[-1] if parts else {}
        # A piece of a text goes on in the next; a thought is no piece of what is said.
        goes_on = "text" in part and "text" in begun and part.get("thought") == begun.get("thought")
        if goes_on:
            parts[-1] = {**begun, "text": f"{begun['text']}{part['text']}"}
        else:
            parts.append(part)
    return {"role": "model", "parts": parts}


def _ollama(tables: Sequence[Table]) -> Table | None:
    messages = [table_of(table.get("message")) for table in tables if "done" in table]
    if len(messages) < len(tables) or not all(messages):
        return None
    calls = [call for message in messages for call in tables_among(message.get("tool_calls"))]
    said = _joined_texts(message.get("content") for message in messages)
    return {"role": "assistant", "content": said, **({"tool_calls": calls} if calls else {})}


_FORMS: tuple[Callable[[Sequence[Table]], Table | None], ...] = (_anthropic, _chunks, _responses, _gemini, _ollama)


def _joined_texts(pieces: object) -> str:
    return "".join(piece for piece in cast("Sequence[object]", pieces) if isinstance(piece, str))
