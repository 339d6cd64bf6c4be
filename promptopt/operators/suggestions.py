"""New values read out of a reply: tagged names and values, or JSON; nothing in a reply is ever executed."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from promptopt.text import find_spans, strip_fence

UNCHANGED = re.compile(r"^\W*NO CHANGE\W*$", re.MULTILINE)
"""The word that nothing is to be changed, alone on a line: a value may hold it."""
_NAME_TAG = re.compile(r"<\s*name\s*>(.*?)<\s*/\s*name\s*>", re.IGNORECASE | re.DOTALL)
# Greedy: a value may itself hold such tags.
_VALUE = re.compile(r"<\s*value\s*>(.*)<\s*/\s*value\s*>", re.IGNORECASE | re.DOTALL)


_TEXT = r'("(?:\\.|[^"\\])*")'
_COMMENT = re.compile(_TEXT + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(_TEXT + r"|,(?=\s*[}\]])", re.DOTALL)
"""Outside of texts alone: a prompt may hold an address, or a list."""


def suggestions(text: str, names: Sequence[str]) -> dict[str, object]:
    """The values that a reply suggests, by name, as they stand there; empty where it holds none.

    Tagged pairs first, the last of a name; of one variable a value alone will do. Then the reply as JSON, in a fence or
    not, then what stands between its outermost braces, as JSON, with comments and commas too many, or in single quotes.
    Then all objects in it that hold a value of `names`, the last of a name. Values of JSON may be of any type.
    """
    found: dict[str, object] = {}
    heads = list(_NAME_TAG.finditer(text))
    for place, head in enumerate(heads):
        end = heads[place + 1].start() if place + 1 < len(heads) else len(text)
        value = _VALUE.search(text, head.end(), end)
        if value is not None:
            found[head.group(1).strip().strip("`\"'")] = strip_fence(value.group(1))
    if found:
        return found
    values = find_spans(text, "value")
    if values and len(names) == 1:
        return {names[0]: values[-1]}
    return _from_json(strip_fence(text), names)


def _from_json(bare: str, names: Sequence[str]) -> dict[str, object]:
    begin, end = bare.find("{"), bare.rfind("}")
    braced = bare[begin : end + 1] if 0 <= begin < end else ""
    for part, read in ((bare, _as_json), (braced, _as_json), (_without_extras(braced), _as_json), (braced, _as_python)):
        found = read(part)
        if found is not None:
            return _values(found)
    values: dict[str, object] = {}
    for each in _objects(braced):
        own = _values(each)
        # A prompt may hold an object of its own.
        values |= {name: value for name, value in own.items() if name in names}
    return values


def _values(found: Mapping[str, object]) -> dict[str, object]:
    inner = found.get("suggestion")
    return dict(cast("Mapping[str, object]", inner)) if isinstance(inner, Mapping) else dict(found)


def _as_json(text: str) -> Mapping[str, object] | None:
    try:
        # Models write the line breaks of a prompt as they are, which JSON forbids within a text.
        found = json.loads(text, strict=False)
    # Brackets nested deeply enough overflow the parser.
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else None


def _without_extras(text: str) -> str:
    """JSON without comments and without commas behind the last value."""
    bare = _COMMENT.sub(lambda found: found.group(1) or "", text)
    return _TRAILING_COMMA.sub(lambda found: found.group(1) or "", bare)


def _as_python(text: str) -> Mapping[str, object] | None:
    """A table of plain values as Python writes one, in single quotes; nothing is executed."""
    try:
        with warnings.catch_warnings():
            # An escape that Python does not know is left as it stands.
            warnings.simplefilter("ignore")
            found: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else None


def _objects(text: str) -> Iterator[Mapping[str, object]]:
    """All objects of JSON in a text that stand in no other, in order."""
    decoder, place = json.JSONDecoder(strict=False), text.find("{")
    while place >= 0:
        end = place + 1
        try:
            found, end = decoder.raw_decode(text, place)
            yield cast("Mapping[str, object]", found)
        except (ValueError, RecursionError):
            pass
        place = text.find("{", end)
