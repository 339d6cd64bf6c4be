"""What a newcomer reads on the command line: headers, errors before them, a run called again, pages, dry runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke

from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.reports.summary import summarise
from promptopt.store.runs import Store


def test_a_run_that_is_called_again_keeps_the_time_that_it_took(
    optimized: dict[str, Any], invoke: Invoke, task_file: str, workplace: Path
) -> None:
    run = optimized["run_id"]
    assert optimized["earlier"] is None
    with Store() as store:
        record = store.find(run)
        # As if the search had taken an hour and a half.
        store.end(run, status="finished", result={**record.result, "wall_s": 5400.0})
    command = ("optimize", "--task", task_file, "--method", "climb", "--model", "scripted")
    again = invoke(*command)
    (line,) = [line for line in again.stdout.splitlines() if line.startswith("time ")]
    assert line.split()[1:5] == ["1", "h", "30", "min"]
    found = json.loads(invoke(*command, "--json").stdout)
    assert found["paid"]["calls"] == 0
    assert found["earlier"]["paid"]["calls"] == optimized["paid"]["calls"]
    # The sum of all executions, however many there were.
    assert found["earlier"]["wall_s"] >= 5400.0
    assert "1 h 30 min" in invoke("runs", "show", run).stdout
    path = workplace / "again.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    assert Result.load(path).to_json()["earlier"] == found["earlier"]


def test_the_record_of_an_older_version_counts_as_one_execution(
    optimized: dict[str, Any], invoke: Invoke, task_file: str
) -> None:
    with Store() as store:
        record = store.find(optimized["run_id"])
        old = {name: value for name, value in record.result.items() if name not in ("earlier", "members")}
        store.end(record.id, status="finished", result={**old, "wall_s": 60.0})
    again = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--json")
    assert json.loads(again.stdout)["earlier"] == {"paid": optimized["paid"], "wall_s": 60.0}
    with Store() as store:
        store.end(optimized["run_id"], status="finished", result={**old, "paid": "much"})
    damaged = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--json")
    assert json.loads(damaged.stdout)["earlier"] is None


def test_the_header_names_who_writes_prompts(invoke: Invoke, task_file: str) -> None:
    command = ("optimize", "--task", task_file, "--method", "climb", "--model", "scripted")
    assert ", climb, scripted\n" in invoke(*command).stderr
    assert ", climb, scripted, proposer scripted/writer\n" in invoke(*command, "--proposer", "scripted/writer").stderr


@pytest.mark.parametrize("role", ["--model", "--proposer", "--judge", "--teacher", "--check-model", "--check-judge"])
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("opnai/x", "no model provider is named 'opnai'"),
        ("llamacpp/none.gguf", "needs a GGUF file"),
        ("embedded/no", "no embedded model"),
    ],
)
def test_no_header_stands_above_a_model_that_cannot_be(
    role: str, spec: str, said: str, invoke: Invoke, task_file: str
) -> None:
    given = ("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", role, spec)
    done = invoke(*given)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr


def test_a_selector_has_a_page_and_is_listed(invoke: Invoke) -> None:
    shown = invoke("methods", "show", "successive-halving")
    assert "Settings, for --set selector.name=value:" in shown.stdout
    assert "budget" in shown.stdout
    listed = json.loads(invoke("methods", "list", "--json").stdout)
    assert [each["name"] for each in listed["selectors"]] == ["exhaustive", "successive-halving"]
    assert "Selectors, for --set selector=NAME" in invoke("methods", "list").stdout
    wrong = invoke("methods", "show", "sucessive-halving")
    assert "no method or selector is named 'sucessive-halving'; did you mean 'successive-halving'" in wrong.stderr


def test_results_by_task_are_a_table_and_no_warning(optimized: dict[str, Any]) -> None:
    floor = {"loss": 0.05, "held": "open", "bound": "-7.0 or more"}
    gains = [
        {"task": "a", "mean": 0.031, "ci95": [-0.02, 0.09], "n": 40, "floor": floor},
        {"task": "b", "mean": -0.1, "ci95": [None, 0.1], "n": 1, "floor": None},
    ]
    said = summarise({**optimized, "members": gains})
    rows = [line.split("  ") for line in said.split("task  points")[1].split("\n\n")[0].splitlines()[1:]]
    first, second = ([cell.strip() for cell in row if cell.strip()] for row in rows)
    assert first == ["a", "+3.1", "-2.0 to +9.0", "40", "its floor of 5 points is open (one-sided 95 %: -7.0 or more)"]
    assert second == ["b", "-10.0", "unknown to +10.0", "1"]
    assert "Warning" not in said


def test_a_dry_run_of_a_migration_asks_nobody(invoke: Invoke, task_file: str, model: Scripted, workplace: Path) -> None:
    given = ("migrate", "--task", task_file, "--method", "climb", "--max-evaluations", "300", "--dry-run")
    old = ("--from", "openai/old")
    foreseen = json.loads(invoke(*given, *old, "--to", "openai/one,openai/two", "--json").stdout)
    tested = 96
    assert foreseen["least_evaluations"] == 3 * tested
    assert foreseen["evaluations"] > 3 * tested
    assert {"task openai/old", "task openai/one", "task openai/two"} <= set(foreseen["roles"])
    assert foreseen["roles"]["task openai/old"]["calls"] == tested
    text = invoke(*given, *old, "--to", "openai/one").stdout
    assert f"{2 * tested:,} for the old prompt on 2 models, and at most the rest for a search" in text
    assert model.calls == 0
    assert not (workplace / "home" / "store.db").exists()
    for wrong, said in (("openai/old", "nothing to move"), ("opnai/x", "no model provider is named 'opnai'")):
        refused = invoke(*given, *old, "--to", wrong)
        assert refused.exit_code == 2
        assert said in refused.stderr
