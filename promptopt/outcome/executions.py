"""What the record of a run keeps of its earlier executions, when the same call ends again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promptopt.outcome.result import Bought, Result

KeptRecord = Mapping[str, Any] | None
"""The JSON of the result that is stored, with what was kept beside it; None for the first execution."""


def with_earlier(result: Result, record: KeptRecord) -> Result:
    """The result, with what the earlier executions of its run took: a replay pays nothing, and hides nothing.

    The record of an older version holds its last execution alone; one that is damaged says nothing.
    """
    with suppress(KeyError, TypeError):
        if record is not None:
            last = Bought.from_json(record)
            before = record.get("earlier")
            return replace(result, earlier=last if before is None else last.plus(Bought.from_json(before)))
    return result


def kept_beside(result: Result, earlier: KeptRecord) -> dict[str, Any]:
    """What is stored beside the result: how fast its models were, and what people said of its replies."""
    return {"pace": _pace(earlier, result), **_labelled(earlier, result)}


def _pace(earlier: KeptRecord, result: Result) -> dict[str, Any]:
    """What the execution of this run that paid for most calls paid for, and how long it took: a later one pays nothing.

    A record of another version holds none, and one that is damaged says nothing.
    """
    paid = result.paid
    tokens = paid.prompt_tokens + paid.completion_tokens
    now: dict[str, Any] = {"calls": paid.calls, "tokens": tokens, "wall_s": round(result.wall_s, 3)}
    before = None if earlier is None else earlier.get("pace")
    with suppress(KeyError, TypeError):
        if before is not None and before["calls"] > now["calls"]:
            return dict(before)
    return now


def _labelled(earlier: KeptRecord, result: Result) -> dict[str, Any]:
    """What people said of the very replies that this result is about, when it was last reached."""
    if earlier is None or "labelled" not in earlier or earlier.get("pairs") != result.pairs:
        return {}
    same = bool(result.pairs) or earlier.get("items") == [item.to_json() for item in result.items]
    return {"labelled": earlier["labelled"]} if same else {}
