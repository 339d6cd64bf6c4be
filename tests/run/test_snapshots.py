"""Where a run says it stands while a batch is under way: what was answered of it counts, and is charged once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptopt.models.scripted import Scripted
from promptopt.protocols import Ask
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Snapshot
from promptopt.types import Cell, Request, Sampling, Score
from tests.run.planted_run import conduct


@dataclass(frozen=True)
class Watched:
    """Scores the start on all of train in one batch, and lets the model look on."""

    runs: list[Run] = field(default_factory=list[Run])

    def optimize(self, run: Run) -> None:
        self.runs.append(run)
        run.evaluate([run.initial], run.train)


@dataclass(frozen=True)
class Twice:
    """Asks two questions a cell, each of all cells in a batch."""

    calls_per_cell = 2

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        for number in range(2):
            ask([Request(f"{number}: {cell.example}", Sampling()) for cell in cells])
        return [Score(1.0) for _ in cells]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "twice"}


def seen_while_answering(folder: Path, evaluator: object = None, budget: Budget | None = None) -> list[Snapshot]:
    """Where the run says it stands, each time that it asks for a reply."""
    seen, search = list[Snapshot](), Watched()

    def answer(_: Request) -> str:
        if search.runs:
            seen.append(search.runs[0].snapshot())
        return "yes"

    model = Scripted(answer, name="m")
    result: Any = conduct(folder / "s.db", optimizer=search, model=model, evaluator=evaluator, budget=budget)
    last = search.runs[0].snapshot()
    assert (last.spent, last.paid) == (result.spent, result.paid)
    return seen


def test_what_was_answered_of_a_batch_counts_before_all_of_it_is(tmp_path: Path) -> None:
    seen = seen_while_answering(tmp_path)
    # The model is asked for a cell when those before it are stored.
    assert [each.spent.evaluations for each in seen] == list(range(len(seen)))
    assert [each.spent.calls for each in seen] == list(range(len(seen)))
    assert [each.paid.evaluations for each in seen] == list(range(len(seen)))
    assert seen[-1].spent.tokens == seen[-1].paid.tokens > 0
    assert len(seen) > 100


def test_a_cell_of_several_calls_counts_once_as_many_are_answered(tmp_path: Path) -> None:
    seen = seen_while_answering(tmp_path, Twice(), Budget(calls=60))
    assert [each.spent.evaluations for each in seen] == [number // 2 for number in range(len(seen))]


def test_what_the_store_held_is_not_taken_for_answered_now(tmp_path: Path) -> None:
    seen_while_answering(tmp_path)
    assert not seen_while_answering(tmp_path)
