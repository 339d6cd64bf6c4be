"""Simulated users in a run: metered by role, capped, replayed for nothing, and resumed after kill -9 at any call."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluation import evaluate
from promptopt.evaluators.simulated import Simulated
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks import Layout, Task, scenario
from promptopt.testing import outcome
from promptopt.types import Proposal, Request
from tests.unhurried import unhurried

CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{history}")))
KIND = "You are the assistant. Be kind."
PROGRAM = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent.parent.parent)!r})
from tests.run.test_simulated_runs import search
print(json.dumps(search(sys.argv[1], kill_at=int(sys.argv[2]), tools=sys.argv[3] == "tools")[1]))
"""


@dataclass(frozen=True)
class Two:
    """Compares the start with one other."""

    def optimize(self, run: Run) -> None:
        """Search."""
        child = run.initial.replace("instruction", KIND)
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


CANCEL = {"name": "cancel", "parameters": {"properties": {"order": {"type": "integer"}}}}
GIVES = {"calls": "cancel", "gives": "order {order} is cancelled"}


def task(scenarios: int = 18, *, tools: bool = False) -> Task:
    held: dict[str, Any] = {"tools": [CANCEL], "results": [GIVES]} if tools else {}
    return Task.from_examples(
        [scenario(f"cancel order {number}", **held) for number in range(scenarios)],
        prompt="You are the assistant.",
        layout=CHAT,
        metric="contains",
    )


def user(request: Request) -> str:
    """Leaves after a message or two, by the number of the order."""
    scene = str(request.content)
    said = scene.count("<<<assistant")
    number = int(re.findall(r"cancel order (\d+)", scene)[0])
    return "Thanks. [END]" if said > number % 3 else f"Order {number}, please."


def bot(request: Request) -> str:
    last = request.content[-1]
    if "tools" in last.further() | request.content[0].further() and last.role == "user":  # type: ignore[union-attr]
        given = {"order": int(re.findall(r"\d+|$", last.content)[0] or 0)}  # type: ignore[union-attr]
        return f"<tool_call>{json.dumps({'name': 'cancel', 'arguments': given})}</tool_call>"
    return f"{'Gladly' if 'kind' in str(request.content[0]) else 'Here'}, {len(request.content)}."


def judge(request: Request) -> str:
    if "answers" in request.schema:
        return json.dumps({"reason": "so", "answers": {"1": "yes"}})
    return json.dumps({"reason": "so", "score": 5 if "Gladly" in str(request.content) else 3})


def models(kill_at: int = 0, fail_at: int | None = None, *, tools: bool = False) -> tuple[Models, Scripted]:
    """With tools it is the assistant that is killed, between a call and its result too; else the user."""
    slow = {"fail_at": fail_at, "latency_s": 0.001 if kill_at else 0.0}
    player = Scripted(user, name="player", **({} if tools else slow))  # type: ignore[arg-type]
    answers = Scripted(bot, name="bot", **(slow if tools else {}))  # type: ignore[arg-type]
    if kill_at:
        (answers if tools else player).kill_at = kill_at
    others = [answers, Scripted("x", name="writer"), Scripted(judge, name="judge")]
    return Models(*others, user=player), player


def search(
    store: str | Path,
    *,
    kill_at: int = 0,
    fail_at: int | None = None,
    budget: Budget | None = None,
    tools: bool = False,
) -> tuple[Result, dict[str, Any]]:
    chosen = task(tools=tools)
    named, player = models(kill_at, fail_at, tools=tools)
    with Store(store) as kept:
        if kill_at:
            for each in (named.task, named.proposer, named.judge, player):
                unhurried(cast(Scripted, each), kept)
        result = optimize(chosen, Two(), model=named, evaluator=Simulated(chosen, turns=3), store=kept, budget=budget)
    return result, json.loads(json.dumps(outcome(result)))


def test_the_calls_of_users_have_a_role_of_their_own_in_the_ledger(tmp_path: Path) -> None:
    chosen = task()
    named, player = models()
    found = evaluate(chosen, model=named, evaluator=Simulated(chosen, turns=3), store=tmp_path / "s.db")
    ledgers = found.by_role
    assert ledgers["user"].calls == player.calls > 0
    assert ledgers["task"].calls == player.calls == len({str(each.to_json()) for each in player.log})
    assert sum(each.calls for each in ledgers.values()) == found.spent.calls
    assert found.judged


def test_the_proposer_plays_where_nobody_is_named_and_the_user_is_told(tmp_path: Path) -> None:
    chosen = task()

    def anyone(request: Request) -> str:
        return (
            judge(request)
            if request.schema
            else user(request)
            if "part of a customer" in str(request.content)
            else bot(request)
        )

    bots = Scripted(anyone, name="one")
    found = evaluate(chosen, model=bots, evaluator=Simulated(chosen, turns=1), store=tmp_path / "s.db")
    assert found.by_role["user"].calls > 0
    assert any("plays the users is the task model" in said for said in found.warnings)
    assert any("have another model play them too" in said for said in found.warnings)


