"""Exports of Opik by its command line: a trace with its spans, and its tables, whose cells are as Python shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from promptopt.tasks.reading.json_objects import as_python_shows, list_of_tables, table_of

Row = Mapping[str, object]
_WHOLE, _SPAN, _ITEM = "trace_", "span_", "item_"
"""What its tables put before the name of each member."""


def trace_with_spans(row: Row) -> Row | None:
    """A trace as one row: what it is called stands with its spans, and what conversation it is of beside them."""
    trace, spans = table_of(row.get("trace")), row.get("spans")
    if not isinstance(spans, list) or not {"input", "output"} & set(trace):
        return None
    return {**trace, "spans": list_of_tables(cast("object", spans))}


def table_row(row: Row) -> Row | None:
    """A row of its tables: a span beside its trace, or an item of a data set or an experiment."""
    if "trace_input" in row and "trace_output" in row:
        trace = _told(row, _WHOLE)
        span = {name: value for name, value in _told(row, _SPAN).items() if value not in ("", None)}
        if span.get("type") == "llm":
            return {**trace, **span, "thread_id": trace.get("thread_id")}
        # Its trace stands in the row of each span: once, in that of the outermost one, is enough.
        return {**trace, "type": "span"} if "parent_span_id" in span else trace
    return _told(row, _ITEM) if "item_input" in row and "item_index" in row else None


def _told(row: Row, prefix: str) -> dict[str, object]:
    return {name.removeprefix(prefix): as_python_shows(value) for name, value in row.items() if name.startswith(prefix)}
