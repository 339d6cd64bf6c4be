"""Among refusals a run stops where it would stop uncut, under every cap, in whatever order answers arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import RequestRefused, SomeRefused
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.testing import outcome, uniform
from promptopt.types import Reply, Request

WAVE = 16
"""Requests in flight at once."""


class Killed(BaseException):
    """The end of a process."""


class Session:
    """What one process sees of the models: which of those in flight answers first is drawn, and it may be killed."""

    def __init__(self, order: int, kill_at: int | None = None) -> None:
        self.rng, self.kill_at = random.Random(order), kill_at
        self.arrived = 0

    def arrives(self) -> None:
        self.arrived += 1
        if self.arrived == self.kill_at:
            raise Killed


class Server:
    """A model that refuses a tenth of all requests, asked in one session; its client is new in each."""

    def __init__(self, name: str, answers: Scripted, session: Session) -> None:
        self.name, self.answers, self.session = name, answers, session
        self.answered = 0

    def generate(self, requests: Sequence[Request], stopping: object = None) -> Iterator[tuple[int, Reply]]:
        refused = dict[int, int]()
        for begin in range(0, len(requests), WAVE):
            flying = list(range(begin, min(len(requests), begin + WAVE)))
            self.session.rng.shuffle(flying)
            for place in flying:
                self.session.arrives()
                request = requests[place]
                if uniform("refused", str(request.content), str(request.seed)) < 0.1:
                    if not self.answered:
                        raise RequestRefused(f"{self.name}: refused")
                    refused[place] = self.answered
                    continue
                self.answered += 1
                for _, reply in self.answers.generate([request]):
                    yield place, reply
        if refused:
            first = RequestRefused(f"{self.name}: refused")
            raise SomeRefused(str(first), {place: then < self.answered for place, then in refused.items()}) from first


def search(store: Path, method: str, seed: int, budget: Budget, session: Session) -> Result:
    landscape = plant("additive", seed)
    task, proposer = landscape.model(), Scripted(Proposer(landscape.good), name="proposer")
    return optimize(
        landscape.task(test=60),
        build_optimizer(method, {}),
        model=Models(Server("task", task, session), Server("proposer", proposer, session)),
        budget=budget,
        seed=seed,
        store=store,
    )


@pytest.fixture(autouse=True)
def _priced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = (f'["{name}"]\nprompt = 0.5\ncompletion = 1.5\n' for name in ("task", "proposer"))
    (tmp_path / "prices.toml").write_text("".join(tables), encoding="utf-8")
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "seed", "budget"),
    [
        ("auto", 744, Budget(tokens=9_000)),
        ("auto", 745, Budget(usd=0.006)),
        ("auto", 746, Budget(calls=300)),
        ("apo", 1, Budget(tokens=8_000)),
        ("opro", 2, Budget(tokens=7_000)),
        ("capo", 4, Budget(usd=0.005)),
    ],
)
def test_a_run_stops_at_the_same_call_whatever_came_first_and_wherever_it_was_killed(
    tmp_path: Path, method: str, seed: int, budget: Budget
) -> None:
    calm = Session(0)
    expected = search(tmp_path / "calm.db", method, seed, budget, calm)
    assert expected.status != "suspended", expected.reason
    other = search(tmp_path / "other.db", method, seed, budget, Session(1))
    assert outcome(other) == outcome(expected)
    for share in (0.3, 0.4):
        with pytest.raises(Killed):
            search(tmp_path / "killed.db", method, seed, budget, Session(2, int(share * calm.arrived)))
    assert outcome(search(tmp_path / "killed.db", method, seed, budget, Session(3))) == outcome(expected)
    for each in (expected, other):
        assert each.paid.calls == each.spent.calls
        assert each.spent.tokens <= each.paid.tokens
        if budget.tokens is not None:
            assert each.paid.tokens <= budget.tokens
