"""A forecast of a program: its calls as earlier runs made them; a sentence where nothing says how many there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.cli.forecast_range import ForecastRange
from promptopt.cli.program_calls import as_measured, unmeasured
from promptopt.cli.roles import RoleForecast
from promptopt.cli.speed import Speed
from promptopt.cli.stand_in_world import in_fields
from promptopt.evaluators.generation import Generation
from promptopt.programs import ProgramEvaluator
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.testing import planted_task

PROGRAM = ProgramEvaluator(lambda prompt, example, ask: ask("x").text)
ROLES = [RoleForecast("task", "m", 200, 1_000, 2_000, None), RoleForecast("proposer", "m", 20, 100, 200, None)]
MEASURED = Speed(1, 100.0, 0.1, calls_per_evaluation=6.0)
SOURCE = """
from promptopt import Example

prompt = {"solve": "Solve the task."}
examples = [Example.of("yes" if number % 2 else "no", question=f"Is q{number} one?") for number in range(90)]


def program(prompt, example, ask):
    return ask(prompt["solve"] + example["question"]).text
"""


def test_calls_are_those_that_earlier_runs_made_for_an_evaluation() -> None:
    spread = ForecastRange((50, 150), (1_000, 3_000))
    roles, evaluations, spread = as_measured(ROLES, 100, spread, PROGRAM, MEASURED, Budget(evaluations=100))
    assert [(role.calls, role.prompt_tokens, role.completion_tokens) for role in roles] == [
        (600, 3_000, 6_000), (20, 100, 200)
    ]  # fmt: skip
    assert evaluations == 100
    assert spread is not None
    assert spread.evaluations == (50, 150)
    assert spread.tokens == (2_818, 8_455)


def test_a_cap_on_calls_leaves_fewer_evaluations_of_a_program_that_makes_more() -> None:
    roles, evaluations, _ = as_measured(ROLES, 100, None, PROGRAM, MEASURED, Budget(calls=220))
    assert evaluations == 33
    assert sum(role.calls or 0 for role in roles) == 33 * 6 + 20


@pytest.mark.parametrize(
    ("evaluator", "speed", "said"),
    [(PROGRAM, Speed(), True), (PROGRAM, MEASURED, False), (Generation.for_task(planted_task()), Speed(), False)],
)
def test_what_nothing_says_is_said(evaluator: object, speed: Speed, said: bool) -> None:
    assert ("by a factor of several" in unmeasured(evaluator, speed)) == said
    # What is no program stays as it was played.
    if not said:
        speed = Speed(1, 100.0, 0.1, 9.0) if evaluator is not PROGRAM else Speed()
        assert as_measured(ROLES, 100, None, evaluator, speed, Budget()) == (ROLES, 100, None)


def test_a_reply_stands_in_the_fields_that_dspy_asks_for() -> None:
    asked = "starting with `[[ ## reasoning ## ]]`, then `[[ ## answer ## ]]`, ending in `[[ ## completed ## ]]`."
    told = in_fields(asked, "yes").split("\n")
    assert told[0] == "[[ ## reasoning ## ]]"
    assert told[-4:] == ["[[ ## answer ## ]]", "yes", "", "[[ ## completed ## ]]"]
    assert in_fields("Is it?", "yes") == "yes"


@pytest.mark.slow
def test_a_dry_run_goes_by_an_earlier_run_of_the_program(
    invoke: Invoke, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "forecast_program.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(workplace)
    asked = ("optimize", "--task", "forecast_program:program", "--trust", "--model", "openai/x", "--method", "climb",
             "--max-evaluations", "60", "--dry-run", "--json")  # fmt: skip
    done = invoke(*asked)
    assert done.exit_code == 0, done.stderr
    first = json.loads(done.stdout)
    assert any("by a factor of several" in warning for warning in first["warnings"])
    with Store() as store:
        store.begin("one", fingerprint={}, config={"model": "openai/x", "task": "forecast_program:program"})
        spent = {"evaluations": 60, "calls": 300, "proposer_calls": 0}
        pace = {"wall_s": 30.0, "calls": 300, "tokens": 5000}
        store.end("one", status="finished", result={"pace": pace, "spent": spent})
    again = json.loads(invoke(*asked).stdout)
    assert again["roles"]["task"]["calls"] == 5 * again["evaluations"]
    calls = again["roles"]["task"]["calls"] + again["roles"]["proposer"]["calls"]
    assert again["minutes"] == pytest.approx(calls * 0.1 / 60)
    assert not any("by a factor of several" in warning for warning in again["warnings"])
    scored = json.loads(invoke("evaluate", *asked[1:6], "--dry-run", "--json").stdout)
    assert scored["roles"]["task"]["calls"] == 5 * scored["evaluations"]
