"""What the record of a run keeps of its earlier executions, when the same call ends again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promptopt.outcome.result import Bought, Result
from promptopt.run.budget import Ledger
from promptopt.text import dollars

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


def repriced(result: Result, record: KeptRecord) -> str:
    """A sentence where the very tokens that an execution spent before have another price today; else empty."""
    # One that is damaged says nothing here either.
    with suppress(KeyError, TypeError):
        return "" if record is None else _repriced(result.spent, Ledger(**record["spent"]))
    return ""


def _repriced(now: Ledger, then: Ledger) -> str:
    known = now.usd is not None and then.usd is not None
    same = math.isclose(now.usd or 0, then.usd or 0, rel_tol=1e-6) if known else now.usd == then.usd
    counts = (now.calls, now.prompt_tokens, now.completion_tokens)
    if same or counts != (then.calls, then.prompt_tokens, then.completion_tokens):
        return ""
    before, today = ("unknown" if each.usd is None else dollars(each.usd) for each in (then, now))
    return (
        f"the prices of the models have changed since this run was last executed: its dollars are by today's prices "
        f"({today}), and were {before} then; what was paid for stands by the prices it was paid at"
    )


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
