"""OpenAI's responses whose history stands on its servers: in the log, what went before is in rows of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from promptopt.tasks.reading.grouping import Row, unpacked

_BEFORE = "previous_response_id"
_ENVELOPES = ("response", "request", "body")
_LACKING = (
    "what was said before stands in another response, and the log lacks it (export the earlier responses of the "
    "conversation too, or leave it out)"
)


def with_history(rows: Iterable[tuple[int, Row]], refused: dict[str, list[int]]) -> Iterator[tuple[int, Row]]:
    """The rows; those that name an earlier response, with all that was said before in their input.

    `refused` takes the rows whose earlier response the log lacks.
    """
    linked: dict[str, tuple[int, Row, str]] = {}
    alone: list[tuple[int, Row, str]] = []
    for number, row in rows:
        places = list(_places(row, 2))
        if not any(_BEFORE in place for place in places):
            yield number, row
            continue
        before = _text_or_empty(next((place[_BEFORE] for place in places if place.get(_BEFORE)), None))
        # The outermost `id` may be that of a line of a batch.
        own = next(
            (_text_or_empty(place["id"]) for place in places if _text_or_empty(place.get("id")).startswith("resp")), ""
        )
        if own:
            linked[own] = number, row, before
        else:
            alone.append((number, row, before))
    for own, (number, row, before) in (*linked.items(), *(("", each) for each in alone)):
        earlier = _earlier(before, linked)
        if earlier is None:
            refused.setdefault(_LACKING, []).append(number)
        elif earlier:
            name, entries = earlier[0], [entry for each in earlier for entry in _input_and_output(linked[each][1])]
            yield (
                number,
                {**row, "conversation_id": name, "input": [*entries, *_input_items(row)], **_instructions_of(row)},
            )
        else:
            yield number, {**row, "conversation_id": own} if own else row


def _earlier(name: str, linked: Mapping[str, tuple[int, Row, str]]) -> list[str] | None:
    """The responses up to that of this name, the first one first; None where one is lacking."""
    found: list[str] = []
    while name:
        # Lacking; or a circle, which has no first response either.
        if name not in linked or name in found:
            return None
        found.append(name)
        name = linked[name][2]
    return found[::-1]


def _input_and_output(row: Row) -> list[object]:
    return [*_input_items(row), *_list_of_items(_first_given(row, "output"))]


def _input_items(row: Row) -> list[object]:
    return _list_of_items(_first_given(row, "input"))


def _instructions_of(row: Row) -> dict[str, object]:
    """The instructions, which are of one response alone; `input` was taken out of what they stood beside."""
    given = _first_given(row, "instructions")
    return {} if given is None else {"instructions": given}


def _list_of_items(value: object) -> list[object]:
    value = unpacked(value)
    if isinstance(value, list):
        return cast("list[object]", value)
    return [{"role": "user", "content": value}] if isinstance(value, str) and value else []


def _first_given(row: Row, name: str) -> object:
    return next((place[name] for place in _places(row, 2) if place.get(name) is not None), None)


def _places(row: Row, levels: int) -> Iterator[Row]:
    yield row
    for name in _ENVELOPES if levels else ():
        inner = unpacked(row.get(name))
        if isinstance(inner, dict):
            yield from _places(cast("dict[str, object]", inner), levels - 1)


def _text_or_empty(value: object) -> str:
    return value if isinstance(value, str) else ""
