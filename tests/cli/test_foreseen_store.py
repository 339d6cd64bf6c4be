"""A dry run reads the store that the run would write to, and makes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.binding.config import RunConfig
from promptopt.cli.forecast import look_of
from promptopt.cli.speed import speed_of
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
    assert speed_of(config, "openai/x") == (None, 0)
    with Store() as store:
        store.begin("one", fingerprint={}, config={"model": "openai/x"})
        store.end("one", status="finished", result={"pace": {"wall_s": 10.0, "calls": 100, "tokens": 5000}})
    assert speed_of(config, "openai/x") == (500.0, 1)


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
