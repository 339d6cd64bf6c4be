"""A price table that changes between two executions of one run."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.outcome.executions import repriced, with_earlier
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.run.events import Event
from promptopt.testing import feature_accuracy, planted_task, uniform
from promptopt.types import Request
from tests.rewrites import Rewrites, rewrite

ACCURACY = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)


def answer(request: Request) -> str:
    instruction, _, question = str(request.content).rpartition("\n\n")
    return "yes" if uniform(question) < ACCURACY(instruction) else "no"


def conduct(
    home: Path,
    price: float | None,
    told: list[Event],
    budget: Budget | None = None,
    stop_after: int | None = None,
    train: int = 10,
) -> Result:
    interrupt, asked = threading.Event(), list[Request]()

    def heard(request: Request) -> str:
        asked.append(request)
        if len(asked) == stop_after:
            interrupt.set()
        return answer(request)

    rows = {"elsewhere/m": price, "proposer": 0}
    lines = [f'["{name}"]\nprompt = {each}\ncompletion = {each}\n' for name, each in rows.items() if each is not None]
    (home / "prices.toml").write_text("".join(lines), "utf-8")
    models = Models(Scripted(heard, name="elsewhere/m"), proposer=Scripted(rewrite, name="proposer"))
    return optimize(
        planted_task(train=train, dev=10),
        Rewrites(),
        model=models,
        store=home / "store.db",
        budget=budget,
        session=Session([told.append], interrupt=interrupt),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then", "said"),
    [(10, 1000, True), (1000, 10, True), (10, None, True), (None, 10, True), (10, 10, False), (None, None, False)],
)
def test_a_changed_price_is_told_and_rewrites_nothing_that_was_paid(
    first: float | None, then: float | None, *, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    told: list[Event] = []
    paid, again = conduct(tmp_path, first, []), conduct(tmp_path, then, told)
    assert again.run_id == paid.run_id
    assert again.paid.calls == 0
    assert again.paid.usd == 0
    assert again.earlier is not None
    assert again.earlier.paid == paid.paid
    assert any("prices of the models have changed" in each for each in again.warnings) is said
    # Observers hear of it too: the command line shows what they are told.
    assert any("prices of the models have changed" in str(each) for each in told) is said


def test_a_record_whose_ledger_cannot_be_read_still_says_what_was_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    paid = conduct(tmp_path, 10, [])
    record = {**paid.to_json(), "spent": {"of": "another version"}}
    assert repriced(paid, record) == ""
    earlier = with_earlier(paid, record).earlier
    assert earlier is not None
    assert earlier.paid == paid.paid


CAP = 2.0
"""Dollars."""


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [None, 30])
@pytest.mark.parametrize("killed", [False, True])
def test_a_cap_in_dollars_holds_over_executions_between_which_the_price_fell(
    stop_after: int | None, *, killed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    budget = Budget(usd=CAP)
    first = conduct(tmp_path, 1000, [], budget, stop_after, train=300)
    assert first.paid.usd is not None
    if killed:
        # A kill leaves replies, and no record of what they came to.
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
            connection.execute("UPDATE runs SET result = NULL")
    then = conduct(tmp_path, 100, [], budget, train=300)
    assert then.run_id == first.run_id
    assert then.paid.usd is not None
    # By one call at most, which is the one that reaches it.
    assert first.paid.usd + then.paid.usd <= CAP + 0.02
    assert any("what was paid for them" in each for each in then.warnings)
    again = conduct(tmp_path, 100, [], budget, train=300)
    assert again.paid.calls == 0
    assert (again.spent, again.best, again.verdict) == (then.spent, then.best, then.verdict)


@pytest.mark.slow
def test_a_price_that_rose_counts_as_it_is_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    conduct(tmp_path, 100, [], Budget(usd=CAP), 30, train=300)
    then = conduct(tmp_path, 1000, [], Budget(usd=CAP), train=300)
    assert then.spent.usd is not None
    assert CAP / 2 < then.spent.usd <= CAP + 0.02
    assert not any("what was paid for them" in each for each in then.warnings)


def test_small_sums_at_other_prices_are_told_apart(tmp_path: Path) -> None:
    result = conduct(tmp_path, 1, [])
    spent = replace(result.spent, usd=2e-5)
    told = repriced(replace(result, spent=replace(spent, usd=4e-5)), {"spent": asdict(spent)})
    assert "today's prices ($0.000040), and were $0.000020 then" in told
