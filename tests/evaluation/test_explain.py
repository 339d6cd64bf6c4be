"""What each piece of a prompt does, by leaving it out: the API and the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promptopt.cli.main import app
from promptopt.errors import BackendError, ConfigError
from promptopt.explanation import Analysis, explain
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.types import Content, Example

PROMPT = "Say what the text is.\n- Read all of it.\n- Shout in capital letters.\n- Texts are in English."


def scores(content: Content, label: str) -> list[float]:
    """Reading helps by half a nat and a little noise, shouting hurts by a whole one, the language does nothing."""
    text = content if isinstance(content, str) else content[0].content
    noise = 0.01 * (len(text.rpartition("item ")[2]) % 3)
    return [-1.0 - noise + 0.5 * ("Read all" in text) - 1.0 * ("Shout" in text)]


def model() -> Scripted:
    return Scripted("", name="scripted/one", scores=scores)


@pytest.fixture
def task() -> Task:
    examples = [Example.of(("good", "bad")[number % 2], text=f"item {number}") for number in range(60)]
    return Task.from_examples(examples, prompt=PROMPT, labels=["good", "bad"], name="mood")


def test_pieces_help_hurt_or_do_nothing(task: Task, tmp_path: Path) -> None:
    found = explain(task, model=model(), store=tmp_path / "store.db", analysis=Analysis(examples=20))
    by_text = {effect.segment.text.strip("- "): effect for effect in found.effects}
    assert by_text["Read all of it."].kind == "helps"
    assert by_text["Read all of it."].delta == pytest.approx(0.5)
    assert by_text["Shout in capital letters."].kind == "hurts"
    assert by_text["Shout in capital letters."].delta == pytest.approx(-1.0)
    assert by_text["Texts are in English."].kind == "neutral"
    assert (found.n, found.evaluator) == (20, "loss")
    assert found.loss == pytest.approx(1.51, abs=0.02)
    assert found.spent.calls == 20 * 4
    again = explain(task, model=model(), store=tmp_path / "store.db", analysis=Analysis(examples=20))
    assert again.paid.calls == 0
    assert again.effects == found.effects


def test_it_needs_log_probabilities_and_says_who_has_them(task: Task, tmp_path: Path) -> None:
    mute = Scripted("good", name="mute")
    with pytest.raises(ConfigError, match=r"'mute' cannot give the log-probabilities.*vllm/"):
        explain(task, model=mute, store=tmp_path / "store.db")
    assert mute.calls == 0


def test_a_limit_that_is_too_low_is_said(task: Task, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="raise the limit"):
        explain(
            task, model=model(), store=tmp_path / "store.db", budget=Budget(calls=30), analysis=Analysis(examples=20)
        )


def test_a_piece_off_the_scale_is_left_out(task: Task, tmp_path: Path) -> None:
    def broken(content: Content, label: str) -> list[float]:
        return scores(content, label) if "Read all" in str(content) else [-math.inf]

    found = explain(
        task, model=Scripted("", scores=broken), store=tmp_path / "store.db", analysis=Analysis(examples=10)
    )
    assert [effect.segment.text for effect in found.effects if "Read all" in effect.segment.text] == []
    assert len(found.effects) == 2


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    rows = [json.dumps({"text": f"item {number}", "label": ("good", "bad")[number % 2]}) for number in range(60)]
    (tmp_path / "texts.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "mood.toml").write_text(
        f'labels = ["bad", "good"]\ninstruction = {json.dumps(PROMPT)}\n'
        '[data]\nfile = "texts.jsonl"\ninput = "text"\ntarget = "label"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(specs, "open_model", lambda spec, *, base_url=None: model())
    return ["explain", "--task", "mood.toml", "--model", "scripted", "--examples", "12"]


def test_the_command_prints_every_piece_with_its_error(command: list[str]) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "mood, 12 training examples, loss on scripted/one"
    assert any(line.startswith("+0.5") and "helps: without it the loss is higher" in line for line in lines)
    assert any(line.startswith("-1.0") and "hurts" in line and "Shout in capital" in line for line in lines)
    assert "\x1b[" not in result.stdout


def test_the_command_as_json(command: list[str]) -> None:
    found = json.loads(CliRunner().invoke(app, [*command, "--json", "--quiet"]).stdout)
    assert [effect["kind"] for effect in found["effects"]] == ["helps", "neutral", "hurts"]
    assert PROMPT[found["effects"][2]["start"] : found["effects"][2]["end"]] == found["effects"][2]["text"]
    assert found["prompt"] == PROMPT


def test_another_prompt_and_nothing_to_leave_out(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--prompt", "Say what it is."])
    assert result.exit_code == 0, result.stderr
    assert "no piece that could be left out" in result.stdout
