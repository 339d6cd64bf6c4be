"""Where a search ends of which a dry run has played a part: at the first of its caps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.cli import rehearsal
from promptopt.cli.stand_in_world import World
from promptopt.cli.stand_ins import StandIn
from promptopt.run.budget import Allocation, Budget, Ledger, Limits
from promptopt.testing import planted_task
from promptopt.types import Prompt

PLANNED = 50_000
"""Evaluations of the method's own plan, far beyond any cap here."""


def rehearsed(status: str, charged: int = 100) -> rehearsal.Rehearsed:
    """100 evaluations and 20 proposals, in 2,000 tokens and a cent; `charged`: of 100 calls of the task model."""
    world = cast("World", None)
    task, proposer, check = (
        StandIn(name, "scripted/x", world, str, calls, read, written)
        for name, calls, read, written in (
            ("task", 100, 1_000, 500), ("proposer", 20, 300, 200), ("check", 0, 0, 0)
        )
    )  # fmt: skip
    best, spent = SimpleNamespace(prompt=Prompt.of("Say it.")), Ledger(charged, 120, 20, 1_300, 700, usd=0.01)
    by_role = {"task": Ledger(charged, charged)}
    result: Any = SimpleNamespace(status=status, spent=spent, best=best, by_role=by_role)
    return rehearsal.Rehearsed(task, proposer, check, (), (), result)


@pytest.mark.parametrize("status", ["suspended", "budget"])
@pytest.mark.parametrize(
    ("budget", "evaluations"),
    [
        (Budget(tokens=6_000), 300),
        (Budget(calls=240), 200),
        (Budget(tokens=6_000, calls=240), 200),
        (Budget(tokens=200_000, calls=600), 500),
        (Budget(tokens=1_000), 100),
        (Budget(usd=0.03), 300),
        (Budget(tokens=5_000, usd=0.03), 250),
        (Budget(usd=0.005), 100),
    ],
)
def test_a_part_that_was_played_is_drawn_out_to_the_first_cap(
    budget: Budget, evaluations: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_, **__: rehearsed(status))
    arranged = Allocation(1, 0, 0, Ledger(), Limits(), Limits(), granted=10**6)
    nothing: Any = None
    taken = rehearsal.played(nothing, nothing, {}, (nothing, nothing), (budget, arranged), 0, PLANNED)
    assert taken is not None
    if status == "suspended":
        assert taken.evaluations == evaluations
    else:
        assert 100 <= taken.evaluations <= evaluations


def test_calls_of_a_batch_that_time_broke_off_are_not_drawn_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_, **__: rehearsed("suspended", charged=96))
    arranged = Allocation(1, 0, 0, Ledger(), Limits(), Limits(), granted=10**6)
    nothing: Any = None
    taken = rehearsal.played(nothing, nothing, {}, (nothing, nothing), (Budget(), arranged), 0, 2_000)
    assert taken is not None
    # One call an evaluation, and no more calls than evaluations.
    assert (taken.evaluations, round(taken.roles["task"][0])) == (2_000, 2_000)


def test_without_a_cap_it_is_drawn_out_to_the_methods_own_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_, **__: rehearsed("suspended"))
    arranged = Allocation(1, 0, 0, Ledger(), Limits(), Limits())
    nothing: Any = None
    taken = rehearsal.played(nothing, nothing, {}, (nothing, nothing), (Budget(), arranged), 0, PLANNED)
    assert taken is not None
    assert taken.evaluations == PLANNED


@pytest.mark.parametrize(("status", "spent", "told"), [
    ("suspended", Ledger(), False), ("suspended", Ledger(1, 1), True), ("finished", Ledger(), True)
])  # fmt: skip
def test_a_play_whose_time_was_up_before_anything_was_asked_tells_nothing(
    status: str, spent: Ledger, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = SimpleNamespace(status=status, spent=spent, best=None)
    monkeypatch.setattr(rehearsal.api, "optimize", lambda *_, **__: result)
    task, nothing = planted_task(), cast("Any", None)
    evaluator: Any = SimpleNamespace()
    specs = dict.fromkeys(("task", "proposer", "check"), "scripted/x")
    found = rehearsal.rehearse(task, nothing, specs, (evaluator, evaluator), Budget(evaluations=100), 0)
    assert (found is not None) == told


def test_what_cannot_be_played_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[int]()

    def never(*given: Any, **_: Any) -> None:
        tried.append(given[5])

    monkeypatch.setattr(rehearsal, "rehearse", never)
    arranged = Allocation(1, 0, 0, Ledger(), Limits(), Limits(), granted=100)
    nothing: Any = None
    assert rehearsal.played(nothing, nothing, {}, (nothing, nothing), (Budget(), arranged), 7, PLANNED) is None
    assert tried == [7]
