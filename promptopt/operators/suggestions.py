"""New values read out of a reply: tagged names and values, or JSON; nothing in a reply is ever executed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from promptopt.text import find_spans, strip_fence

UNCHANGED = re.compile(r"^\W*NO CHANGE\W*$", re.MULTILINE)
"""The word that nothing is to be changed, alone on a line: a value may hold it."""
_NAME_TAG = re.compile(r"<\s*name\s*>(.*?)<\s*/\s*name\s*>", re.IGNORECASE | re.DOTALL)
# Greedy: a value may itself hold such tags.
_VALUE = re.compile(r"<\s*value\s*>(.*)<\s*/\s*value\s*>", re.IGNORECASE | re.DOTALL)


def suggestions(text: str, names: Sequence[str]) -> dict[str, object]:
    """The values that a reply suggests, by name, as they stand there; empty where it holds none.

    Tagged pairs first, the last of a name; of one variable a value alone will do. Then the reply as JSON, in a fence or
    not, then what stands between its outermost braces. Values of JSON may be of any type.
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
    return _from_json(text)


def _from_json(text: str) -> dict[str, object]:
    bare = strip_fence(text)
    begin, end = bare.find("{"), bare.rfind("}")
    for part in (bare, bare[begin : end + 1] if 0 <= begin < end else ""):
        try:
            # Models write the line breaks of a prompt as they are, which JSON forbids within a text.
            read = json.loads(part, strict=False)
        # Brackets nested deeply enough overflow the parser.
        except (ValueError, RecursionError):
            continue
        if isinstance(read, Mapping):
            fields = cast("Mapping[str, object]", read)
            inner = fields.get("suggestion")
            return dict(cast("Mapping[str, object]", inner)) if isinstance(inner, Mapping) else dict(fields)
    return {}
