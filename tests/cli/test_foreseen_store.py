"""A dry run reads the store that the run would write to, and makes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.binding.config import RunConfig
from promptopt.cli.forecast import look_of
from promptopt.cli.forecast_table import minutes_of, time_said
from promptopt.cli.roles import RoleForecast
from promptopt.cli.speed import Speed, speed_of
from promptopt.outcome.looks import look_at
from promptopt.store.runs import Store
from promptopt.types import Example, Prompt, Score

EXAMPLES = [Example.of("yes", text=f"item {number}") for number in range(8)]


@pytest.fixture(params=["", "x.db", "folder/x.db", "sqlite:///url.db"])
def named(request: pytest.FixtureRequest, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param:
        monkeypatch.setenv("PROMPTOPT_STORE", request.param)
    return request.param


@pytest.mark.usefixtures("named")
def test_a_look_is_counted_wherever_the_store_is() -> None:
    assert look_of(EXAMPLES) == (1, 0.05)
    with Store() as store:
        look_at(store.looks, ["m"], EXAMPLES, [(Prompt.of(instruction="x"), [Score(1.0)] * 8)])
    number, alpha = look_of(EXAMPLES)
    assert (number, alpha) == (2, pytest.approx(0.05 / 3))


@pytest.mark.usefixtures("named")
def test_the_speed_is_that_of_the_runs_in_it() -> None:
    config = RunConfig(model="openai/x")
    assert speed_of(config, "openai/x") == Speed()
    with Store() as store:
        store.begin("one", fingerprint={}, config={"model": "openai/x"})
        store.end("one", status="finished", result={"pace": {"wall_s": 10.0, "calls": 100, "tokens": 5000}})
    assert speed_of(config, "openai/x") == Speed(1, 500.0)


@pytest.mark.usefixtures("workplace")
def test_runs_of_the_same_task_go_before_those_of_others() -> None:
    """How long replies are is a guess: what a call of this very task took is none."""
    config, role = RunConfig(model="openai/x", task="mood"), RoleForecast("task", "openai/x", 200, 10_000, 90_000, None)
    spent = {"evaluations": 50, "calls": 170, "proposer_calls": 20}
    with Store() as store:
        for name, task, wall, counted in (("one", "other", 10.0, {}), ("two", "mood", 40.0, spent)):
            store.begin(name, fingerprint={}, config={"model": "openai/x", "task": task})
            pace = {"wall_s": wall, "calls": 160, "tokens": 5000}
            store.end(name, status="finished", result={"pace": pace, "spent": counted})
    speed = speed_of(config, "openai/x")
    assert speed == Speed(1, 125.0, 0.25, 3.0)
    assert minutes_of([role], speed) == pytest.approx(200 * 0.25 / 60)
    assert "by the calls of 1 earlier run of this task" in time_said(1.0, speed, [role])
    other = speed_of(RunConfig(model="openai/x", task="third"), "openai/x")
    assert other == Speed(2, 200.0)
    assert minutes_of([role], other) == pytest.approx(100_000 / 200 / 60)
    assert "on other tasks, and by how long replies are taken to be" in time_said(1.0, other, [role])


@pytest.mark.usefixtures("named")
def test_no_store_is_made(workplace: Path) -> None:
    look_of(EXAMPLES)
    speed_of(RunConfig(model="openai/x"), "openai/x")
    assert list(workplace.iterdir()) == []


def test_a_store_elsewhere_is_not_the_one_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    with Store() as store:
        look_at(store.looks, ["m"], EXAMPLES, [(Prompt.of(instruction="x"), [Score(1.0)] * 8)])
    monkeypatch.setenv("PROMPTOPT_STORE", "x.db")
    assert look_of(EXAMPLES) == (1, 0.05)
