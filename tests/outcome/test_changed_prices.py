"""A price table that changes between two executions of one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.outcome.executions import repriced, with_earlier
from promptopt.outcome.result import Result
from promptopt.run.events import Event
from promptopt.testing import feature_accuracy, planted_task, uniform
from promptopt.types import Request
from tests.rewrites import Rewrites, rewrite

ACCURACY = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)


def answer(request: Request) -> str:
    instruction, _, question = str(request.content).rpartition("\n\n")
    return "yes" if uniform(question) < ACCURACY(instruction) else "no"


def conduct(home: Path, price: float | None, told: list[Event]) -> Result:
    rows = {"elsewhere/m": price, "proposer": 0}
    lines = [f'["{name}"]\nprompt = {each}\ncompletion = {each}\n' for name, each in rows.items() if each is not None]
    (home / "prices.toml").write_text("".join(lines), "utf-8")
    models = Models(Scripted(answer, name="elsewhere/m"), proposer=Scripted(rewrite, name="proposer"))
    return optimize(
        planted_task(train=10, dev=10),
        Rewrites(),
        model=models,
        store=home / "store.db",
        session=Session([told.append]),
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
