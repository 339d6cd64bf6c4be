"""`promptopt methods|tasks|models|init`: what there is, and a first task file."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.binding import settings
from promptopt.cli import models
from promptopt.models.files import catalogue
from promptopt.models.scripted import Scripted


def test_methods(invoke: Invoke) -> None:
    assert invoke("methods", "list").stdout.startswith("climb  ")
    shown = invoke("methods", "show", "climb").stdout
    assert "  steps      2           a whole number " in shown
    assert "How often the proposer is asked." in shown
    assert "What compares the prompts. One of 'exhaustive' or 'successive-halving'." in shown
    assert "Of selector=exhaustive, the default:" in shown
    assert "sampling.temperature  1.0  a number" in shown


def test_every_shown_setting_can_be_set(invoke: Invoke) -> None:
    shown = invoke("methods", "show", "climb").stdout
    rows = [line.split()[:2] for line in shown.splitlines() if line.startswith("  ")]
    plain = {name: value for name, value in rows if value != "(below)" and name != "sampling.stop"}
    assert len(plain) >= 5
    assert settings.build_optimizer("climb", plain) == settings.build_optimizer("climb", {})


def test_tasks(invoke: Invoke, task_file: str) -> None:
    listed = invoke("tasks", "list").stdout
    assert "\nsupport-intent " in listed
    assert "\nbbh/navigate " in listed
    shown = invoke("tasks", "show", task_file).stdout
    assert "96 train, 48 dev, 96 test" in shown
    assert "Text: {text}" in shown


def test_models(invoke: Invoke) -> None:
    listed = invoke("models", "list").stdout
    for model in catalogue.MODELS:
        assert model.name in listed
        assert model.sha256 in invoke("models", "show", model.name).stdout
    assert "openai/NAME" in listed


def test_pull_shows_its_progress_in_lines(invoke: Invoke, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(name: str, progress: catalogue.Progress | None = None) -> Path:
        assert progress is not None
        for done in (10, 11, 55, 100):
            progress(done, 100)
        return workplace / name

    monkeypatch.setattr(catalogue, "pull", pull)
    result = invoke("models", "pull", "smollm2-135m")
    assert result.stdout == f"{workplace / 'smollm2-135m'}\n"
    assert [line.rpartition(": ")[2] for line in result.stderr.splitlines()[:3]] == ["10 %", "50 %", "100 %"]


def test_pull_shows_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with models.progress("smollm2-135m", 100) as advance:
        advance(100, 100)
    assert "smollm2-135m" in screen.getvalue()
    assert "100/100 bytes" in screen.getvalue()


def test_a_missing_embedded_model_is_fetched_before_the_run(
    invoke: Invoke, task_file: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled: list[str] = []

    def pull(name: str, progress: catalogue.Progress | None = None) -> Path:
        pulled.append(name)
        return workplace / name

    monkeypatch.setattr(catalogue, "pull", pull)
    result = invoke("optimize", "--task", task_file, "--method", "climb", "--proposer", "embedded/smollm2-135m")
    assert result.exit_code == 0
    assert pulled == [catalogue.DEFAULT, "smollm2-135m"]
    assert f"fetching the embedded model '{catalogue.DEFAULT}'" in result.stderr


def test_init_writes_a_task_that_runs(invoke: Invoke, task_file: str, workplace: Path, model: Scripted) -> None:
    made = invoke("init", "own", "--data", "texts.jsonl", "--input", "text", "--target", "label")
    assert made.exit_code == 0
    assert "labels bad, good" in made.stdout
    assert [path.name for path in workplace.glob("own*")] == ["own.toml"]
    found = json.loads(
        invoke("optimize", "--task", "own.toml", "--method", "climb", "--model", "scripted", "--json").stdout
    )
    assert found["verdict"] == "better"
    again = invoke("init", "own", "--data", "texts.jsonl", "--input", "text", "--target", "label")
    assert again.exit_code == 2
    assert "already there" in again.stderr


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        ("text,label\n", ["--input", "text", "--target", "label"], "no rows"),
        ("", ["--input", "text", "--target", "label"], "nothing at all"),
        ("text,label\na,b\n", ["--input", "txt", "--target", "label"], "did you mean 'text'?"),
        ("text,label\na,b\n", ["--input", "text", "--target", "lable"], "did you mean 'label'?"),
    ],
)
def test_init_refuses_what_it_cannot_read(
    content: str, arguments: list[str], expected: str, invoke: Invoke, workplace: Path
) -> None:
    (workplace / "own.csv").write_text(content, encoding="utf-8")
    result = invoke("init", "own", "--data", "own.csv", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert not list(workplace.glob("own.toml*"))


@pytest.mark.parametrize("name", ["", "x" * 300, "é" * 200 + ".toml", "/"])
def test_what_can_be_no_name_of_a_task_is_said(invoke: Invoke, name: str) -> None:
    result = invoke("tasks", "show", name)
    assert result.exit_code == 2
    assert "should not happen" not in result.output


def test_what_stands_beside_a_built_in_task_is_named_where_it_is(invoke: Invoke, task_file: str) -> None:
    shown = invoke("tasks", "show", "support-chat").stdout
    beside = [Path(line.split()[-1]) for line in shown.splitlines() if "/support-chat" in line]

    assert [path.name for path in beside] == ["support-chat-labels.jsonl", "support-chat-rubric.txt", "support-chat.md"]
    assert all(path.is_file() for path in beside)
    assert "  more " not in invoke("tasks", "show", task_file).stdout
