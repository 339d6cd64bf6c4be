"""Which rows of a log are of one conversation: by the names that they give it, or by what was said in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from promptopt.tasks.reading.chat_parts import Unusable
from promptopt.tasks.reading.json_objects import as_python_shows
from promptopt.tasks.reading.speakers import joined_words
from promptopt.tasks.reading.transcripts import SESSIONS
from promptopt.types import Message

_SHOWN_OBJECT = re.compile(r"\s*\[?\s*\{\s*'")
"""How an object begins as Python shows it, or a list of them."""
Row = Mapping[str, object]
BODIES = ("requestBody", "request_body", "backendRequestBody", "BackendRequestBody", "RequestMessages",
          "full_request")  # fmt: skip
_WRAPPING_FIELDS = ("body", "request", "params", "input", "inputs", "extra", "metadata", "request_properties",
                    "trace_metadata", "invocation_params", "inputBodyJson", "toolConfig", "config", "kwargs",
                    *BODIES)  # fmt: skip
_CONVERSATIONS = (SESSIONS, ("session", "thread"))
"""Names of what is one conversation, the surest first."""
_TRACES = ("trace_id", "root_span_id")
"""Names of what is at least one conversation: all calls of a model for one answer."""
_CERTAIN = 4
"""Messages from which on what begins alike is one conversation: the first two may be the same greeting."""


def unpacked(value: object) -> object:
    """What JSON in a text says, where it is an object or a list, as Langfuse writes it; or Python, as pandas does."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return cast("object", json.loads(value))
        except (ValueError, RecursionError):
            return as_python_shows(value) if _SHOWN_OBJECT.match(value) else value
    return value


def places(row: Row, levels: int = 3) -> Iterator[Row]:
    """The row, and the objects in it where programs put what belongs to a request, down to so many levels."""
    yield row
    for name in _WRAPPING_FIELDS if levels else ():
        inner = unpacked(row.get(name))
        if isinstance(inner, dict):
            yield from places(cast("dict[str, object]", inner), levels - 1)


def group_of(row: Row, number: int, group_by: str | None) -> str | None:
    """The name of the conversation that a row is of, or of its trace; None where it says neither."""
    if group_by is not None:
        found = next((name for place in places(row) if (name := _name_or_id(place.get(group_by)))), "")
        if not found:
            raise Unusable(f"it has no {group_by!r} to group by")
        return found
    return _named_by(row, (*_CONVERSATIONS, _TRACES))


def session_of(row: Row) -> str | None:
    """The name of the conversation that a row says it is of, wherever in it; None where it says none."""
    return _named_by(row, _CONVERSATIONS)


def _named_by(row: Row, kinds: Sequence[Sequence[str]]) -> str | None:
    # LangSmith calls the project of a run its session.
    own = {key: value for key, value in row.items() if not ("run_type" in row and key == "session_id")}
    for names in kinds:
        for place in (own, *list(places(row))[1:]):
            named = {joined_words(key): value for key, value in place.items()}
            found = next((name for each in names if (name := _name_or_id(named.get(joined_words(each))))), "")
            if found:
                return found
    return None


def growing(told: Sequence[tuple[str | None, int, tuple[Message, ...]]]) -> list[str]:
    """The name of each conversation, given those that rows say, the rows, and what was said.

    A log may hold a conversation anew after each turn, and no name: what goes on from another row is of its group.
    """
    names = [f"row {number}" if name is None else name for name, number, _ in told]
    ways = [_ways(messages) if name is None else [] for name, _, messages in told]
    # Where several conversations go on from one row, it is a greeting that they share.
    further: dict[int, set[int]] = {}
    for way in ways:
        for place in range(1, len(way) - 1):
            further.setdefault(way[place], set()).add(way[place + 1])
    first: dict[int, int] = {}

    def root(place: int) -> int:
        while place in over:
            place = over[place]
        return place

    over: dict[int, int] = {}
    for place, way in sorted(enumerate(ways), key=lambda each: len(each[1])):
        for length, key in enumerate(way[1:], start=2):
            # Many ask the same question, and are answered alike.
            if length < _CERTAIN and (length == len(way) or len(further.get(key, ())) > 1):
                continue
            if key in first and (one := root(first[key])) != (other := root(place)):
                over[max(one, other)] = min(one, other)
        # Only what was logged as a whole is gone on from.
        if len(way) > 1:
            first.setdefault(way[-1], place)
    return [names[root(place)] for place in range(len(names))]


def _ways(messages: Sequence[Message]) -> list[int]:
    """A number for each beginning of what was said, without the system prompt."""
    found: list[int] = []
    for message in messages:
        if message.role not in ("system", "developer"):
            found.append(hash((found[-1] if found else 0, message.role, message.written)))
    return found


def _name_or_id(value: object) -> str:
    inner = cast("dict[str, object]", value).get("id") if isinstance(value, dict) else value
    return str(inner).strip() if isinstance(inner, str | int) and not isinstance(inner, bool) else ""
