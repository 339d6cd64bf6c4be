"""Under a cap on tokens or dollars only the call that goes alone can pass it, however long replies become."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.errors import BudgetSpent
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.protocols import Role
from promptopt.run.budget import Ledger, Limits
from promptopt.run.door import Door
from promptopt.run.fetching import Call
from promptopt.run.slices import FIRST_SLICE, SLICE, Slices
from promptopt.store.runs import Store
from promptopt.types import Reply, Request, Sampling, ScoreRequest, canonical

PRICE = Price(1e-6, 4e-6)
MOST = 40
"""What a reply may have."""


def call(text: str, max_tokens: int = MOST) -> Call:
    request = Request(text, Sampling(max_tokens=max_tokens))
    return Call(request, canonical(request.to_json()), text.encode())


@pytest.mark.parametrize("limits", [Limits(tokens=10_000), Limits(usd=0.01), Limits(tokens=10_000, usd=1.0)])
@pytest.mark.parametrize("role", ["task", "proposer"])
def test_a_slice_cannot_pass_the_cap_by_replies_that_are_as_long_as_can_be(limits: Limits, role: Role) -> None:
    calls = [call(f"question {number}") for number in range(500)]
    slices = Slices()
    fits = slices.within(calls, [True] * 500, role, limits, Ledger(), PRICE)
    assert 1 < fits < 500
    read = sum(len(each.text.encode()) for each in calls[:fits])
    assert read + fits * MOST <= 10_000
    assert (read * 1e-6 + fits * MOST * 4e-6) <= (limits.usd or 1.0)
    # What was paid for before takes nothing.
    assert slices.within(calls, [False] * 500, role, limits, Ledger(), PRICE) == 500


def test_one_call_goes_alone_and_makes_slices_of_no_other_role_small() -> None:
    slices, long = Slices(), [call("x" * 5_000, 5_000)]
    used, limits = Ledger(calls=10, prompt_tokens=100), Limits(tokens=1_000)
    assert slices.within(long * 3, [True] * 3, "proposer", limits, used, None) == 1
    assert slices.size("proposer", limits, used) == 1
    # What nobody of that role has answered yet goes alone.
    assert slices.size("task", limits, used) == FIRST_SLICE
    slices.saw("task", [1] * 44)
    assert slices.size("task", limits, used) == 45
    assert slices.size("proposer", Limits(calls=3), used) == SLICE
    assert slices.size("proposer", limits, Ledger()) == FIRST_SLICE


def test_a_model_that_thinks_beyond_its_cap_is_taken_to_do_it_again() -> None:
    slices, calls, limits = Slices(), [call(f"question {number}") for number in range(500)], Limits(tokens=10_000)
    before = slices.within(calls, [True] * 500, "task", limits, Ledger(), None)
    slices.saw("task", [10 * MOST, 1])
    slices.saw("task", [])
    assert 10_000 // (10 * MOST + 200) <= slices.within(calls, [True] * 500, "task", limits, Ledger(), None) < before


def test_a_text_that_is_scored_is_read_once_for_each_continuation() -> None:
    request = ScoreRequest("content", ("a", "b", "c"))
    scored = Call(request, canonical(request.to_json()), b"")
    octets = len(canonical(request.to_json()).encode())
    assert Slices().within([scored] * 9, [True] * 9, "task", Limits(tokens=7 * octets), Ledger(), None) == 2


@pytest.mark.parametrize("limits", [Limits(tokens=3_000), Limits(usd=0.006)])
def test_replies_that_turn_long_pass_the_cap_by_one_call_at_most(tmp_path: Path, limits: Limits) -> None:
    served = 0

    def answer(request: Request) -> Reply:
        nonlocal served
        served += 1
        # The first are short, as those are that a slice was planned by before.
        return Reply("x", "stop", 2, 1 if served <= 30 else MOST)

    with Store(tmp_path / "s.db") as store:
        door = Door(
            models={"task": Scripted(answer, name="task")}, prices={"task": PRICE}, cache=store.cache, journal=None,
            limits=limits, seed=0, stopping=lambda: None, warn=lambda _: None,
        )  # fmt: skip
        with pytest.raises(BudgetSpent):
            door([Request(f"question {number}", Sampling(max_tokens=MOST)) for number in range(2_000)])
    assert door.account.spent.calls == served
    assert limits.tokens is None or limits.tokens <= door.account.spent.tokens < limits.tokens + 2 + MOST
    assert limits.usd is None or limits.usd <= (door.account.spent.usd or 0.0) < limits.usd + 2e-6 + MOST * 4e-6


@pytest.mark.parametrize("limits", [Limits(tokens=9_000), Limits(usd=0.036)])
def test_a_model_that_thinks_far_beyond_its_cap_passes_the_runs_by_one_call(tmp_path: Path, limits: Limits) -> None:
    thinks = Scripted(lambda _: Reply("x", "stop", 2, 20 * MOST), name="task")
    writes = Scripted(lambda _: Reply("x", "stop", 2, 1), name="proposer")
    with Store(tmp_path / "s.db") as store:
        door = Door(
            models={"task": thinks, "proposer": writes}, prices={"task": PRICE, "proposer": PRICE}, cache=store.cache,
            journal=None, limits=limits, seed=0, stopping=lambda: None, warn=lambda _: None,
        )  # fmt: skip
        # Whoever wrote short replies before was another model.
        list(
            door.generate([Request(f"rewrite {number}", Sampling(max_tokens=MOST)) for number in range(50)], "proposer")
        )
        with pytest.raises(BudgetSpent):
            door([Request(f"question {number}", Sampling(max_tokens=MOST)) for number in range(200)])
    # Before, sixty went out together.
    assert door.account.spent.tokens < 9_000 + 2 + 20 * MOST
