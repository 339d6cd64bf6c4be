"""`--dry-run` of what is no single search: near what is then asked, and nothing is."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, Climb, Invoke, answer, text_of

from promptopt import registry
from promptopt.binding.config import RunConfig
from promptopt.cli import dry_runs
from promptopt.cli.forecast import Forecast
from promptopt.cli.forecast_range import ForecastRange
from promptopt.cli.forecast_table import time_said
from promptopt.cli.roles import RoleForecast
from promptopt.cli.speed import Speed
from promptopt.models.scripted import Scripted
from promptopt.tasks.task import Task

MODEL = ("--model", "scripted/x")


def dry(invoke: Invoke, *asked: str) -> dict[str, Any]:
    done = invoke(*asked, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "evaluations", "said"),
    [
        ((), 48, "1 prompt on 48 dev examples."),
        (("--prompt", BETTER, "--prompt", "Say it."), 96, "2 prompts on 48 dev examples."),
        (("--layouts",), 144, "3 layouts on 48 dev examples."),
        (("--model", "scripted/y"), 96, "2 models on 48 dev examples."),
        (("--max-evaluations", "10"), 10, "1 prompt on 48 dev examples."),
        (("--split", "test"), 96, "1 prompt on 96 test examples; it would be look 1 at them."),
    ],
)
def test_evaluate_foresees_what_it_asks_and_asks_nothing(
    more: tuple[str, ...], evaluations: int, said: str, invoke: Invoke, task_file: str, model: Scripted, workplace: Path
) -> None:
    asked = ("evaluate", "--task", task_file, *MODEL, *more)
    foreseen, shown = dry(invoke, *asked), invoke(*asked, "--dry-run").stdout
    assert model.log == []
    assert not (workplace / "home").exists()
    assert foreseen["evaluations"] == sum(role["calls"] for role in foreseen["roles"].values()) == evaluations
    assert f"About {evaluations} evaluations: {said}" in shown
    assert "Nothing was asked of any model." in shown
    # Under either name the tests' model is one, whose replies are read from the store the second time.
    if not {"--layouts", "--model"} & set(more):
        invoke(*asked)
        assert len(model.log) == evaluations


@pytest.mark.skipif(find_spec("litellm") is None, reason="prices are litellm's, of the extra `hosted`")
def test_evaluate_tells_dollars_by_model(invoke: Invoke, task_file: str) -> None:
    shown = invoke("evaluate", "--task", task_file, "--model", "openai/gpt-4o-mini", "--dry-run").stdout
    assert "$" in shown
    assert "openai/gpt-4o-mini" in shown


def test_a_dry_run_of_evaluate_refuses_what_evaluate_refuses(invoke: Invoke, task_file: str) -> None:
    done = invoke("evaluate", "--task", task_file, *MODEL, "--split", "tst", "--dry-run")
    assert done.exit_code == 2
    assert "one of train, dev, test" in done.stderr


@pytest.mark.slow
def test_headroom_foresees_what_it_asks(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Write a variation"
    monkeypatch.setattr(
        model, "_answers", lambda each: f"<prompt>{BETTER}</prompt>" if said in text_of(each) else answer(each)
    )
    foreseen = dry(invoke, "headroom", "--task", task_file, *MODEL)
    assert model.log == []
    spent = json.loads(invoke("headroom", "--task", task_file, *MODEL, "--json").stdout)["spent"]
    assert spent["evaluations"] / 1.5 <= foreseen["evaluations"] <= 1.5 * spent["evaluations"]
    done = invoke("headroom", "--task", task_file, *MODEL, "--max-evaluations", "20", "--dry-run")
    assert done.exit_code == 2
    assert "too early to say anything" in done.stderr
    assert "spent" not in done.stderr


@pytest.fixture
def floor(monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load
    monkeypatch.setattr(
        registry, "load", lambda group, name: Climb if (group, name) == ("optimizers", "random") else load(group, name)
    )


@pytest.mark.slow
@pytest.mark.usefixtures("floor")
def test_compare_foresees_all_its_searches(invoke: Invoke, task_file: str, model: Scripted) -> None:
    asked = ("compare", "--task", task_file, "--methods", "climb", *MODEL, "--max-evaluations", "300")
    one, three = dry(invoke, *asked, "--seeds", "1"), dry(invoke, *asked, "--seeds", "3")
    shown = invoke(*asked, "--seeds", "3", "--dry-run").stdout
    assert model.log == []
    assert three["evaluations"] == 3 * one["evaluations"]
    assert one["methods"] == ["climb", "random"]
    assert "6 searches; one of the 3 seeds was rehearsed without a model, and stands for all." in shown
    invoke(*asked, "--seeds", "1")
    # Both rows are the same search here: the second is read from the store.
    assert one["roles"]["task"]["calls"] / 2 / 1.5 <= len(model.log) <= 1.5 * one["roles"]["task"]["calls"] / 2


@pytest.mark.slow
def test_compare_foresees_prompts_on_models(invoke: Invoke, task_file: str, model: Scripted, workplace: Path) -> None:
    (workplace / "a.txt").write_text(BETTER, encoding="utf-8")
    asked = ("compare", "--task", task_file, "--prompts", "a.txt", "--models", "scripted/x,scripted/y")
    assert dry(invoke, *asked)["evaluations"] == 2 * 2 * 48
    assert "4 pairs of prompt and model on 48 dev examples." in invoke(*asked, "--dry-run").stdout
    assert model.log == []


@pytest.mark.slow
def test_a_range_of_one_search_is_a_range_of_all(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dry_runs.forecast

    foreseen: list[Forecast] = []

    def luck_decides(config: RunConfig, task: Task) -> Forecast:
        if not foreseen:  # once is enough
            foreseen.append(own(config, task))
        return replace(foreseen[0], evaluations=200, spread=ForecastRange((100, 400), (1_000, 9_000)))

    monkeypatch.setattr(dry_runs, "forecast", luck_decides)
    asked = ("compare", "--task", task_file, "--methods", "climb", *MODEL, "--max-evaluations", "300", "--seeds", "2")
    monkeypatch.setattr("promptopt.comparison.compare.with_floor", lambda methods: list(methods))
    found = dry(invoke, *asked)
    assert found["evaluations"] == 400
    assert found["spread"] == {"evaluations": [200, 800], "tokens": [2_000, 18_000]}
    assert "200 to 800 evaluations and 2,000 to 18,000 tokens are likely." in invoke(*asked, "--dry-run").stdout


@pytest.mark.slow
def test_who_is_never_asked_has_no_row_and_the_time_says_what_is_lacking(
    invoke: Invoke, task_file: str, model: Scripted
) -> None:
    shown = invoke("optimize", "--task", task_file, *MODEL, "--method", "climb", "--max-evaluations", "60", "--dry-run")
    table = shown.stdout.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table] == ["about", "task", "proposer", "together"]
    said = "Time: unknown (no earlier run with this model paid for 50 calls or more, which would say how fast it is)."
    assert said in shown.stdout


def test_of_unknown_calls_the_time_is_unknown() -> None:
    role = RoleForecast("task", "scripted/x", None, None, None, None)
    assert time_said(None, Speed(), [role]) == "Time: unknown, as the calls are."


@pytest.mark.parametrize(
    "command", [("evaluate",), ("optimize", "--method", "climb"), ("check", "--prompt", "Tell me.")]
)
def test_rows_that_are_too_few_for_the_splits_are_told_by_a_dry_run_too(
    command: tuple[str, ...], invoke: Invoke, workplace: Path
) -> None:
    (workplace / "few.jsonl").write_text(json.dumps({"text": "item", "label": "good"}) + "\n", encoding="utf-8")
    told = 'instruction = "Say."\n[data]\nfile = "few.jsonl"\ninput = "text"\ntarget = "label"\n'
    (workplace / "few.toml").write_text(told, encoding="utf-8")
    done = invoke(*command, "--task", "few.toml", "--model", "scripted", "--dry-run")
    # One row goes to train, which is filled last; a search needs dev before test.
    lacking = "test" if command[0] == "check" else "dev"
    assert (done.exit_code, f"has no {lacking} examples" in done.stderr) == (2, True), done.output
