"""A model that answers for free, beside a proposer that costs: a cap in dollars is the proposer's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.plan import search_planned
from promptopt.binding.session import Session
from promptopt.binding.settings import build_optimizer
from promptopt.errors import BudgetSpent
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget, Ledger, Limits, Raised
from promptopt.run.charging import Account
from promptopt.run.events import Event, Planned, Warned
from promptopt.run.fetching import Call
from promptopt.types import Request, Room, Sampling, canonical


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "apo", "capo", "mipro", "opro"])
def test_what_the_proposer_spent_takes_nothing_of_a_choice_and_a_test_that_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    (tmp_path / "prices.toml").write_text(
        '["acme/free"]\nprompt = 0\ncompletion = 0\n["acme/dear"]\nprompt = 1000\ncompletion = 4000\n'
    )
    landscape, plans = plant("additive", 0), list[str]()
    model = landscape.model()
    model.name = "acme/free"

    def hear(event: Event) -> None:
        if isinstance(event, Planned | Warned):
            plans.append(event.search if isinstance(event, Planned) else event.message)

    result = optimize(
        landscape.task(test=200), method,
        model=Models(model, proposer=Scripted(Proposer(landscape.good, 0.4, None), name="acme/dear")),
        budget=Budget(usd=0.5), store=tmp_path / "s.db", session=Session([hear]),
    )  # fmt: skip
    # All ended without a verdict: `$0.5220 of $0.5000 are spent`.
    assert result.best.test is not None
    assert result.best.test.n == 200
    # Candidates were not compared at all.
    assert result.steps
    # It was to be 29 generations, or 999 iterations, of which the cap paid for four calls.
    assert "which are free, and the cap pays for hardly one call of the proposer" in "\n".join(plans)


def test_a_plan_counts_the_calls_that_the_cap_pays_for() -> None:
    room = Room(2_000, None, 1, 120, 40, metered=((6.0, 0.0, 0.6),))
    assert search_planned(build_optimizer("auto", {}), room).endswith(
        "as 2,000 evaluations are left to it, which are free, and the cap pays for about 10 calls of the proposer; "
        "more may follow where these take less"
    )


@pytest.mark.parametrize(("price", "asked"), [(Price(0.0, 0.0), 3), (Price(0.0, 1e-6), 0), (None, 0)])
def test_a_call_that_is_free_passes_no_cap_in_dollars(price: Price | None, asked: int) -> None:
    account = Account(Limits(usd=1.0), {"task": price})
    account.spent = Ledger(calls=4, usd=1.2)
    account.raised = Raised(Limits(usd=0.5), Limits(usd=0.7))
    calls = [Call(request, canonical(request.to_json()), bytes([at]) * 8)
             for at in range(3) for request in [Request(f"input {at}", Sampling())]]  # fmt: skip
    if asked:
        assert account.next_slice(calls, "task") == calls
        # Tokens are counted, whatever they cost.
        account.limits = Limits(tokens=10, usd=1.0)
        account.spent = Ledger(calls=4, prompt_tokens=10, usd=1.2)
    with pytest.raises(BudgetSpent, match="are spent"):
        account.next_slice(calls, "task")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["acme/free", "acme/task"])
@pytest.mark.parametrize("method", ["capo", "opro", "evoprompt-ga"])
def test_a_cap_on_evaluations_beside_dollars_makes_a_search_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, task: str
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    (tmp_path / "prices.toml").write_text(
        f'["{task}"]\nprompt = {100 * (task != "acme/free")}\ncompletion = {400 * (task != "acme/free")}\n'
        '["acme/dear"]\nprompt = 100\ncompletion = 400\n'
    )
    landscape = plant("additive", 0)
    model = landscape.model()
    model.name = task

    def conduct(budget: Budget) -> str:
        return optimize(
            landscape.task(test=200), method,
            model=Models(model, proposer=Scripted(Proposer(landscape.good, 0.4, None), name="acme/dear")),
            budget=budget, store=tmp_path / "s.db",
        ).run_id  # fmt: skip

    # The plan is one by the dollars, and its looks were spread over the evaluations: they were said to have diverged.
    budgets = [Budget(usd=0.3), Budget(usd=0.3, evaluations=5_000), Budget(usd=0.3, evaluations=1_000)]
    assert len({conduct(budget) for budget in budgets}) == 3
    assert conduct(Budget(usd=0.3)) == conduct(Budget(usd=0.3))
