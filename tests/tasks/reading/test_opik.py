"""Exports of Opik: traces with their spans, tables whose cells are as Python shows them, data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Reading, conversations_of, is_log
from promptopt.tasks.reading.files import read_rows

Rows = list[dict[str, Any]]
SYSTEM = {"role": "system", "content": "Be kind."}
KIND = ("system", "Be kind.")


def asked(number: int) -> dict[str, Any]:
    return {"messages": [SYSTEM, {"role": "user", "content": f"Where's {number}?"}]}


def answered(number: int) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": f"{number} isn't far."}}]}


def trace(number: int) -> dict[str, Any]:
    return {"id": f"t{number}", "name": "chat", "input": asked(number), "output": answered(number), "metadata": None,
            "start_time": f"2026-01-01T10:0{number}:00Z", "thread_id": f"th{number // 2}"}  # fmt: skip


def span(number: int, kind: str, parent: str | None = None) -> dict[str, Any]:
    return {"id": f"s{number}", "type": kind, "trace_id": f"t{number}", "parent_span_id": parent,
            "input": asked(number), "output": answered(number)}  # fmt: skip


def flat(told: dict[str, Any], prefix: str) -> dict[str, str]:
    """As its command line writes a table."""
    shown = {name: value if isinstance(value, str) else str(value) for name, value in told.items() if value is not None}
    return {f"{prefix}_{name}": shown.get(name, "") for name in told}


def table(number: int, *spans: dict[str, Any]) -> Rows:
    return [{**flat(trace(number), "trace"), **flat(each, "span")} for each in spans]


def read(rows: Rows) -> Reading:
    assert is_log(rows[0])
    return conversations_of(list(enumerate(rows, start=1)))


def expected(*numbers: int) -> list[list[tuple[str, str]]]:
    return [[KIND, ("user", f"Where's {each}?"), ("assistant", f"{each} isn't far.")] for each in numbers]


def said(found: Reading) -> list[list[tuple[str, str]]]:
    return [[(each.role, each.written) for each in one.messages] for one in found.conversations]


@pytest.mark.parametrize("kind", [None, "llm", "general"])
def test_a_trace_is_of_its_thread_whatever_spans_it_has(kind: str | None) -> None:
    rows = [{"trace": trace(at), "spans": [span(at, kind)] if kind else [], "downloaded_at": "x"} for at in range(3)]
    found = read(rows)
    assert said(found) == expected(0, 1, 2)
    assert [each.id for each in found.conversations] == ["th0", "th0", "th1"]


def test_a_file_of_one_trace_is_that_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace_t0.json"
    spans = [span(0, "general"), span(0, "general", "s0")]
    path.write_text(json.dumps({"trace": trace(0), "spans": spans, "downloaded_at": "x"}), encoding="utf-8")
    found = read([dict(row) for row in read_rows(path)])
    assert (said(found), [each.id for each in found.conversations]) == (expected(0), ["th0"])


def test_a_table_has_a_row_for_each_span_and_its_trace_counts_once() -> None:
    bare = {**flat(trace(0), "trace"), **flat(dict.fromkeys(trace(0), ""), "span"), "span_parent_span_id": ""}
    outer, inner, call = span(1, "general"), span(1, "tool", "s1"), span(2, "llm", "s9")
    found = read([bare, *table(1, outer, inner), *table(2, call)])
    assert said(found) == expected(0, 1, 2)
    assert [each.id for each in found.conversations] == ["th0", "th0", "th1"]
    assert list(found.refused.values()) == [(3,)]


def test_items_of_a_data_set_are_read_as_their_table_shows_them() -> None:
    item = {"input": asked(1), "expected_output": "1 isn't far."}
    assert said(read([{**flat(item, "item"), "item_index": "0"}])) == expected(1)
    assert said(read([item])) == expected(1)


@pytest.mark.parametrize("text", ["{" * 100_000, "[datetime.datetime(2026, 1, 1)]", "{1: __import__('os')}", "{'a': "])
def test_a_cell_that_is_no_plain_value_stays_a_text_and_is_never_run(text: str) -> None:
    row = {"trace_input": text, "trace_output": "x", "trace_id": "t", "span_id": ""}
    found = conversations_of([(1, row), (2, table(2, span(2, "llm"))[0])])
    assert said(found)[-1:] == expected(2)
