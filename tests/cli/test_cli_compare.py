"""`promptopt compare`: the table, the folder that makes it again, prompts on models, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, Climb, Invoke

from promptopt import registry
from promptopt.models.scripted import Scripted
from promptopt.run import Run

KNOWN = {
    "climb": Climb, "random": lambda: Climb(steps=1), "broken": lambda: Broken(), "taught": lambda: Taught()
}  # fmt: skip
THREE = ("--methods", "climb,broken", "--model", "scripted", "--seeds", "2", "--max-evaluations", "300")


@dataclass(frozen=True, slots=True)
class Broken:
    """Fails in the middle."""

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[:4])
        raise RuntimeError("no more ideas")


@dataclass(frozen=True, slots=True)
class Taught:
    """Says whether it has a teacher."""

    def optimize(self, run: Run) -> None:
        run.reject("there is a teacher" if run.names("teacher") else "there is none")


@pytest.fixture
def methods(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load
    monkeypatch.setattr(
        registry,
        "load",
        lambda group, name: KNOWN[name]() if name in KNOWN and group == "optimizers" else load(group, name),
    )


@pytest.fixture
def compared(invoke: Invoke, task_file: str, methods: None) -> dict[str, Any]:
    done = invoke("compare", "--task", task_file, *THREE, "--out", "found", "--json")
    assert done.exit_code == 0, done.stderr
    assert "broken on mood, scripted, seed 0: failed (RuntimeError: no more ideas)" in done.stderr
    return json.loads(done.stdout)


def without_time(found: Any) -> Any:
    """Without the minutes and what was paid, the only figures that a second time changes."""
    if isinstance(found, dict):
        return {name: without_time(each) for name, each in found.items() if name not in ("seconds", "minutes", "paid")}
    return [without_time(each) for each in found] if isinstance(found, list) else found


@pytest.mark.slow
def test_a_folder_makes_every_number_again_and_asks_no_model(
    compared: dict[str, Any], invoke: Invoke, workplace: Path, task_file: str, model: Scripted
) -> None:
    assert [each["status"] for each in compared["cells"]].count("failed") == 2
    assert [each["name"] for each in compared["table"]][-1] == "broken"
    calls = model.calls
    again = invoke("compare", "--task", task_file, *THREE, "--json")
    assert without_time(json.loads(again.stdout)) == without_time(compared)
    # On another machine: neither the task file nor the store is there.
    shutil.move(workplace / "found", workplace / "sent")
    for file in (task_file, "texts.jsonl"):
        (workplace / file).unlink()
    done = invoke("compare", "--from", "sent", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == compared
    assert "4 of 6 runs were made again from the calls, all equal" in done.stderr
    assert model.calls == calls
    assert invoke("report", "sent", "--out", "r.html").exit_code == 0
    assert "no more ideas" in (workplace / "r.html").read_text(encoding="utf-8")
    assert (workplace / "sent" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_folder_that_was_changed_is_refused(compared: dict[str, Any], invoke: Invoke, workplace: Path) -> None:
    plan, rows = workplace / "found" / "comparison.json", workplace / "found" / "cells.jsonl"
    kept = plan.read_text(encoding="utf-8")
    best = compared["table"][0]["score"]
    plan.write_text(kept.replace(f'"score": {best}', f'"score": {best + 0.01}', 1), encoding="utf-8")
    done = invoke("compare", "--from", "found")
    assert done.exit_code == 2
    assert "do not follow" in done.stderr
    plan.write_text(kept.replace('"format": 1', '"format": 99'), encoding="utf-8")
    assert "another version" in invoke("compare", "--from", "found").stderr
    plan.write_text(kept, encoding="utf-8")
    rows.write_text(rows.read_text(encoding="utf-8").replace('"prompt": "Say carefully', '"prompt": "Say loudly'))
    assert "do not follow" in invoke("compare", "--from", "found").stderr
    rows.write_text("{", encoding="utf-8")
    assert "damaged" in invoke("compare", "--from", "found").stderr
    rows.unlink()
    assert "holds no comparison" in invoke("compare", "--from", "found").stderr


@pytest.mark.slow
def test_a_folder_without_its_calls_says_that_its_runs_stand_as_recorded(
    compared: dict[str, Any], invoke: Invoke, workplace: Path
) -> None:
    for file in (workplace / "found").glob("store.db*"):
        file.unlink()
    done = invoke("compare", "--from", "found", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == compared
    assert "0 of 6" in done.stderr
    assert "holds no calls" in done.stderr


@pytest.mark.slow
def test_the_text_says_what_chance_gives_and_what_was_left_out(
    compared: dict[str, Any], invoke: Invoke, workplace: Path
) -> None:
    text = (workplace / "found" / "table.txt").read_text(encoding="utf-8")
    for part in ("3 methods on mood with scripted, 2 seeds: 6 runs", "chance alone would give", "Average ranks",
                 "no common test items", "0 of 2", "no more ideas", "Over random, the floor"):  # fmt: skip
        assert part in text, part


@pytest.mark.slow
def test_prompts_are_scored_on_every_model_and_held_against_the_start(
    invoke: Invoke, task_file: str, workplace: Path
) -> None:
    (workplace / "better.txt").write_text(BETTER, encoding="utf-8")
    (workplace / "same.txt").write_text("Say what the text may be.", encoding="utf-8")
    asked = ("compare", "--task", task_file, "--models", "one,two", "--prompts", "better.txt,same.txt")
    found = json.loads(invoke(*asked, "--json").stdout)
    assert (found["prompts"], found["models"]) == (["start", "better.txt", "same.txt"], ["one", "two"])
    assert [[cell["verdict"] for cell in row] for row in found["cells"]] == [
        [None, None], ["better", "better"], ["no_evidence", "no_evidence"],
    ]  # fmt: skip
    text = invoke(*asked).stdout
    assert "1.000" in text
    assert " +" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--methods", "random"], "needs a method beside 'random'"),
        ([], "needs a method beside 'random'"),
        (["--methods", "climb,climb"], "named twice"),
        (["--methods", "climb", "--seeds", "0"], "at least 1 seed"),
        (["--methods", "climb", "--seeds", "many"], "no number of seeds"),
        (["--methods", "climb", "--seeds", "1,1"], "different whole numbers"),
        (["--methods", "climb", "--set", "steps=3"], "begin with the method"),
        (["--methods", "climb", "--set", "climb.stps=3"], "steps"),
        (["--methods", "nosuch"], "no method is named 'nosuch'"),
        (["--methods", "climb", "--prompts", "x"], "give one of them"),
        (["--from", "nowhere", "--methods", "climb"], "--from takes all that it needs"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_asked(
    arguments: list[str], said: str, invoke: Invoke, task_file: str, methods: None, model: Scripted
) -> None:
    task = [] if "--from" in arguments else ["--task", task_file]
    done = invoke("compare", *task, "--model", "scripted", *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert model.calls == 0


def test_a_folder_that_is_none_is_said(invoke: Invoke, workplace: Path) -> None:
    (workplace / "empty").mkdir()
    for name in ("nowhere", "empty"):
        done = invoke("compare", "--from", name)
        assert done.exit_code == 2
        assert "holds no comparison" in done.stderr
    assert "holds no comparison" in invoke("report", "empty").stderr


@pytest.mark.slow
def test_settings_are_of_one_method_and_a_replay_of_optimize(
    invoke: Invoke, task_file: str, methods: None, model: Scripted
) -> None:
    done = invoke("compare", "--task", task_file, "--methods", "climb", "--model", "scripted", "--seeds", "1",
                  "--max-evaluations", "300", "--set", "climb.steps=1", "--json", "--quiet")  # fmt: skip
    assert done.stderr == ""
    [cell] = [each for each in json.loads(done.stdout)["cells"] if each["method"] == "climb"]
    calls = model.calls
    own = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--set", "steps=1",
                 "--max-evaluations", "300", "--json")  # fmt: skip
    assert json.loads(own.stdout)["run_id"] == cell["run_id"]
    assert model.calls == calls


def test_a_model_of_nobody_is_said_before_a_run_is_made(invoke: Invoke, task_file: str, workplace: Path) -> None:
    done = invoke("compare", "--task", task_file, "--methods", "climb", "--models", "scripted,opnai/gpt")
    assert done.exit_code == 2
    assert "no model provider is named 'opnai'; did you mean 'openai'" in done.stderr
    assert json.loads(invoke("runs", "list", "--json").stdout)["runs"] == []


TAUGHT = ("--methods", "taught", "--model", "scripted", "--seeds", "1", "--max-evaluations", "300")


@pytest.mark.slow
@pytest.mark.usefixtures("methods")
def test_a_comparison_has_a_teacher_where_one_is_named(invoke: Invoke, task_file: str) -> None:
    done = invoke("compare", "--task", task_file, *TAUGHT, "--teacher", "scripted/strong", "--quiet")
    assert done.exit_code == 0, done.stderr
    runs = json.loads(invoke("runs", "list", "--json").stdout)["runs"]
    told = [json.loads(invoke("runs", "show", each["run_id"], "--json").stdout)["rejected"] for each in runs]
    assert {"there is a teacher": 1} in told


@pytest.mark.usefixtures("methods")
def test_runs_in_processes_of_their_own_have_the_teacher_too(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def in_a_process(arguments: Sequence[str]) -> tuple[int, str, str]:
        commands.append(list(arguments))
        return 1, "", "Error: not today"

    monkeypatch.setattr("promptopt.cli.compare._in_a_process", in_a_process)
    invoke("compare", "--task", task_file, *TAUGHT, "--teacher", "scripted/strong", "--jobs", "2", "--quiet")
    assert [command[command.index("--teacher") + 1] for command in commands] == ["scripted/strong"] * 2


@pytest.mark.slow
def test_a_comparison_of_which_every_run_failed_has_failed(
    invoke: Invoke, task_file: str, methods: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN, "random", KNOWN["broken"])
    done = invoke("compare", "--task", task_file, "--methods", "broken", *THREE[2:])
    assert "failed (RuntimeError: no more ideas)" in done.stderr
    assert done.exit_code == 1
