"""Rows of a comparison, as short to write as what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptopt.comparison.cells import Row, TableCell, Tested
from promptopt.comparison.compare import compared
from promptopt.comparison.table import Comparison
from promptopt.reports.curves import Point
from promptopt.run.budget import Ledger

SPENT = Ledger(100, 110, 10, 1000, 100)


def row(
    method: str,
    best: Sequence[float],
    start: Sequence[float] | None = None,
    *,
    task: str = "t",
    seed: int = 0,
    look: int | None = 1,
    keys: Sequence[str] | None = None,
    kept: bool = False,
    tokens: int = 10,
    usd: float | None = 1.0,
    curve: Sequence[Point] = (),
    spent: Ledger = SPENT,
) -> Row:
    """A finished run: what its winner scored on each item, named k0, k1, … where nothing else is said."""
    names = [f"k{place}" for place in range(len(best))] if keys is None else keys
    before = [0.0] * len(best) if start is None else start
    items = tuple(Tested(key, "", old, new) for key, old, new in zip(names, before, best, strict=True))
    return Row(
        TableCell(task, method, "m", seed), "finished", run_id=f"{method}{seed}", prompt="p", prompt_id="i", kept=kept,
        tokens=tokens, look=look, items=items, spent=replace(spent, usd=usd), seconds=60.0,
        curve=tuple(curve),
    )  # fmt: skip


def failed(method: str, *, task: str = "t", seed: int = 0) -> Row:
    """A run that did not get as far."""
    return Row(TableCell(task, method, "m", seed), "failed", "RuntimeError: no more ideas")


def table(*rows: Row) -> Comparison:
    """The comparison of these rows."""
    return compared([each.cell for each in rows], rows)
