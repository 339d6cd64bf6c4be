"""A demonstration that a program of several calls wrote: by text what that was given and gave in one call, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from promptopt.operators.reflect import FIELD, show_example
from promptopt.text import shorten
from promptopt.types import Example

CALLS = "calls"
"""The one name of the table that it is written as, so that no right answer is taken for one."""


def recorded_calls(text: str) -> Mapping[str, Mapping[str, Any]] | None:
    """The fields of a call by the name of its text; None for what is no such demonstration."""
    try:
        found: Any = json.loads(text)
    # A right answer may be any text.
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(found, dict)
        or list(cast("dict[str, Any]", found)) != [CALLS]
        or not isinstance(found[CALLS], dict)
    ):
        return None
    calls = cast("dict[str, Any]", found[CALLS])
    return calls if all(isinstance(each, dict) for each in calls.values()) else None


def show_solved(demo: Example, part: str) -> str:
    """A demonstration as a proposer of that part is shown it: of a program its own call; empty where it has none."""
    calls = recorded_calls(demo.target)
    if calls is None:
        return show_example(demo)
    return "\n".join(f"{name}: {shorten(_as_text(value), FIELD)}" for name, value in calls.get(part, {}).items())


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
