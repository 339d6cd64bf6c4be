"""What ends a run before its time: limits inside a metric, outages, the clock, Ctrl-C, a full disk."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from promptopt.binding import session
from promptopt.errors import BackendError, BudgetSpent
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event, Planned
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Request
from tests.run.planted_run import conduct


def test_a_blind_except_in_a_metric_cannot_swallow_a_stop(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Stubborn:
        def optimize(self, run: Run) -> None:
            for number in range(100):
                try:
                    run.evaluate([run.initial.replace("instruction", f"try {number}")], run.train)
                except Exception:  # noqa: BLE001
                    continue

    result = conduct(tmp_path / "s.db", optimizer=Stubborn(), budget=Budget(evaluations=300))
    assert result.status == "budget"
    assert result.spent.evaluations <= 300
    assert not issubclass(BudgetSpent, Exception)


# Law 6: an outage suspends


@pytest.mark.slow
def test_dead_engine_suspends_and_running_again_goes_on(tmp_path: Path) -> None:
    whole = conduct(tmp_path / "whole.db")
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))
    model.fail_at = 77
    stopped = conduct(tmp_path / "s.db", model=model)
    assert stopped.status == "suspended"
    assert "as it was told to" in stopped.reason
    assert stopped.gain is None
    assert stopped.best.test is None
    resumed = conduct(tmp_path / "s.db")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


def test_permanent_error_is_surfaced_and_never_loops(tmp_path: Path) -> None:
    model = Scripted(lambda _: "yes", name="m", fail_at=1, error=BackendError("the server said 401: check the key"))
    result = conduct(tmp_path / "s.db", model=model)
    assert result.status == "suspended"
    assert "401" in result.reason
    assert model.calls == 1
    assert result.best.prompt == result.start.prompt


def test_clock_suspends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Scripted(lambda _: "yes", name="m")
    # The hour is over with the tenth call.
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (3_600 if model.calls >= 10 else 0))
    monkeypatch.setattr(session, "time", clock)
    result = conduct(tmp_path / "s.db", model=model, budget=Budget(minutes=60))
    assert (result.status, result.reason) == ("suspended", "60 minutes are over")
    assert result.paid.calls == 10


def test_interrupt_lets_calls_in_flight_settle_and_suspends(tmp_path: Path) -> None:
    interrupt = threading.Event()

    def answer(_: Request) -> str:
        if model.calls == 10:
            interrupt.set()
        return "yes"

    model = Scripted(answer, name="m")
    result = conduct(tmp_path / "s.db", model=model, interrupt=interrupt)
    assert (result.status, result.reason) == ("suspended", "interrupted")
    assert result.paid.calls == 10
    with Store(tmp_path / "s.db") as store:
        assert store.find(result.run_id).status == "suspended"


def test_second_interrupt_stops_at_once_and_loses_nothing(tmp_path: Path) -> None:
    model = Scripted(lambda _: "yes", name="m", fail_at=11, error=KeyboardInterrupt())
    result = conduct(tmp_path / "s.db", model=model)
    assert (result.status, result.reason) == ("suspended", "interrupted")
    assert (
        evaluate(
            planted_task(), model=Scripted(lambda _: "yes", name="m"), split="train", store=tmp_path / "s.db"
        ).paid.calls
        == 50
    )


@pytest.mark.slow
def test_full_disk_suspends_and_running_again_goes_on(tmp_path: Path) -> None:
    whole = conduct(tmp_path / "whole.db")
    with Store(tmp_path / "s.db") as store:
        model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))

        def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if model.calls > 70 and statement.startswith(("INSERT", "UPDATE")):
                raise sqlite3.OperationalError("database or disk is full")

        event.listen(store.database, "before_cursor_execute", fail)
        stopped = conduct(store, model=model)
        event.remove(store.database, "before_cursor_execute", fail)
        with store.database.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM claims").scalar() == 0
    assert stopped.status == "suspended"
    assert "the disk is full: free some space and run the same command again" in stopped.reason
    assert outcome(conduct(tmp_path / "s.db")) == outcome(whole)


# Law 7: the journal checks


def test_a_run_goes_on_after_the_calls_that_it_was_charged_for(tmp_path: Path) -> None:
    """What is asked twice is one call, and work that is kept is none, though a journal has a line for each."""

    @dataclass(frozen=True)
    class Repeats:
        def optimize(self, run: Run) -> None:
            run.evaluate([run.initial], run.train[:5])
            run.memo("heavy", lambda: "done")
            # Looked at again as another method would, past what the run remembers of its cells.
            run.rescore(run.initial, run.train[:5], 0.0, 1)
            run.rescore(run.initial, run.train[:5], 0.0, 2)

    told: list[Event] = []
    first = conduct(tmp_path / "s.db", optimizer=Repeats(), observers=[told.append])
    with Store(tmp_path / "s.db") as store:
        assert store.recorded(first.run_id) == first.spent.calls
        lines = store.journal(first.run_id).recorded
    assert lines > 15
    conduct(tmp_path / "s.db", optimizer=Repeats(), observers=[told.append])
    assert [event.recorded for event in told if isinstance(event, Planned)] == [0, first.spent.calls]
