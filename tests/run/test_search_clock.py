"""A cap on minutes: the search ends in time for a verdict, the same again pays nothing, and more minutes go on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.search_landscape import Landscape, plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding import session
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget, allocate
from promptopt.run.events import Event, PhaseBegun
from promptopt.run.search_clock import AT_ONCE, SearchClock, TimeCut
from promptopt.run.slices import SLICE
from promptopt.types import Reply, Request

CALL_S, PROPOSAL_S = 1.0, 5.0


@dataclass
class Timed:
    """A landscape whose models take time, by a clock that only they move; `asked`: how often each request went out."""

    home: Path
    patched: pytest.MonkeyPatch
    landscape: Landscape = field(default_factory=lambda: plant("additive", 0))
    asked: Counter[tuple[Request, int | None]] = field(default_factory=Counter[tuple[Request, int | None]])
    slower: float = 1.0
    now: float = 0.0

    def play(self, method: str, budget: Budget, slow: str = "") -> tuple[Result, float]:
        """What came of it, and the seconds it took. `slow`: the phase in which calls take ten times as long."""
        own = self.landscape.model(None)
        begun, self.slower = self.now, 1.0

        def answer(request: Request) -> Reply:
            self.asked[request, request.seed] += 1
            self.now += CALL_S * self.slower
            [(_, reply)] = own.generate([request])
            return reply

        write = Proposer(self.landscape.good, 0.4, None)

        def propose(request: Request) -> str:
            self.asked[request, request.seed] += 1
            self.now += PROPOSAL_S
            return write(request)

        def hear(event: Event) -> None:
            if isinstance(event, PhaseBegun) and event.name == slow:
                self.slower = 10.0

        self.patched.setattr(session, "time", SimpleNamespace(monotonic=lambda: self.now - begun))
        self.patched.setattr("promptopt.api.time", SimpleNamespace(monotonic=lambda: 0.0))
        result = optimize(
            self.landscape.task(test=200),
            method,
            model=Models(Scripted(answer, name="target"), proposer=Scripted(propose, name="proposer")),
            budget=budget,
            store=self.home / "store.db",
            session=Session([hear]),
        )
        return result, self.now - begun


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Timed:
    return Timed(tmp_path, monkeypatch)


@pytest.mark.parametrize("method", ["auto", pytest.param("capo", marks=pytest.mark.slow), "random", "tpe"])
@pytest.mark.parametrize("evaluations", [2_000, pytest.param(None, marks=pytest.mark.slow)])
def test_the_search_ends_in_time_for_a_verdict_and_more_minutes_go_on(
    timed: Timed, method: str, evaluations: int | None
) -> None:
    result, took = timed.play(method, Budget(minutes=5, evaluations=evaluations))
    assert (result.status, result.reason) == ("budget", "of 5 minutes the rest is for the verdict")
    assert result.verdict is not None
    assert took <= 300
    assert any("minutes leave time for" in said for said in result.warnings)

    again, took = timed.play(method, Budget(minutes=5, evaluations=evaluations))
    assert (again.paid.calls, took) == (0, 0.0)
    assert (again.best, again.gain, again.status) == (result.best, result.gain, "budget")

    longer, took = timed.play(method, Budget(minutes=12, evaluations=evaluations))
    assert longer.run_id == result.run_id
    assert took <= 720
    assert longer.spent.evaluations > result.spent.evaluations
    assert longer.verdict is not None
    assert set(timed.asked.values()) == {1}


def test_a_test_that_takes_longer_than_was_thought_is_finished_by_the_same_command(timed: Timed) -> None:
    stopped, _ = timed.play("random", Budget(minutes=5), slow="test")
    assert (stopped.status, stopped.gain) == ("suspended", None)
    done, _ = timed.play("random", Budget(minutes=5))
    assert done.status == "budget"
    assert done.verdict is not None
    # It searched no further: only what the test lacked was asked.
    assert done.spent.proposer_calls == stopped.spent.proposer_calls
    assert set(timed.asked.values()) == {1}


def test_what_was_done_in_time_is_as_without_a_clock(timed: Timed) -> None:
    result, _ = timed.play("random", Budget(minutes=60, evaluations=200))
    again, _ = timed.play("random", Budget(evaluations=200))
    assert (result.status, again.paid.calls) == ("finished", 0)
    assert (result.best, result.gain) == (again.best, again.gain)


def clock(seconds: float, calls: int, minutes: float | None = 10.0, earlier: TimeCut | None = None) -> SearchClock:
    arranged = allocate(Budget(), dev=100, test=600, calls_per_cell=1, tokens_per_cell=0.0, usd_per_cell=None)
    return SearchClock(minutes, lambda: seconds, lambda: calls, arranged, 1, earlier)


def test_a_search_is_due_when_choice_and_test_take_what_is_left() -> None:
    # A second a call: 600 cells in ten minutes, of which 60 are dev's and 2 * 105 the test's: 1.1 * 270 s.
    assert clock(302.0, 302).reason() is None
    due = clock(304.0, 304)
    assert due.reason() is not None
    assert due.end_search(str(due.reason()))
    assert due.cut == TimeCut(10.0, 2, 20, 105)
    # Before enough calls were made nobody knows how long one takes, and without minutes nothing is due.
    assert clock(590.0, 15).reason() is None
    assert clock(9_999.0, 9_999, None).reason() is None


def test_a_search_that_ended_otherwise_was_not_cut() -> None:
    due = clock(400.0, 400)
    assert due.reason() is not None
    assert not due.end_search("interrupted")
    assert (due.cut, due.reason()) == (None, None)


def test_an_earlier_cut_stands_for_as_many_minutes_and_fewer() -> None:
    cut = TimeCut(10.0, 2, 20, 105)
    stored = {"time_cut": cut.to_json()}
    assert TimeCut.of(stored, 10.0) == TimeCut.of(stored, 5.0) == cut
    for result, minutes in ((stored, 10.1), (stored, None), ({}, 10.0), (None, 10.0)):
        assert TimeCut.of(result, minutes) is None
    # At once: what the store holds is not asked for.
    assert clock(0.0, 0, 10.0, cut).reason() is not None


def test_a_search_by_the_clock_asks_for_little_at_once_where_that_moves_no_call() -> None:
    by_clock = clock(0.0, 0)
    assert (by_clock.at_once(several_calls=False), by_clock.at_once(several_calls=True)) == (AT_ONCE, SLICE)
    assert clock(0.0, 0, None).at_once(several_calls=False) == SLICE
    by_clock.end_search()
    assert by_clock.at_once(several_calls=False) == SLICE


def test_what_went_by_before_the_first_call_says_nothing_of_how_long_calls_take() -> None:
    arranged = allocate(Budget(), dev=100, test=600, calls_per_cell=1, tokens_per_cell=0.0, usd_per_cell=None)
    now = [0.0, 0]
    waited = SearchClock(10.0, lambda: float(now[0]), lambda: int(now[1]), arranged, 1)
    now[:] = [240.0, 0]
    assert waited.reason() is None
    # Of six minutes that are left a second a call: 360 cells, of which 36 are dev's and 2 * 63 the test's: 1.1 * 162 s.
    now[:] = [240.0 + 181, 181]
    assert waited.reason() is None
    now[:] = [240.0 + 183, 183]
    due = waited.reason()
    assert due is not None
    assert waited.end_search(due)
    assert waited.cut == TimeCut(10.0, 2, 12, 63)
