"""Replies that come in pieces (server-sent events, or a JSON object a line) as the one answer they amount to.

Nobody asked for them: some servers stream whatever they are asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from promptopt.json_members import NamedTwice, read_json
from promptopt.models.server.contents import THOUGHT_FIELDS
from promptopt.models.server.retrying import Outage
from promptopt.text import lines_of

BESIDE_THE_REPLY = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "provider"})
"""Members that a gateway may write over another server's, and leave both: none of them is a part of the reply."""

_STREAM_END = "[DONE]"
_SIGNS = re.compile(r'\\.|["{}\[\]]')
"""What opens or closes something in JSON, and what is escaped."""


@dataclass(slots=True)
class _GrowingText:
    """A text that is joined once: copied anew for each of its pieces, a long one would take minutes."""

    pieces: list[str] = field(default_factory=list[str])
    length: int = 0

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.length += len(piece)

    def whole(self) -> str:
        self.pieces = ["".join(self.pieces)]
        return self.pieces[0]

    def says(self, text: object) -> bool:
        """Whether it is `text`, looked at in full only where the lengths are equal."""
        return isinstance(text, str) and len(text) == self.length and text == self.whole()


@dataclass(slots=True)
class _Nesting:
    """What JSON over several lines has left open: read anew for each of them, a long one would take minutes."""

    depth: int = 0
    quoted: bool = False

    def stays_open(self, more: str) -> bool:
        """Whether something is open after `more` of the text."""
        for sign in _SIGNS.findall(more):
            if sign == '"':
                self.quoted = not self.quoted
            elif not self.quoted and len(sign) == 1:
                self.depth += 1 if sign in "{[" else -1
        return self.quoted or self.depth > 0


def joined_chunks(raw: str) -> dict[str, Any] | None:
    """The answer that a stream's chunks amount to; None where `raw` is no stream of chunks.

    Raises Outage where the stream ended before the reply did.
    """
    chunks, ended = _chunks(raw)
    if not chunks:
        return None
    answer: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        # What comes later holds: the counts of tokens stand in the last chunk, beside no choice.
        answer |= {name: value for name, value in chunk.items() if name != "choices" and value is not None}
        found = chunk.get("choices")
        for piece in cast("list[Any]", found) if isinstance(found, list) else []:
            if isinstance(piece, dict):
                each = cast("dict[str, Any]", piece)
                index = each.get("index")
                choice = choices.setdefault(index if isinstance(index, int) else 0, {})
                if choice.get("finish_reason") and _is_another(choice, each):
                    raise Outage("answered with two different replies at once", counted=True)
                _add(choice, each)
    if choices:
        answer["choices"] = [_joined(choices[index]) for index in sorted(choices)]
    # Some servers never write [DONE]: that all was sent shows by the reason.
    finished = bool(choices) and all(choice.get("finish_reason") for choice in choices.values())
    if not ended and not finished and "error" not in answer:
        # A stream of something else: no retry makes it one of replies.
        other = not any("choices" in chunk for chunk in chunks)
        raise Outage("broke the reply off in the middle of its stream", misplaced=other, counted=True)
    return answer


def _chunks(raw: str) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects of a stream, and whether it says that it has ended. Raises Outage for what is none of both."""
    lines = lines_of(raw)
    events = any(line.startswith("data:") for line in lines)
    found: list[dict[str, Any]] = []
    # An object may take several lines.
    pending: list[str] = []
    nesting = _Nesting()
    broken = False
    for line in lines:
        # `event:`, `id:` and comments (`: ping`) say nothing of the reply.
        if events and not line.startswith("data:"):
            continue
        text = (line.removeprefix("data:") if events else line).strip()
        if text == _STREAM_END:
            if pending:
                raise Outage("answered with a stream that is malformed", counted=True)
            return found, True
        if not text or broken:
            continue
        pending.append(text)
        if len(pending) > 1 and nesting.stays_open(text):
            continue
        try:
            value = read_json("".join(pending), BESIDE_THE_REPLY)
        except NamedTwice as twice:
            raise Outage(f"answered with a stream that names {twice.name!r} twice", counted=True) from None
        except (ValueError, RecursionError):
            # Without events each line is an object of its own, or this is no stream.
            if not events:
                return [], False
            # Where nothing is open, no further line mends it.
            broken = len(pending) > 1 or not nesting.stays_open(text)
            continue
        pending, nesting = [], _Nesting()
        if isinstance(value, dict):
            found.append(cast("dict[str, Any]", value))
    return found, False


def _is_another(choice: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    """Whether `piece` is a whole message, and says something else than the one that has ended."""
    whole, known = piece.get("message"), choice.get("message")
    if not isinstance(whole, dict) or not isinstance(known, dict):
        return False
    said: object = cast("dict[str, Any]", whole).get("content")
    before: object = cast("dict[str, Any]", known).get("content")
    return bool(said) and not (before.says(said) if isinstance(before, _GrowingText) else said == before)


def _add(choice: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """`choice` with one more of its pieces."""
    for name, value in piece.items():
        if value is None or name in ("delta", "message", "text", "logprobs"):
            continue
        choice[name] = value
    for form in ("delta", "message"):
        if isinstance(piece.get(form), dict):
            message = choice.setdefault("message", {})
            held = cast("dict[str, Any]", piece[form])
            known = message.get("content")
            again = isinstance(known, _GrowingText) and known.length > 0 and known.says(held.get("content"))
            if form == "message" and again:
                # All that came in pieces, once more.
                del message["content"]
            for name, value in held.items():
                if isinstance(value, str) and name in ("content", "refusal", *THOUGHT_FIELDS):
                    _grow(message, name, value)
                elif isinstance(value, list) and isinstance(message.get(name, []), list):
                    message.setdefault(name, []).extend(cast("list[Any]", value))
                elif value is not None:
                    message[name] = value
    if isinstance(piece.get("text"), str):
        _grow(choice, "text", piece["text"])
    if isinstance(piece.get("logprobs"), dict):
        known = choice.setdefault("logprobs", {})
        for name, value in cast("dict[str, Any]", piece["logprobs"]).items():
            if isinstance(value, list):
                known.setdefault(name, []).extend(cast("list[Any]", value))


def _grow(table: dict[str, Any], name: str, piece: str) -> None:
    """`table` with one more piece of the text under `name`, or of the list of texts and parts."""
    known = table.get(name)
    if isinstance(known, list):
        cast("list[Any]", known).append(piece)
        return
    if not isinstance(known, _GrowingText):
        known = table[name] = _GrowingText()
    known.add(piece)


def _joined(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice that is complete, with its texts."""
    tables = [choice, *([choice["message"]] if "message" in choice else [])]
    for table in tables:
        for name, value in table.items():
            if isinstance(value, _GrowingText):
                table[name] = value.whole()
    return choice
