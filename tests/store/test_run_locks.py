"""The lock on a run, at the moment at which one process lets go of it and two others come."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from promptopt.store.run_locks import held
from promptopt.store.runs import Store

fcntl: Any = pytest.importorskip("fcntl")


def refuse() -> None:
    raise TimeoutError


def test_a_lock_on_a_file_that_is_gone_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, lock = Store(tmp_path / "store.db").database, fcntl.flock
    first, second = ExitStack(), ExitStack()
    first.enter_context(held(database, "store", "run", refuse))

    def after_the_first_let_go(file: int, operation: int) -> Any:
        monkeypatch.setattr(fcntl, "flock", lock)
        # The second has the file open by now, and the first takes it away.
        first.close()
        return lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", after_the_first_let_go)
    second.enter_context(held(database, "store", "run", refuse))
    assert fcntl.flock is lock
    with pytest.raises(TimeoutError), held(database, "store", "run", refuse):
        pass
    second.close()
    with held(database, "store", "run", refuse):
        pass
