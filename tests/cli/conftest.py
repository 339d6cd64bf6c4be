"""A small task, a scripted model and a small method: everything the command line needs, and nothing that is slow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from promptopt import registry
from promptopt.cli.main import app
from promptopt.errors import UnknownName
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.run import Run, Selector
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving
from promptopt.types import Expected, Proposal, Sampling

START = "Say what the text is."
BETTER = "Say carefully what the text is."
Invoke = Callable[..., Result]


@dataclass(frozen=True, slots=True)
class Climb:
    """Asks for one rewrite a step, and keeps the better prompt."""

    steps: int = 2
    """How often the proposer is asked."""
    selector: Selector = Exhaustive()
    """What compares the prompts."""
    sampling: Sampling = Sampling(temperature=1.0, max_tokens=64)
    """How the proposer is asked."""
    keep_ties: bool = True
    """Whether an equal prompt stays."""

    def optimize(self, run: Run) -> None:
        """Search."""
        best = run.initial
        for _ in range(self.steps):
            part = run.task.editable
            replies = run.generate([f"Improve: {best[part]}"], self.sampling)
            children = run.propose([Proposal(best.replace(part, reply.text), (best,), "rewrite") for reply in replies])
            ranked = self.selector.select(run, [best, *children], run.train, 1)
            best = ranked[0].prompt
            run.step(ranked, [best])

    def expected(self, train: int) -> Expected:
        """At most."""
        return Expected(self.steps * 2 * train, self.steps, self.steps * self.sampling.max_tokens)


def text_of(request: Any) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def answer(request: Any) -> str:
    """Right for every text under the better prompt; under any other, `bad` for every third text, and one unreadable."""
    text = text_of(request)
    if text.startswith("Improve:"):
        return BETTER
    item = text.rpartition("item ")[2].split()
    number, right = int(item[0]), item[1]
    if "carefully" in text:
        return right
    if number == 7:
        return "hm"
    return "bad" if number % 3 == 0 else right


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
