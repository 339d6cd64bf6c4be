"""A small task, a scripted model and a small method: everything the command line needs, and nothing that is slow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import START, Climb, Invoke, answer
from judging import TASK, judge, polite
from judging import answer as answer_politely
from typer.testing import CliRunner, Result

from promptopt import registry
from promptopt.cli.main import app
from promptopt.errors import UnknownName
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving


@pytest.fixture
def model() -> Scripted:
    return Scripted(answer, name="scripted/one")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Scripted) -> Path:
    """An empty home and folder, the scripted model under every name, and the methods and selectors of the tests."""
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROMPTOPT_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("PROMPTOPT_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)
    known: dict[str, dict[str, Any]] = {
        "optimizers": {"climb": Climb},
        "selection": {"exhaustive": Exhaustive, "successive-halving": SuccessiveHalving},
    }
    load, names = registry.load, registry.names

    def load_known(group: Any, name: str) -> Any:
        if group not in known:
            return load(group, name)
        if name not in known[group]:
            raise UnknownName("method" if group == "optimizers" else "selector", name, known[group])
        return known[group][name]

    monkeypatch.setattr(registry, "load", load_known)
    monkeypatch.setattr(registry, "names", lambda group: sorted(known[group]) if group in known else names(group))
    monkeypatch.setattr(specs, "open_model", lambda spec, *, base_url=None: model)
    return tmp_path


@pytest.fixture
def task_file(workplace: Path) -> str:
    """240 texts that say themselves whether they are good or bad."""
    rows = [{"text": f"item {number} {('good', 'bad')[number % 2]}", "label": ("good", "bad")[number % 2]}
            for number in range(240)]  # fmt: skip
    (workplace / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (workplace / "mood.toml").write_text(
        f"""
description = "Texts that are good or bad."
labels = ["bad", "good"]
instruction = {json.dumps(START)}
max_tokens = 4
[data]
file = "texts.jsonl"
input = "text"
target = "label"
""",
        encoding="utf-8",
    )
    return "mood.toml"


@pytest.fixture
def invoke() -> Invoke:
    """Runs the command line; stdout and stderr apart."""

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="promptopt")

    return run


@pytest.fixture
def optimized(invoke: Invoke, task_file: str) -> dict[str, Any]:
    """A finished run, as its JSON."""
    result = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "scripted", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scripted]:
    """The models by the last part of their name; a judge answers by `polite` unless a test says otherwise."""
    known = {"task": Scripted(answer_politely, name="scripted/task")}
    for name in ("judge", "judge-b", "judge-c"):
        known[name] = judge(polite, name)

    def opened(spec: str, **_: object) -> Scripted:
        return known[spec.rpartition("/")[2]]

    monkeypatch.setattr(specs, "open_model", opened)
    return known


@pytest.fixture
def judged_task(workplace: Path) -> str:
    rows = [{"question": f"May I have number {number} ?", "best": f"Please, {number}"} for number in range(200)]
    (workplace / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (workplace / "polite.toml").write_text(TASK, encoding="utf-8")
    return "polite.toml"


@pytest.fixture
def search(invoke: Invoke, judged_task: str, models: dict[str, Scripted]) -> Callable[..., dict[str, Any]]:
    def run(*more: str) -> dict[str, Any]:
        options = ("--method", "climb", "--model", "scripted/task", "--judge", "scripted/judge")
        sizes = ("--train", "20", "--dev", "20", "--test", "120", "--json")
        done = invoke("optimize", "--task", judged_task, *options, *sizes, *more)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run
