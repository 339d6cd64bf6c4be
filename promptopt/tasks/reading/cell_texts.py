"""What a cell of a data file says: a text, several texts in a list, or a conversation that ends with a reply.

`listed`, throughout: whether the file can only hold texts (CSV, TSV), so that a list stands in a cell as JSON.
"""

from __future__ import annotations

import json
import math
from typing import cast

from promptopt.tasks.reading.conversations import before_reply, calls_a_tool, messages_in, reply_in, transcript
from promptopt.types import canonical

DEEPER = 50
"""Levels of nesting that a value has to leave free, for whoever writes it later may stand deeper in the stack."""


def cell_text(value: object) -> str:
    """A cell as a text: empty for nothing and for NaN, JSON for what is no text."""
    if isinstance(value, str):
        return value
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else canonical(value)


def why_no_text(value: object) -> str:
    """What a cell holds that cannot be written as a text; empty where it can."""
    nested = value
    if not (value is None or isinstance(value, (str, float))):
        for _ in range(DEEPER):
            nested = [nested]
    try:
        # Tried now: an error in canonical JSON later would name no row.
        cell_text(nested)
    except RecursionError:
        return "values nested too deeply"
    except (TypeError, ValueError):
        return "bytes that are no UTF-8" if isinstance(value, bytes) else f"a {type(value).__name__}"
    return ""


def input_text(value: object, listed: bool) -> str:
    """What the model is shown of a cell: its text; of a conversation all before the last reply."""
    messages = messages_in(_entries(value, listed))
    return cell_text(value) if messages is None else transcript(before_reply(messages))


def reply_text(value: object, listed: bool) -> str:
    """The answer in a cell: its text, or the last reply of a conversation."""
    messages = messages_in(_entries(value, listed))
    return cell_text(value) if messages is None else reply_in(messages)


def reply_texts(value: object, listed: bool) -> list[str]:
    """The answers in a cell: one for each entry of a list, else one."""
    entries = _entries(value, listed)
    # A list of messages is one conversation; any other list is several outputs.
    if isinstance(entries, list) and messages_in(cast("object", entries)) is None:
        return [reply_text(entry, listed=False) for entry in cast("list[object]", entries)]
    return [reply_text(value, listed)]


def context_of(value: object, listed: bool) -> tuple[tuple[str, str], ...]:
    """The messages of a conversation before its last reply, as (role, text); none of anything else."""
    messages = messages_in(_entries(value, listed))
    return () if messages is None else before_reply(messages)


def cell_calls_a_tool(value: object, listed: bool) -> bool:
    """Whether the cell holds a conversation that calls a tool."""
    entries = _entries(value, listed)
    return messages_in(entries) is not None and calls_a_tool(entries)


def _entries(value: object, listed: bool) -> object:
    """The list in a cell of a file that can only hold texts; everything else as it is."""
    if not listed or not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        found: object = json.loads(value)
    # More than Python reads (deep nesting, endless numbers) is a text like any other.
    except (ValueError, RecursionError):
        return value
    return found
