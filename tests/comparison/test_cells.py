"""Cells of a comparison: what a run came to as a row, and which cells are begun."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import pytest

from promptopt.comparison import cells
from promptopt.comparison.cells import Row, TableCell, row_from, row_of, run_cells
from promptopt.errors import ConfigError
from promptopt.outcome.result import INTERRUPTED
from promptopt.run.budget import Ledger

CELLS = [TableCell("t", "m", "x", seed) for seed in range(3)]


def report(**changes: object) -> dict[str, Any]:
    item = {"key": "k", "group": "g", "start": {"value": 0.0}, "best": {"value": None}}
    return {
        "status": "finished",
        "reason": "budget reached",
        "run_id": "r1",
        "best": {"prompt": "new", "prompt_id": "b", "tokens": 7},
        "start": {"prompt_id": "a"},
        "look": {"number": 3},
        "evaluator": "exact",
        "items": [item, {**item, "best": {"value": 0.5}}],
        "spent": asdict(Ledger(5, 6, 1, 10, 20, 0.5)),
        "paid": asdict(Ledger(calls=2)),
        "wall_s": 1.5,
        "steps": [],
        **changes,
    }


def test_a_row_says_what_its_run_came_to() -> None:
    row = row_of(CELLS[0], report())
    assert (row.status, row.why, row.run_id, row.prompt, row.kept, row.tokens) == (
        "finished",
        "",
        "r1",
        "new",
        False,
        7,
    )
    assert (row.look, row.nats, row.judged, row.measured, row.seconds) == (3, False, False, True, 1.5)
    assert row.items == (cells.Tested("k", "g", 0.0, -math.inf), cells.Tested("k", "g", 0.0, 0.5))
    assert (row.spent, row.paid) == (Ledger(5, 6, 1, 10, 20, 0.5), Ledger(calls=2))
    assert row_from(json.loads(json.dumps(row.to_json()))) == row


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"status": "suspended"}, "why", "budget reached"),
        ({"status": "budget"}, "why", ""),
        ({"start": {"prompt_id": "b"}}, "kept", True),
        ({"look": None}, "look", None),
        ({"evaluator": "loss"}, "nats", True),
        ({"basis": "judge"}, "judged", True),
        ({"basis": "metric"}, "judged", False),
        ({"items": []}, "measured", False),
        # Where start and winner are one prompt an item has one score.
        (
            {"items": [{"key": "k", "group": "", "start": {"value": 0.5}}]},
            "items", (cells.Tested("k", "", 0.5, 0.5),),
        ),
    ],
)  # fmt: skip
def test_what_a_report_says_otherwise_the_row_says_too(changes: dict[str, Any], field: str, value: object) -> None:
    assert getattr(row_of(CELLS[0], report(**changes)), field) == value


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cell_that_fails_costs_the_others_nothing(jobs: int) -> None:
    def run(cell: TableCell) -> dict[str, Any]:
        if cell.seed < 2:
            raise (ConfigError("the budget is too small"), ValueError("no more ideas"))[cell.seed]
        return report()

    told: list[Row] = []
    rows = list(run_cells(CELLS, run, jobs=jobs, tell=told.append))
    assert [(row.status, row.why) for row in rows] == [
        ("failed", "the budget is too small"), ("failed", "ValueError: no more ideas"), ("finished", ""),
    ]  # fmt: skip
    assert told == rows


@pytest.mark.parametrize(("reason", "begun"), [(INTERRUPTED, 1), ("the server is gone", 3)])
def test_none_is_begun_after_one_that_was_interrupted(reason: str, begun: int) -> None:
    rows = list(run_cells(CELLS, lambda _: report(status="suspended", reason=reason)))
    assert [row.why for row in rows] == [reason] * begun


def test_replies_to_the_winner_that_hold_no_answer_are_counted_and_kept() -> None:
    lost, read = {"value": 0.0, "parsed": False}, {"value": 0.0, "parsed": True}
    # What no judge has scored is no reply that could not be read.
    unjudged = {"value": 0.5, "parsed": False, "judged": False}
    items = [
        {"key": str(at), "group": "", "start": read, "best": each} for at, each in enumerate([lost, read, unjudged])
    ]
    row = row_of(CELLS[0], report(items=items))
    assert row.unread == 1
    assert row_from(json.loads(json.dumps(row.to_json()))) == row
