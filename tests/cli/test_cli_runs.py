"""`promptopt runs` and `promptopt cache`: what is stored, shown, compared, taken away and forgotten."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, START, Invoke

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.store.tables import MEMO
from promptopt.testing import feature_accuracy, planted_model, planted_task


def test_an_empty_store_says_how_to_begin(invoke: Invoke) -> None:
    result = invoke("runs", "list")
    assert result.exit_code == 0
    assert "promptopt optimize --task support-intent" in result.stdout


def test_list_and_show(optimized: dict[str, Any], invoke: Invoke) -> None:
    listed = invoke("runs", "list").stdout.splitlines()
    assert listed[0].split()[:2] == ["run", "last"]
    assert optimized["run_id"] in listed[1]
    assert "better" in listed[1]
    # Numbers end on one edge.
    assert len(listed[0]) == len(listed[1])
    entry = json.loads(invoke("runs", "list", "--json").stdout)["runs"][0]
    assert entry["gain"] == optimized["gain"]["mean"]
    shown = invoke("runs", "show", optimized["run_id"][:4])
    assert shown.stdout.startswith("Better: ")
    assert json.loads(invoke("runs", "show", optimized["run_id"], "--json").stdout) == optimized


@pytest.mark.slow
def test_diff(optimized: dict[str, Any], invoke: Invoke, task_file: str) -> None:
    other = json.loads(
        invoke(
            "optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--seed", "1", "--json"
        ).stdout
    )
    text = invoke("runs", "diff", optimized["run_id"], other["run_id"]).stdout
    assert optimized["run_id"] in text.splitlines()[0]
    assert other["run_id"] in text.splitlines()[0]
    assert f"Both end with the same prompt ({optimized['best']['prompt_id']})" in text


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["txt", "json"])
def test_an_exported_prompt_scores_what_the_run_measured(
    ending: str, optimized: dict[str, Any], invoke: Invoke, task_file: str, model: Scripted
) -> None:
    assert invoke("runs", "export", optimized["run_id"], "--out", f"best.{ending}").exit_code == 0
    calls = model.calls
    result = invoke("evaluate", "--task", task_file, "--prompt", f"best.{ending}", "--model", "scripted", "--json")
    found = json.loads(result.stdout)
    assert found["prompt_id"] == optimized["best"]["prompt_id"]
    assert found["layouts"][0]["score"] == optimized["best"]["test"]["score"]
    # The very same requests: all of them were in the store.
    assert model.calls == calls


@pytest.mark.slow
def test_exported_python_builds_the_same_messages(
    optimized: dict[str, Any], invoke: Invoke, workplace: Path, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("runs", "export", optimized["run_id"], "--out", "best_prompt.py")
    monkeypatch.syspath_prepend(str(workplace))
    import best_prompt  # pyright: ignore[reportMissingImports]

    built = best_prompt.messages(text="item 3 bad")
    sent = [
        [{"role": message.role, "content": message.content} for message in request.content]
        for request in model.log
        if not isinstance(request.content, str)
    ]
    assert built in sent


@pytest.mark.slow
def test_a_suspended_run_is_not_said_to_have_a_winner(
    optimized: dict[str, Any], invoke: Invoke, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptopt.cli import runs

    run = optimized["run_id"]
    assert f"the winner of run {run}" in invoke("runs", "export", run, "--out", "w.txt").stderr
    of_record = runs.result_of
    monkeypatch.setattr(runs, "result_of", lambda record: {**of_record(record), "status": "suspended"})
    assert f"the best prompt so far of run {run}" in invoke("runs", "export", run, "--out", "w.txt").stderr


def test_export_to_stdout_and_formats(optimized: dict[str, Any], invoke: Invoke) -> None:
    run = optimized["run_id"]
    assert invoke("runs", "export", run).stdout == f"{BETTER}\n\nText: {{text}}\nAnswer:\n"
    messages = json.loads(invoke("runs", "export", run, "--format", "messages").stdout)
    assert messages == [{"role": "user", "content": f"{BETTER}\n\nText: {{text}}\nAnswer:"}]
    wrong = invoke("runs", "export", run, "--format", "yaml")
    assert wrong.exit_code == 2
    assert "txt, json, messages, python" in wrong.stderr


@pytest.mark.slow
def test_export_refuses_another_layout(
    optimized: dict[str, Any], invoke: Invoke, workplace: Path, task_file: str
) -> None:
    with (workplace / task_file).open("a") as file:
        file.write('\n[[layouts]]\nname = "own"\ntext = "{instruction} {text}"\n')
    result = invoke("runs", "export", optimized["run_id"])
    assert result.exit_code == 2
    assert "layout" in result.stderr
    assert START not in result.stdout


def test_work_that_runs_keep_counts_as_no_call(invoke: Invoke, workplace: Path) -> None:
    with Store() as store:
        store.cache.put(b"k" * 32, MEMO, '["heavy"]', '"done"')
        store.cache.put(b"c" * 32, "some/model", "{}", "{}")
    shown = invoke("cache", "info").stdout
    assert "no model: work that runs keep" in shown
    assert "memo" not in shown
    assert invoke("cache", "gc").stdout == "dropped 1 call that no run needs\n"
    assert "It holds no calls yet." in invoke("cache", "info").stdout


@pytest.mark.slow
def test_delete_and_gc(optimized: dict[str, Any], invoke: Invoke, task_file: str, model: Scripted) -> None:
    calls = model.calls
    info = invoke("cache", "info").stdout
    assert "1 run" in info
    assert f"{calls:,}" in info
    assert invoke("cache", "gc").stdout == "dropped 0 calls that no run needs\n"
    assert invoke("runs", "delete", optimized["run_id"]).exit_code == 0
    assert invoke("runs", "show", optimized["run_id"]).exit_code == 2
    assert invoke("cache", "gc").stdout == f"dropped {calls:,} calls that no run needs\n"
    assert "It holds no calls yet." in invoke("cache", "info").stdout


def test_a_run_that_failed_is_listed_as_failed_with_what_it_was(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch, model: Scripted
) -> None:
    monkeypatch.setattr(model, "_answers", lambda request: 1 / 0)
    assert invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted").exit_code == 1
    (entry,) = json.loads(invoke("runs", "list", "--json").stdout)["runs"]
    assert entry["status"] == "failed"
    assert (Path(entry["task"]).name, entry["method"], entry["model"]) == (task_file, "climb", "scripted")


@pytest.mark.parametrize(
    "column",
    ["updated = 9e999", "updated = 1e18", "created = 9e999", "status = X'FF00'",
     """result = json_set(result, '$.start.test.score', 'abc')""", """result = json_set(result, '$.start', 'abc')""",
     """result = json_set(result, '$.look.number', 'z')""", """result = json_set(result, '$.gain.mean', 'abc')"""],
)  # fmt: skip
def test_a_row_that_holds_something_else_is_damaged_and_hides_no_other(
    column: str, optimized: dict[str, Any], invoke: Invoke
) -> None:
    with Store() as store:
        store.begin("other", fingerprint={}, config={})
        with sqlite3.connect(store.where) as connection:
            connection.execute(f"UPDATE runs SET {column} WHERE id = ?", (optimized["run_id"],))
    listed = invoke("runs", "list")
    assert listed.exit_code == 0
    assert {line.split()[0]: "damaged" in line for line in listed.stdout.splitlines()[1:]} == {
        optimized["run_id"]: True, "other": False
    }  # fmt: skip
    for command in ("show", "export"):
        shown = invoke("runs", command, optimized["run_id"])
        assert (shown.exit_code, "is damaged; run its command again" in shown.stderr) == (2, True)


def test_a_result_that_cannot_be_shown_is_called_damaged(optimized: dict[str, Any], invoke: Invoke) -> None:
    with Store() as store, sqlite3.connect(store.where) as connection:
        connection.execute("UPDATE runs SET result = json_remove(result, '$.look.shared', '$.warnings', '$.spent')")
    for command in (["show"], ["diff", optimized["run_id"]], ["export"]):
        shown = invoke("runs", *command, optimized["run_id"])
        assert (shown.exit_code, "is damaged; run its command again" in shown.stderr) == (2, True)


def test_a_run_that_was_killed_and_one_under_way_are_told_apart(tmp_path: Path, invoke: Invoke) -> None:
    def statuses() -> dict[str, str]:
        return {run["run_id"]: run["status"] for run in json.loads(invoke("runs", "list", "--json").stdout)["runs"]}

    with Store() as store:
        for name in ("aa", "bb", "cc"):
            store.begin(name, fingerprint={}, config={"task": "t"})
        store.mark("cc", "suspended")
        with store.alone("bb", lambda: None), store.alone("cc", lambda: None):
            assert statuses() == {"aa": "killed", "bb": "running", "cc": "running"}
            said = invoke("runs", "show", "bb")
            assert said.exit_code == 2
            assert "it is running" in said.output
            assert "wait for its end" in said.output
        assert statuses() == {"aa": "killed", "bb": "killed", "cc": "suspended"}
        assert "run its command again" in invoke("runs", "show", "aa").output


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json", "toml", "openai", "dspy", "langchain", "promptfoo", "llm", "python"])
def test_every_form_of_other_programs_is_an_option(form: str, optimized: dict[str, Any], invoke: Invoke) -> None:
    done = invoke("runs", "export", optimized["run_id"], "--to", form)
    assert done.exit_code == 0, done.stderr
    assert BETTER in done.stdout
    assert invoke("runs", "export", optimized["run_id"], "--to", form, "--out", f"best.{form}").exit_code == 0
    assert Path(f"best.{form}").read_text(encoding="utf-8").rstrip("\n") == done.stdout.rstrip("\n")


def test_a_file_given_as_a_form_is_told_of_out(optimized: dict[str, Any], invoke: Invoke) -> None:
    done = invoke("runs", "export", optimized["run_id"], "--to", "best.txt")
    assert done.exit_code == 2
    assert "a file is named with --out" in done.stderr


def test_a_run_of_a_python_object_is_shown_and_not_said_to_be_exported(invoke: Invoke) -> None:
    with Store() as store:
        result = optimize(
            planted_task(), "climb", model=planted_model(feature_accuracy(["carefully"], base=0.4, each=0.2)),
            budget=Budget(evaluations=150), store=store,
        )  # fmt: skip
    shown = invoke("runs", "show", result.run_id)
    assert shown.exit_code == 0
    assert "runs export" not in shown.stdout
    assert "See it:" not in shown.stdout

    refused = invoke("runs", "export", result.run_id)
    assert refused.exit_code == 2
    assert "is an object of a Python program, which no command finds" in refused.stderr
