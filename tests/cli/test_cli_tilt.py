"""`promptopt runs tilt`: the prompts of any run, weighted by what they earned, and pairs to train by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, START, Invoke


def test_a_runs_prompts_are_weighted_by_what_they_earned(optimized: dict[str, Any], invoke: Invoke) -> None:
    shown = invoke("runs", "tilt", optimized["run_id"])
    assert shown.exit_code == 0, shown.output
    rows = [line for line in shown.stdout.splitlines() if START in line or BETTER in line]
    assert BETTER in rows[0]
    assert "with all alike" in shown.stdout.splitlines()[-1]
    said = json.loads(invoke("runs", "tilt", optimized["run_id"], "--lambda", "0.1", "--json").stdout)
    assert sum(each["weight"] for each in said["prompts"]) == pytest.approx(1)
    assert said["prompts"][0]["text"] == BETTER
    assert said["reward"] > said["reference_reward"]
    even = json.loads(invoke("runs", "tilt", optimized["run_id"], "--lambda", "1e9", "--json").stdout)
    assert even["prompts"][0]["weight"] == pytest.approx(0.5, abs=1e-6)


def test_pairs_are_written_where_prompts_differ_clearly(
    optimized: dict[str, Any], invoke: Invoke, workplace: Path
) -> None:
    said = invoke("runs", "tilt", optimized["run_id"], "--lambda", "0.2", "--pairs", "pairs.jsonl")
    assert said.exit_code == 0, said.output
    (record,) = [json.loads(line) for line in (workplace / "pairs.jsonl").read_text().splitlines()]
    assert (record["prompt"], record["chosen"], record["rejected"]) == (START, BETTER, START)
    assert record["beta"] == 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--bound", "1", "--lambda", "1"), "exclude each other"),
        (("--bound", "0"), "above 0"),
        (("--lambda", "nan"), "above 0"),
        (("--scale", "1", "0"), "is no range"),
        (("--scale", "0", "0.1"), "give the least and the most"),
        (("--pairs", "no/such/folder/x.jsonl"), "cannot be written"),
        (("--scale", "-1e6", "1e6", "--pairs", "pairs.jsonl"), "no pairs to write"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    optimized: dict[str, Any], invoke: Invoke, options: tuple[str, ...], says: str
) -> None:
    result = invoke("runs", "tilt", optimized["run_id"], *options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


@pytest.mark.slow
def test_a_run_that_trained_no_prompter_has_none_to_take_away(optimized: dict[str, Any], invoke: Invoke) -> None:
    pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")
    result = invoke("runs", "prompter", optimized["run_id"], "--out", "mine")
    assert result.exit_code == 2
    assert "trained no prompter; train one with `promptopt optimize --method align-pro" in result.stderr
