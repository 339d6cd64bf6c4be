"""A proposer that refuses: told once, and not asked for ever, whatever the method draws again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.proposing import LEFT_UNASKED, MOST_REFUSALS
from promptopt.types import Message, Reply, Request, Sampling
from tests.run.planted_run import conduct


@dataclass(frozen=True)
class Asks:
    """Asks the proposer `times` times for `each` texts, and scores the start between."""

    times: int
    each: int
    scores: bool = False

    def optimize(self, run: Run) -> None:
        for number in range(self.times):
            run.generate([(Message("user", f"{number} {place}"),) for place in range(self.each)], Sampling(1.0))
            if self.scores:
                run.evaluate([run.initial.replace("instruction", f"Answer the question. {number}")], run.train[:1])


def asked(store: Path, method: Asks, answer: Callable[[Request], str | Reply]) -> tuple[Result, Scripted]:
    proposer = Scripted(answer, name="proposer")
    result = conduct(store, optimizer=method, proposer=proposer)
    assert isinstance(result, Result)
    return result, proposer


def told(result: Result) -> list[str]:
    return [each for each in result.warnings if "proposer" in each and "refused" in each]


@pytest.mark.slow
@pytest.mark.parametrize("finish", ["filter", "refusal", "rejected"])
@pytest.mark.parametrize(("times", "each"), [(40, 1), (1, 40), (7, 6), (2, 90)])
def test_what_is_refused_again_and_again_is_not_drawn_for_ever(
    tmp_path: Path, finish: str, times: int, each: int
) -> None:
    result, proposer = asked(tmp_path / "s.db", Asks(times, each), lambda _: Reply("", finish))  # type: ignore[arg-type]
    assert proposer.calls == MOST_REFUSALS
    assert len(told(result)) == 2
    again, silent = asked(tmp_path / "s.db", Asks(times, each), lambda _: "never asked")
    assert (silent.calls, again.spent) == (0, result.spent)


def test_refusals_with_answers_between_go_on(tmp_path: Path) -> None:
    calls = 0

    def mostly_refused(_: Request) -> str | Reply:
        nonlocal calls
        calls += 1
        return "yes" if calls % (MOST_REFUSALS - 1) == 0 else Reply("", "filter")

    result, proposer = asked(tmp_path / "s.db", Asks(60, 1), mostly_refused)
    assert proposer.calls == 60
    assert len(told(result)) == 1


@pytest.mark.slow
def test_a_search_that_has_nothing_else_ends_and_one_that_scores_on_does_not(tmp_path: Path) -> None:
    ended, _ = asked(tmp_path / "s.db", Asks(LEFT_UNASKED + 2 * MOST_REFUSALS, 1), lambda _: Reply("", "filter"))
    assert (ended.status, "refuses every request" in ended.reason) == ("budget", True)
    assert ended.verdict is not None
    going, _ = asked(
        tmp_path / "t.db", Asks(LEFT_UNASKED + 2 * MOST_REFUSALS, 1, scores=True), lambda _: Reply("", "filter")
    )
    assert going.status == "finished"


def test_a_proposer_that_answers_is_asked_for_a_whole_batch_at_once(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Counting(Scripted):
        def generate(self, requests, stopping=lambda: False):  # type: ignore[no-untyped-def, override]
            sizes.append(len(requests))
            return super().generate(requests, stopping)

    proposer = Counting(lambda request: str(request.content), name="proposer")
    conduct(tmp_path / "s.db", optimizer=Asks(2, 40), proposer=proposer)
    assert sizes == [MOST_REFUSALS, 40 - MOST_REFUSALS, 40]


@pytest.mark.slow
def test_it_is_not_said_that_nobody_is_asked_where_an_answer_follows_in_the_same_batch(tmp_path: Path) -> None:
    calls = 0

    def refused_in_the_middle(_: Request) -> str | Reply:
        nonlocal calls
        calls += 1
        return Reply("", "filter") if MOST_REFUSALS + 2 < calls <= 3 * MOST_REFUSALS else f"text {calls}"

    result, proposer = asked(tmp_path / "s.db", Asks(3, 4 * MOST_REFUSALS), refused_in_the_middle)
    assert proposer.calls == 3 * 4 * MOST_REFUSALS
    assert not any("asked no more" in each for each in told(result))