def test_a_model_named_to_play_users_of_no_scenarios_is_told_of(tmp_path: Path) -> None:
    from promptopt.testing import planted_model, planted_task

    one = planted_model(lambda _: 0.5)
    found = evaluate(planted_task(), model=Models(one, user=Scripted(user, name="player")), store=tmp_path / "s.db")
    assert any("nobody asks it" in said for said in found.warnings)


@pytest.mark.slow
def test_a_search_ends_in_a_judges_word_and_a_replay_asks_nothing(tmp_path: Path) -> None:
    result, end = search(tmp_path / "s.db")
    assert (result.verdict, result.basis) == ("undecided", "judge")
    assert result.best.prompt["instruction"] == KIND
    again, same = search(tmp_path / "s.db")
    assert (again.paid.calls, same) == (0, end)


@pytest.mark.slow
def test_another_model_of_users_is_another_run(tmp_path: Path) -> None:
    result, _ = search(tmp_path / "s.db")
    chosen = task()
    named, _ = models()
    other = Models(named.task, named.proposer, named.judge, user=Scripted(user, name="somebody else"))
    found = optimize(chosen, Two(), model=other, evaluator=Simulated(chosen, turns=3), store=tmp_path / "s.db")
    assert found.run_id != result.run_id


@pytest.mark.parametrize(
    ("drifting", "verdict"), [pytest.param(1, "better", marks=pytest.mark.slow), (12, "undecided")]
)
def test_where_too_many_users_drift_there_is_no_verdict_by_a_metric_either(
    tmp_path: Path, drifting: int, verdict: str
) -> None:
    def strict(request: Request) -> str:
        number = int(re.findall(r"cancel order (\d+)", str(request.content))[0])
        return json.dumps({"reason": "so", "answers": {"1": "no" if number < drifting else "yes"}})

    chosen = replace(task(120), metric=lambda answer, _: float("Gladly" in answer))
    named, _ = models()
    asked = replace(named, judge=Scripted(strict, name="strict"))
    found = optimize(
        chosen, Two(), model=asked, evaluator=Simulated(chosen, turns=1, by="metric"), store=tmp_path / "s.db"
    )
    assert (found.basis, found.verdict) == ("metric", verdict)
    if verdict == "undecided":
        assert str(found).startswith("Not decided: ")
        assert "simulated conversations are left out, most for what their users said" in str(found)
        assert "it is +" in str(found)


@pytest.mark.parametrize(
    "cap",
    [
        Budget(calls=400),
        *(pytest.param(cap, marks=pytest.mark.slow) for cap in (Budget(tokens=60_000), Budget(evaluations=40))),
    ],
)
def test_caps_hold_and_a_cut_batch_is_kept(tmp_path: Path, cap: Budget) -> None:
    result, _ = search(tmp_path / "s.db", budget=cap)
    assert result.status in ("budget", "finished")
    assert cap.calls is None or result.spent.calls <= cap.calls
    assert cap.evaluations is None or result.spent.evaluations <= cap.evaluations
    assert result.spent.evaluations > 0


@pytest.mark.slow
def test_calls_after_a_tools_result_are_in_the_ledger_and_a_replay_asks_nothing(tmp_path: Path) -> None:
    result, end = search(tmp_path / "s.db", tools=True)
    bare, _ = search(tmp_path / "bare.db")
    # Every answer takes one call more.
    assert result.by_role["task"].calls == 2 * bare.by_role["task"].calls
    assert any("is cancelled" in item.start.output for item in result.items)
    assert (result.warnings, result.verdict) == (bare.warnings, "undecided")
    again, same = search(tmp_path / "s.db", tools=True)
    assert (again.paid.calls, same) == (0, end)


@pytest.mark.slow
def test_an_outage_at_any_call_of_a_user_loses_nothing(tmp_path: Path) -> None:
    whole, end = search(tmp_path / "whole.db")
    store, paid = tmp_path / "s.db", 0
    for _ in range(whole.by_role["user"].calls):
        result, last = search(store, fail_at=7)
        paid += result.paid.calls
        if result.status != "suspended":
            break
        assert "failed" in result.reason
    assert last == end
    assert paid == whole.paid.calls


@pytest.mark.slow
@pytest.mark.parametrize("tools", [False, True])
def test_killed_in_the_middle_of_conversations_it_pays_nothing_twice(tmp_path: Path, tools: bool) -> None:
    whole, end = search(tmp_path / "whole.db", tools=tools)
    answered = 0
    for kill_at in (10, 14):
        program = [sys.executable, "-c", PROGRAM, str(tmp_path / "s.db"), str(kill_at), "tools" if tools else ""]
        assert subprocess.run(program, check=False).returncode == 137
        answered += kill_at - 1
    result, last = search(tmp_path / "s.db", tools=tools)
    assert last == end
    assert result.paid.calls <= whole.paid.calls - answered
