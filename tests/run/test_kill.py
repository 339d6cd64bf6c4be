"""kill -9 at any moment: resuming pays nothing twice, and ends the same."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.errors import BackendError
from promptopt.models.scripted import Scripted
from promptopt.run.events import Event, Warned
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Request
from tests.rewrites import Rewrites, rewrite
from tests.unhurried import unhurried

PROGRAM = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent.parent.parent)!r})
from tests.run.test_kill import search
print(json.dumps(search(sys.argv[1], int(sys.argv[2]))))
"""


def search(store: str | Path, kill_at: int = 0) -> tuple[dict[str, Any], int]:
    """How a search ended, and how many calls it paid for; it may end with its process, at one of them."""
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))
    model.latency_s = 0.001
    proposer = Scripted(rewrite, name="proposer")
    with Store(store) as kept:
        if kill_at:
            model.kill_at = kill_at
            unhurried(model, kept), unhurried(proposer, kept)
        result = optimize(planted_task(), Rewrites(), model=Models(model, proposer), store=kept)
    return json.loads(json.dumps(outcome(result))), result.paid.calls


def begun(store: Path, kill_at: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(store), str(kill_at)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_twice_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, calls = search(tmp_path / "whole.db")
    for kill_at in (30, 100):
        with begun(tmp_path / "s.db", kill_at) as process:
            assert process.wait() == 137
    end, paid = search(tmp_path / "s.db")
    assert end == whole
    answered = 29 + 99
    assert paid <= calls - answered


@pytest.mark.slow
def test_two_processes_on_one_store_end_alike(tmp_path: Path) -> None:
    with begun(tmp_path / "s.db") as other:
        own, _ = search(tmp_path / "s.db")
        assert json.loads(other.communicate()[0])[0] == own


@pytest.mark.slow
def test_a_second_process_waits_for_the_first_and_pays_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    first: list[subprocess.Popen[str]] = []
    interrupted = threading.Event()

    def answer_slowly(request: Request) -> str:
        # While this one is at the run, another process is started on it, which has to wait.
        if not first:
            first.append(begun(tmp_path / "s.db"))
            with pytest.raises(BackendError, match="still under way in another process"):
                optimize(planted_task(), Rewrites(), model=models, store=tmp_path / "s.db", session=watched)
        return scripted(request)

    def watch(event: Event) -> None:
        if isinstance(event, Warned):
            said.append(event.message)
            interrupted.set()

    def scripted(request: Request) -> str:
        return next(iter(planted_model(accuracy).generate([request])))[1].text

    accuracy = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)
    watched = Session([watch], interrupt=interrupted)
    # The same names: it is the same run.
    models = Models(Scripted(answer_slowly, name="planted"), Scripted(rewrite, name="proposer"))
    result = optimize(planted_task(), Rewrites(), model=models, store=tmp_path / "s.db")
    with first[0] as process:
        assert process.stdout is not None
        end, paid = json.loads(process.stdout.read())
        assert process.wait() == 0
    assert end == json.loads(json.dumps(outcome(result)))
    assert paid == 0
    assert len(said) == 1
    assert "this one waits for its end" in said[0]
    assert not list(tmp_path.glob("*.lock"))
