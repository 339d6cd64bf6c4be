"""A method that edits the whole prompt, on the command line: forecast, run, export, and the winner measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke

from promptopt import registry
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring

OPTIONS = ("--method", "promptquine", "--model", "scripted", "--evaluator", "generation")
SMALL = ("--set", "evolve.most=30", "--set", "score.most=6", "--set", "rerank.examples=20", "--set", "shots=0")


@pytest.fixture(autouse=True)
def _known(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load

    def load_known(group: Any, name: str) -> Any:
        return PromptQuine if name == "promptquine" else load(group, name)

    monkeypatch.setattr(registry, "load", load_known)


@pytest.mark.slow
def test_a_dry_run_counts_the_whole_prompt(invoke: Invoke, task_file: str) -> None:
    result = invoke("optimize", *OPTIONS, *SMALL, "--task", task_file, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    roles = json.loads(result.stdout)["roles"]
    reserve = json.loads(result.stdout)["reserve"]["evaluations"]
    expected = PromptQuine(evolve=Evolution(most=30), score=Scoring(most=6)).upper_bounds(96)
    assert roles["task"]["calls"] <= expected.evaluations + reserve
    assert roles["proposer"]["calls"] == 0


@pytest.mark.slow
def test_the_winner_is_written_exported_and_measured_as_it_was(invoke: Invoke, task_file: str, tmp_path: Path) -> None:
    out = tmp_path / "winner.json"
    ran = invoke("optimize", *OPTIONS, *SMALL, "--task", task_file, "--out", str(out), "--json")
    assert ran.exit_code == 0, ran.output
    result = json.loads(ran.stdout)
    assert "{text}" in result["start"]["prompt"]
    again = tmp_path / "again.json"
    exported = invoke("runs", "export", result["run_id"], "--out", str(again))
    assert exported.exit_code == 0, exported.output
    assert json.loads(again.read_text("utf-8")) == json.loads(out.read_text("utf-8"))
    assert json.loads(out.read_text("utf-8"))["messages"] == [{"role": "user", "content": result["best"]["prompt"]}]
    measured = invoke(
        "evaluate", "--task", task_file, "--model", "scripted", "--prompt", str(out), "--split", "test", "--json"
    )
    assert measured.exit_code == 0, measured.output
    assert f'"score":{result["best"]["test"]["score"]}'.replace(" ", "") in measured.stdout.replace(" ", "")
