"""What each role is foreseen to cost: by its own address, whatever the others have."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from command_line import Invoke

from promptopt.binding.config import RunConfig
from promptopt.binding.models import addresses_of
from promptopt.cli.forecast_table import prices_at
from promptopt.cli.request import models_of
from promptopt.models import prices
from promptopt.models.prices import Price

HERE, THERE = "http://localhost:8000/v1", "https://api.openai.com/v1"
FREE, PAID = Price(0.0, 0.0), Price(1e-6, 2e-6)
MODELS = ("openai/small", "openai/large")


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    monkeypatch.setattr(prices, "_litellm_table", lambda: dict.fromkeys(MODELS, entry))


@pytest.mark.parametrize(
    ("shared", "proposer", "judge", "named"),
    list(product((None, HERE, THERE), (None, HERE, THERE), (None, HERE, THERE), (False, True))),
)
def test_a_role_costs_what_its_own_server_takes(
    shared: str | None, proposer: str | None, judge: str | None, named: bool
) -> None:
    large = "openai/large" if named else None
    config = RunConfig(
        model="openai/small", proposer=large, judge=large, base_url=shared, proposer_base_url=proposer,
        judge_base_url=judge,
    )  # fmt: skip
    specs = dict.fromkeys(("task", "check"), "openai/small") | dict.fromkeys(("proposer", "judge"), MODELS[named])
    found = prices_at(specs, addresses_of(models_of(config)))
    # Who judges where no judge is named, and no server of its own, is the proposer where that is asked.
    judging = judge or (proposer if not named else None) or shared
    asked = {"task": shared, "check": shared, "proposer": proposer or shared, "judge": judging}
    assert found == {role: FREE if url == HERE else PAID for role, url in asked.items()}


def roles(invoke: Invoke, *asked: str) -> dict[str, Any]:
    done = invoke(*asked, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["roles"]


@pytest.mark.slow
def test_a_proposer_elsewhere_is_paid_beside_a_model_on_this_machine(invoke: Invoke, task_file: str) -> None:
    search = ("optimize", "--task", task_file, "--method", "climb", "--max-evaluations", "60", "--model", MODELS[0])
    elsewhere = ("--proposer", MODELS[1], "--base-url", HERE, "--proposer-base-url", THERE)
    found = roles(invoke, *search, *elsewhere)
    assert found["task"]["usd"] == 0.0
    assert found["proposer"]["usd"] > 0.0
    found = roles(invoke, *search, "--proposer", MODELS[1], "--proposer-base-url", HERE)
    assert found["task"]["usd"] > 0.0
    assert found["proposer"]["usd"] == 0.0


@pytest.mark.slow
def test_one_model_at_two_addresses_has_two_prices(invoke: Invoke, task_file: str) -> None:
    search = ("optimize", "--task", task_file, "--method", "climb", "--max-evaluations", "60", "--model", "openai/x")
    done = invoke(*search, "--base-url", HERE, "--proposer-base-url", THERE, "--dry-run")
    assert "No price is known for openai/x" in done.stdout
    found = roles(invoke, *search, "--base-url", HERE, "--proposer-base-url", THERE)
    assert (found["task"]["usd"], found["proposer"]["usd"]) == (0.0, None)


@pytest.mark.slow
def test_a_judge_elsewhere_is_paid_by_evaluate_too(invoke: Invoke, judged_task: str) -> None:
    scored = ("evaluate", "--task", judged_task, "--model", MODELS[0], "--judge", MODELS[1])
    found = roles(invoke, *scored, "--base-url", HERE, "--judge-base-url", THERE)
    assert found["task"]["usd"] == 0.0
    assert found["judge"]["usd"] > 0.0
