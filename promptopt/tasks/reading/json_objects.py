"""Tables (JSON objects) out of what a file holds, which may be anything."""

from __future__ import annotations

import ast
import re
from typing import cast

_BETWEEN_ROWS = re.compile(r"\}\n\s*\{")
"""Between the objects of an array as numpy shows it: without a comma. A text in them has no line break of its own."""


def table_of(value: object) -> dict[str, object]:
    """The value where it is a table, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def tables_among(value: object) -> list[dict[str, object]]:
    """The tables of a list, without whatever else is in it; none where the value is no list."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]


def list_of_tables(value: object) -> list[dict[str, object]]:
    """The list where all that is in it are tables; else an empty one."""
    tables = tables_among(value)
    return tables if isinstance(value, list) and len(tables) == len(cast("list[object]", value)) else []


def as_python_shows(value: object) -> object:
    """An object or a list that stands in a text as Python or numpy shows it; anything else as it is. Nothing is run."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    for text in (value.strip(), _BETWEEN_ROWS.sub("}, {", value.strip())):
        try:
            return cast("object", ast.literal_eval(text))
        # Dates in it, JSON, or more depth than Python reads: the text is left as it is.
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return value
