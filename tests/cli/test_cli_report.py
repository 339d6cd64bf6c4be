"""`promptopt report`: a run as a file, what it says where there is none, and where it cannot be written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, Climb, Invoke

from promptopt.api import optimize
from promptopt.testing import feature_accuracy, planted_model, planted_task

pytest.importorskip("jinja2", reason="needs the extra `report`")


@pytest.mark.slow
def test_a_run_is_reported_in_one_file(optimized: dict[str, Any], invoke: Invoke, workplace: Path) -> None:
    done = invoke("report", optimized["run_id"][:5])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    text = (workplace / f"promptopt-{optimized['run_id']}.html").read_text(encoding="utf-8")
    assert BETTER in text
    assert "--method climb --model scripted" in text
    # Every third text is called bad by the start, and is good for the winner.
    assert 'class="tag fixed"' in text
    assert text.count("<script") == 2


@pytest.mark.slow
def test_the_command_it_shows_is_the_same_run(
    optimized: dict[str, Any], invoke: Invoke, task_file: str, workplace: Path
) -> None:
    import shlex

    given = ["--task", task_file, "--method", "climb", "--model", "scripted", "--set", "steps=1", "--seed", "3",
             "--max-evaluations", "400", "--json"]  # fmt: skip
    first = json.loads(invoke("optimize", *given).stdout)
    invoke("report", first["run_id"], "--out", "r.html")
    shown = (workplace / "r.html").read_text(encoding="utf-8").partition("promptopt optimize")[2].partition("</pre>")[0]
    again = json.loads(invoke("optimize", *shlex.split(shown.replace("&#39;", "'")), "--json").stdout)
    assert again["run_id"] == first["run_id"] != optimized["run_id"]


@pytest.mark.slow
def test_several_runs_and_saved_results_stand_side_by_side(
    optimized: dict[str, Any], invoke: Invoke, task_file: str, workplace: Path
) -> None:
    other = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--seed", "1", "--json")
    (workplace / "other.json").write_text(other.stdout, encoding="utf-8")
    done = invoke("report", optimized["run_id"], "other.json", "--out", "both.html")
    assert done.exit_code == 0, done.stderr
    text = (workplace / "both.html").read_text(encoding="utf-8")
    assert "2 runs side by side" in text
    twice = invoke("report", optimized["run_id"], optimized["run_id"][:6], "--out", "both.html")
    assert twice.exit_code == 2
    assert "named twice" in twice.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "begins with 'nope'"),
        ([""], "which run?"),
        (["missing.json"], "cannot be read"),
        (["empty.json"], "not a whole result"),
    ],
)
def test_what_is_no_run_is_said_in_a_sentence(arguments: list[str], said: str, invoke: Invoke, workplace: Path) -> None:
    (workplace / "empty.json").write_text("{}", encoding="utf-8")
    done = invoke("report", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_said(optimized: dict[str, Any], invoke: Invoke) -> None:
    done = invoke("report", optimized["run_id"], "--out", "no/such/folder/r.html")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    for command in (["report"], ["runs", "export"]):
        full = invoke(*command, optimized["run_id"], "--out", "/dev/full")
        assert full.exit_code == 2
        assert "--out '/dev/full' cannot be written (No space left on device); free some space" in full.stderr


def test_a_run_started_from_python_says_so(invoke: Invoke, workplace: Path) -> None:
    result = optimize(planted_task(), Climb(), model=planted_model(feature_accuracy(["so"])))
    assert invoke("report", result.run_id, "--out", "r.html").exit_code == 0
    assert "started from Python" in (workplace / "r.html").read_text(encoding="utf-8")


def test_a_run_that_was_never_finished_has_no_report(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    monkeypatch.setattr(model, "_answers", lambda request: 1 / 0)
    invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted")
    (entry,) = json.loads(invoke("runs", "list", "--json").stdout)["runs"]
    done = invoke("report", entry["run_id"])
    assert done.exit_code == 2
    assert "no result yet" in done.stderr


def test_a_suspended_run_is_reported_without_a_verdict(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch, model: Any, workplace: Path
) -> None:
    monkeypatch.setattr(model, "fail_at", 40)
    invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted")
    (entry,) = json.loads(invoke("runs", "list", "--json").stdout)["runs"]
    assert entry["status"] == "suspended"
    assert invoke("report", entry["run_id"], "--out", "r.html").exit_code == 0
    text = (workplace / "r.html").read_text(encoding="utf-8")
    assert 'class="verdict suspended"' in text
    assert "The sealed test was not opened" in text
