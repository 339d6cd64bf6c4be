"""A run that a judge scores names it: in its opening line, in its cost table, and in its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result

OPTIONS = ("--method", "climb", "--model", "scripted/task", "--train", "20", "--dev", "20", "--test", "20")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("more", "judge"),
    [
        (("--judge", "scripted/judge"), "scripted/judge"),
        # Who judges where nobody is named is the proposer.
        (("--proposer", "scripted/judge-b"), "scripted/judge-b"),
    ],
)
def test_a_run_names_its_judge_and_what_that_was_asked(
    invoke: Invoke, judged_task: str, more: tuple[str, ...], judge: str
) -> None:
    done = invoke("optimize", "--task", judged_task, *OPTIONS, *more)
    assert done.exit_code == 0, done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("promptopt optimize: polite, climb, scripted/task")
    assert first.endswith(f", judge {judge}")
    run = next(line.split()[1] for line in done.stderr.splitlines() if line.startswith("run "))
    shown = invoke("runs", "show", run, "--json").stdout
    found = json.loads(shown)
    assert found["judges"] == {"judge": judge}
    calls = found["spent_by_role"]["judge"]["calls"]
    assert calls > 0
    row = next(line for line in done.stdout.splitlines() if line.startswith("judge calls"))
    assert row.split() == ["judge", "calls", f"{calls:,}", "-", "of", "them,", "of", "the", "judge", judge]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    "command",
    [
        ("optimize", "--method", "climb", "--max-evaluations", "120", "--model", "scripted/task"),
        ("evaluate", "--model", "scripted/task"),
        ("check", "--prompt", "Be kind.", "--model", "scripted/task"),
    ],
)
def test_what_is_wrong_with_a_judge_is_said_before_it_is_paid(
    invoke: Invoke, judged_task: str, workplace: Path, command: tuple[str, ...]
) -> None:
    path = workplace / judged_task
    told = path.read_text().replace('input = "question"', 'input = "question"\ntarget = "best"')
    path.write_text(told.replace("Is the reply polite?", "Does it say: Please, 17?"))
    done = invoke(*command, "--task", judged_task, "--judge", "scripted/task", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "Warning: the judge is the task model, 'scripted/task'" in done.stdout
    assert "Warning: what the judge is asked to go by names 'Please, 17', the answer of example" in done.stdout
    other = invoke(*command, "--task", judged_task, "--judge", "scripted/judge", "--dry-run")
    assert "the judge is the task model" not in other.stdout


def test_a_judge_that_nobody_asks_is_said_before_it_is_not_asked(invoke: Invoke, task_file: str) -> None:
    done = invoke("evaluate", "--task", task_file, "--model", "scripted", "--judge", "scripted/judge", "--dry-run")
    assert "Warning: the model 'scripted/judge' is named as the judge, and nothing here asks one" in done.stdout


def test_a_run_by_a_metric_names_no_judge(invoke: Invoke, task_file: str, model: Scripted) -> None:
    done = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--json")
    assert done.exit_code == 0, done.stderr
    assert "judge" not in done.stderr.splitlines()[0]
    assert "judges" not in json.loads(done.stdout)


@pytest.mark.usefixtures("models")
def test_the_judges_of_a_result_are_read_back(invoke: Invoke, judged_task: str) -> None:
    done = invoke("optimize", "--task", judged_task, *OPTIONS, "--judge", "scripted/judge", "--json")
    with open("result.json", "w", encoding="utf-8") as file:
        file.write(done.stdout)
    assert Result.load("result.json").judges == {"judge": "scripted/judge"}
