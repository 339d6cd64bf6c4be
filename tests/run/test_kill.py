"""kill -9 at any moment: resuming pays nothing twice, and ends the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
sys.path.insert(0, {root!r})
from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt import Models
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from tests.rewrites import Rewrites, rewrite
model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))
model._kill_at = int(sys.argv[2]) or None
model._latency_s = 0.001
proposer = Scripted(rewrite, name="proposer")
result = optimize(planted_task(), Rewrites(), model=Models(model, proposer), store=sys.argv[1])
print(json.dumps([outcome(result), result.paid.calls]))
"""


def execute(store: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(root=str(Path(__file__).parent.parent.parent))
    return subprocess.run(
        [sys.executable, "-c", program, str(store), str(kill_at)], capture_output=True, text=True, check=False
    )


def test_killed_twice_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, calls = json.loads(execute(tmp_path / "whole.db", 0).stdout)
    for kill_at in (30, 100):
        assert execute(tmp_path / "s.db", kill_at).returncode == 137
    done = execute(tmp_path / "s.db", 0)
    assert done.returncode == 0, done.stderr
    end, paid = json.loads(done.stdout)
    assert end == whole
    # Of the calls that were answered before each kill, only the last can have been on its way to the file still.
    answered = 29 + 99
    assert paid <= calls - answered + 2


def test_two_processes_on_one_store_end_alike(tmp_path: Path) -> None:
    program = PROGRAM.format(root=str(Path(__file__).parent.parent.parent))
    command = [sys.executable, "-c", program, str(tmp_path / "s.db"), "0"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [json.loads(process.communicate()[0])[0] for process in processes]
    assert ends[0] == ends[1]
