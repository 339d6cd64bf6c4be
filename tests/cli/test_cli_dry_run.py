"""`promptopt optimize --dry-run` as a user types it: what it says, and that nothing is asked."""

from __future__ import annotations

import json

import pytest
from command_line import Invoke

from promptopt import registry
from promptopt.models.scripted import Scripted
from promptopt.optimizers.auto.search import Auto
from promptopt.optimizers.random_search import RandomSearch

BASE = ("optimize", "--method", "climb", "--model", "scripted", "--task")


@pytest.mark.slow
def test_dry_run_asks_nothing_and_says_what_it_would_take(invoke: Invoke, task_file: str, model: Scripted) -> None:
    shown = invoke(*BASE, task_file, "--dry-run")
    assert shown.exit_code == 0
    assert model.calls == 0
    for role in ("task", "proposer", "together"):
        assert f"\n{role} " in shown.stdout
    assert "\njudge " not in shown.stdout
    assert "Time: unknown" in shown.stdout
    found = json.loads(invoke(*BASE, task_file, "--dry-run", "--json").stdout)
    real = json.loads(invoke(*BASE, task_file, "--json").stdout)
    task, proposer = found["roles"]["task"], found["roles"]["proposer"]
    assert task["calls"] >= real["spent"]["evaluations"]
    assert proposer["calls"] == real["spent"]["proposer_calls"]
    assert task["usd"] == 0.0
    assert found["minutes"] is None


@pytest.mark.slow
def test_without_a_method_it_is_auto_and_the_dry_run_says_what_the_cap_fits(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda group, name: Auto if name == "auto" else load(group, name))
    asked = ("optimize", "--task", task_file, "--model", "openai/x", "--dry-run", "--max-evaluations", "300")
    shown = invoke(*asked)
    assert shown.exit_code == 0, shown.stderr
    assert "The budget is enough for " in shown.stdout
    assert "generations of" in shown.stdout
    found = json.loads(invoke(*asked, "--json").stdout)
    assert found["method"] == "auto"
    assert "rounds" in found["rounds"]


@pytest.mark.slow
def test_dry_run_knows_the_speed_of_an_earlier_run(invoke: Invoke, task_file: str) -> None:
    invoke(*BASE, task_file)
    assert json.loads(invoke(*BASE, task_file, "--dry-run", "--json", "--seed", "1").stdout)["minutes"] > 0
    # Again, at no cost: what was learned of the speed stays.
    invoke(*BASE, task_file)
    assert json.loads(invoke(*BASE, task_file, "--dry-run", "--json", "--seed", "1").stdout)["minutes"] > 0
    other = invoke("optimize", "--task", task_file, "--method", "climb", "--model", "openai/x", "--dry-run")
    assert "Time: unknown" in other.stdout


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (("--model", "hf/small", "--base-url", "http://127.0.0.1:9/v1"), "'hf' runs in this process"),
        (("--model", "hf/small", "--served-as", "lab"), "'hf' can be told neither the name of its server"),
        (
            ("--model", "openai/x", "--proposer", "hf/y", "--proposer-base-url", "http://a:9"),
            "'hf' runs in this process",
        ),
        (("--model", "openai/x", "--base-url", "http://a:9/v1?key=1"), "must end before its '?'"),
        (("--model", "hf/small", "--judge-base-url", "http://a:9"), "'hf' runs in this process"),
    ],
)
def test_dry_run_refuses_a_server_that_the_run_would_refuse(
    invoke: Invoke, task_file: str, server: tuple[str, ...], said: str
) -> None:
    dry = invoke("optimize", "--task", task_file, "--method", "climb", *server, "--dry-run")
    assert dry.exit_code == 2
    assert said in dry.stderr


@pytest.mark.slow
def test_dry_run_says_that_a_price_is_unknown(invoke: Invoke, task_file: str) -> None:
    asked = ("--method", "climb", "--model", "openai/nobody-sells-this", "--max-evaluations", "60")
    result = invoke("optimize", "--task", task_file, *asked, "--dry-run")
    assert "price unknown" in result.stdout
    assert "No price is known for openai/nobody-sells-this: dollars are not guessed." in result.stdout


@pytest.mark.slow
def test_dry_run_knows_that_a_model_in_this_process_costs_nothing(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls there will be, which nothing says of most methods."""
    load = registry.load
    # So few tokens are no round of `auto`, and whether one of `random` fits is said.
    own = {"auto": Auto, "random": RandomSearch}
    monkeypatch.setattr(registry, "load", lambda group, name: own[name] if name in own else load(group, name))
    result = invoke("optimize", "--task", "support-intent", "--dry-run", "--max-tokens", "1000")
    assert "price" not in result.stdout.lower()
    assert "$0.00" in result.stdout


@pytest.mark.slow
def test_dry_run_keeps_to_the_caps(invoke: Invoke, task_file: str) -> None:
    found = json.loads(invoke(*BASE, task_file, "--dry-run", "--json", "--max-evaluations", "120").stdout)
    assert found["roles"]["task"]["calls"] <= 120
