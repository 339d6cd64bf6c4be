"""A candidate that the budget cannot test is left out: it would end the search of all others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.session import Session
from promptopt.models.prices import Price
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget, Ledger, allocate
from promptopt.run.reserve import Reserve
from promptopt.run.scoring import TOO_DEAR
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Cell, Example, Prompt, Proposal

START = Prompt.of("Answer.")
OF_LENGTH = {START: 10.0}


@dataclass(frozen=True)
class WithOneLong:
    """Rewrites that grow a little, and a very long one in every round."""

    rounds: int = 6

    def optimize(self, run: Run) -> None:
        for number in range(self.rounds):
            short = Prompt.of(f"Answer the question carefully, take {number}.")
            long = Prompt.of(f"Answer the question exactly, {'and so on ' * 400} {number}.")
            taken = run.admit([Proposal(each, (run.initial,)) for each in (short, long)])
            run.evaluate(taken, run.train[number : number + 4])


def conduct(home: Path, tokens: int, runs: list[Run]) -> Result:
    return optimize(
        planted_task(),
        WithOneLong(),
        model=planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.3)),
        budget=Budget(tokens=tokens),
        store=home / "store.db",
        session=Session(watch=runs.append),
    )


@pytest.mark.slow
def test_one_long_candidate_does_not_end_the_search_of_the_others(tmp_path: Path) -> None:
    runs: list[Run] = []
    small = conduct(tmp_path, 20_000, runs)
    assert small.status == "finished"
    # It ended at the first long one, and had scored nothing.
    assert runs[0].rejected[TOO_DEAR] == 6
    assert [each.prompt for each in runs[0].candidates()][1:] == [
        Prompt.of(f"Answer the question carefully, take {number}.") for number in range(6)
    ]
    assert sum("longer than the start are left out" in said for said in small.warnings) == 1
    assert small.best.prompt != runs[0].initial
    assert small.spent.tokens <= 20_000
    # What a small cap left out, a larger one of the same run lets go on.
    large = conduct(tmp_path, 400_000, runs)
    assert large.run_id == small.run_id
    assert runs[1].rejected[TOO_DEAR] == 0
    assert len(runs[1].candidates()) == 13
    assert not any("left out" in said for said in large.warnings)


def dear(length: float, *, spent: int = 0, beside: float = 0.0, usd: bool = False) -> bool:
    """Whether a prompt of so many tokens is, where a cell of the start reads 10 and every cell writes 10."""
    budget = Budget(usd=0.1) if usd else Budget(tokens=100_000)
    plan = allocate(budget, dev=40, test=100, calls_per_cell=1, tokens_per_cell=20, usd_per_cell=20e-6)
    given = Reserve(
        plan,
        reading=OF_LENGTH.__getitem__,
        writing=10.0,
        price=Price(1e-6, 1e-6),
        same=True,
        held=(plan.dev, plan.test),
    )
    prompt, other = Prompt.of("Answer it."), Prompt.of("Answer it well.")
    OF_LENGTH.update({prompt: length, other: beside})
    return given.too_dear(prompt, START, [], [other] if beside else [], Ledger(prompt_tokens=spent, usd=spent * 1e-6))


@pytest.mark.parametrize("usd", [False, True])
@pytest.mark.parametrize(
    ("length", "spent", "beside", "expected"),
    [
        # The plan grants the search 92,000 of 100,000 tokens. With the prompt 1.1 x (140 x (10 + length) + 280 x 10)
        # are set aside, which leaves less than half of that from 321 on.
        (320.0, 0, 0.0, False),
        (321.0, 0, 0.0, True),
        # Of what is left, 32,000, and not of what there was.
        (125.0, 60_000, 0.0, False),
        (126.0, 60_000, 0.0, True),
        # One as long is scored beside it: the test of that is set aside already.
        (321.0, 0, 321.0, False),
        # Nothing is left to lose.
        (321.0, 100_000, 0.0, False),
    ],
)
def test_what_costs_more_than_half_of_what_the_search_has_is_too_dear(
    length: float, spent: int, beside: float, expected: bool, usd: bool
) -> None:
    assert dear(length, spent=spent, beside=beside, usd=usd) == expected


@pytest.mark.parametrize(
    ("length", "typical", "expected"),
    # The first of all makes the test one of two prompts, which is no reason to leave it out.
    [(10.0, [], False), (200.0, [], True), (200.0, [200.0], False)],
)
def test_what_any_candidate_takes_makes_none_too_dear(length: float, typical: list[float], expected: bool) -> None:
    prompt, shown = Prompt.of("Answer it."), Prompt.of("Answer it as shown.")
    OF_LENGTH.update({prompt: length, shown: typical[0] if typical else 0.0})
    plan = allocate(Budget(tokens=100_000), dev=40, test=1_000, calls_per_cell=1, tokens_per_cell=20, usd_per_cell=None)
    given = Reserve(
        plan, reading=OF_LENGTH.__getitem__, writing=10.0, price=None, same=True, held=(40, 1_000),
        typical=[shown] if typical else [],
    )  # fmt: skip
    cells = [Cell(START, Example((("text", str(at)),), "t")) for at in range(100)]
    given.observe(cells, Ledger(), Ledger(100, 100, 0, 1_000, 100), [1] * 100)
    # A cell takes 11 tokens: those that are tested by the start alone leave the search some 92,000.
    assert given.too_dear(prompt, START, [], [], Ledger(prompt_tokens=80_000)) == expected
