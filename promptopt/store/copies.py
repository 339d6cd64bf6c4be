"""Runs copied from one store into another, with every call they made: what lets another machine replay them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from promptopt.store.database import octets
from promptopt.store.database_errors import sentences
from promptopt.store.runs import FINAL, Store
from promptopt.store.tables import CALLS, JOURNAL, RUN_ORDER, RUNS

ROWS_AT_ONCE = 500
"""Rows that are read and written together. Ours."""


def copy_runs(source: Store, target: Store, run_ids: Sequence[str]) -> None:
    """Copy runs, their journals and calls, and the ledger of looks. What the target has already stays as it is.

    Raises StoreError.
    """
    # The last replies may still be on their way to the file that is read here.
    source.cache.flush()
    names = [each for run in dict.fromkeys(run_ids) for each in (run, run + FINAL)]
    with sentences(source.where), source.database.connect() as reading:
        keys: dict[bytes, None] = {}
        for begin in range(0, len(names), ROWS_AT_ONCE):
            chosen = names[begin : begin + ROWS_AT_ONCE]
            _copy(reading, target, RUNS, sql.select(RUNS).where(RUNS.c.id.in_(chosen)))
            _copy(reading, target, RUN_ORDER, sql.select(RUN_ORDER).where(RUN_ORDER.c.run.in_(chosen)))
            _copy(reading, target, JOURNAL, sql.select(JOURNAL).where(JOURNAL.c.run.in_(chosen)))
            # Each key once, over all runs: those of one task share calls.
            asked = sql.select(JOURNAL.c.key).where(JOURNAL.c.run.in_(chosen))
            keys |= {octets(key): None for (key,) in reading.execute(asked)}
        listed = list(keys)
        for begin in range(0, len(listed), ROWS_AT_ONCE):
            query = sql.select(CALLS).where(CALLS.c.key.in_(listed[begin : begin + ROWS_AT_ONCE]))
            _copy(reading, target, CALLS, query)
    # All of it: numbers of looks are counted over the whole ledger, which holds digests only.
    target.looks.copy_from(source.looks)


def _copy(reading: sql.Connection, target: Store, table: sql.Table, query: sql.Select[Any]) -> None:
    columns = [column.name for column in table.columns]
    insert = sql.text(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)}) "
        f"ON CONFLICT DO NOTHING"
    )
    rows = reading.execute(query).mappings()
    while found := rows.fetchmany(ROWS_AT_ONCE):
        # A kill leaves a part of the copy; copied again, the rest is added to it.
        # Of its own: what the source cannot read is no fault of the target.
        with sentences(target.where), target.database.begin() as writing:
            writing.execute(insert, [dict(row) for row in found])
