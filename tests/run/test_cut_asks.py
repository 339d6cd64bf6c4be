"""A cap that cuts an ask in the middle: what was paid for by then is seen, and may win."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.random_search import RandomSearch
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Message, Proposal, Reply, Request, Sampling, flat
from tests.run.planted_run import conduct

MODEL = planted_model(feature_accuracy(["carefully", "exactly"], base=0.1, each=0.4))
CAME = 2
"""Replies of a batch that a cap lets through."""


@dataclass(frozen=True)
class Batch:
    """Has prompts written at one go where the cap pays for the first few, and scores them."""

    asked: int = 12

    def optimize(self, run: Run) -> None:
        left = run.evaluations_left()
        assert left is not None
        run.evaluate([run.initial], run.train[: left - CAME])
        replies = run.generate([(Message("user", str(place)),) for place in range(self.asked)], Sampling(1.0))
        assert [reply.finish for reply in replies] == ["stop"] * CAME + ["unasked"] * (self.asked - CAME)
        texts = [reply.text for reply in replies if reply.finish == "stop"]
        editable = run.task.editable
        made = run.admit([Proposal(run.initial.replace(editable, text), (run.initial,)) for text in texts])
        run.evaluate(made, run.train)


def write(best: int, request: Request) -> Reply:
    last = flat(request.content).split()[-1]
    number = int(last) if last.isdigit() else request.seed or 0
    words = "carefully and exactly" if number == best else f"in way {number}"
    return Reply(f"Answer the question {words}.", "stop", 20, 200)


def searched(store: Path, best: int, method: object, budget: Budget) -> tuple[Result, Scripted]:
    proposer = Scripted(partial(write, best), name="proposer")
    result = conduct(store, optimizer=method, proposer=proposer, budget=budget, model=MODEL)
    assert isinstance(result, Result)
    return result, proposer


@pytest.mark.parametrize("best", [0, CAME - 1])
def test_what_was_written_before_the_cap_may_win(tmp_path: Path, best: int) -> None:
    result, proposer = searched(tmp_path / "s.db", best, Batch(), Budget(calls=60))
    assert proposer.calls == CAME
    assert result.status == "budget"
    assert result.spent.calls <= 60
    assert "exactly" in result.best.text
    # A replay stops at the same call, and pays nothing.
    again, silent = searched(tmp_path / "s.db", best, Batch(), Budget(calls=60))
    assert silent.calls == 0
    assert outcome(again) == outcome(result)


def test_what_the_cap_left_unscored_has_to_beat_the_start_on_dev(tmp_path: Path) -> None:
    proposer = Scripted(partial(write, 99), name="proposer")
    alike = Scripted(lambda request: Reply("yes", "stop", 20, 1), name="alike")
    result = conduct(tmp_path / "s.db", optimizer=Batch(), proposer=proposer, budget=Budget(calls=60), model=alike)
    assert isinstance(result, Result)
    # They answer alike: a tie on few examples says nothing for a prompt of which nothing else is known.
    assert result.best.prompt == result.start.prompt


def test_so_it_has_where_the_search_knows_nothing_good_of_the_start(tmp_path: Path) -> None:
    # Where conversations count once, what the search knows counts beside dev: the start is wrong on all of train.
    task = replace(planted_task(), weigh="conversation")
    known = {each["question"] for each in task.train}

    def answer(request: Request) -> Reply:
        (question,) = re.findall(r"question \d+ of \d+", flat(request.content))
        return Reply("hm" if question in known else "yes", "stop", 20, 1)

    models = Models(Scripted(answer, name="alike"), proposer=Scripted(partial(write, 99), name="proposer"))
    result = optimize(task, Batch(), model=models, budget=Budget(calls=60), store=tmp_path / "s.db")
    assert result.search.start == 0.0
    assert [each.dev.mean for each in result.candidates()] == [1.0] * 3
    assert result.best.prompt == result.start.prompt


@dataclass(frozen=True)
class AllAtFirst:
    """Has all prompts written, ten at a time, and then looks at each of them on a few examples."""

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[:16])
        texts: list[str] = []
        for begin in range(0, 200, 10):
            asked = [(Message("user", str(place)),) for place in range(begin, begin + 10)]
            texts += [reply.text for reply in run.generate(asked, Sampling(1.0)) if reply.finish == "stop"]
        editable = run.task.editable
        made = run.admit([Proposal(run.initial.replace(editable, text), (run.initial,)) for text in texts])
        run.evaluate(made, run.train[:3])


def test_what_is_written_is_left_enough_to_be_scored(tmp_path: Path) -> None:
    budget = Budget(tokens=6_000)
    result, proposer = searched(tmp_path / "s.db", 5, AllAtFirst(), budget)
    assert 5 < proposer.calls < 200
    assert result.status == "budget"
    assert [each.search.count for each in result.lineage[1:]] == [3] * proposer.calls
    assert "exactly" in result.best.text
    assert result.spent.tokens <= 6_000
    again, silent = searched(tmp_path / "s.db", 5, AllAtFirst(), budget)
    assert silent.calls == 0
    assert outcome(again) == outcome(result)
    # A larger cap goes on from what the smaller one has paid for.
    grown, more = searched(tmp_path / "s.db", 5, AllAtFirst(), Budget(tokens=9_000))
    assert more.calls == grown.spent.proposer_calls - proposer.calls


def test_what_was_never_asked_is_no_reply_that_could_not_be_used(tmp_path: Path) -> None:
    result, _ = searched(tmp_path / "s.db", 5, RandomSearch(candidates=150), Budget(tokens=6_000))
    assert result.status == "budget"
    assert "unasked" not in " ".join(reason for reason, count in result.rejected.items() if count)


@dataclass(frozen=True)
class InRounds:
    """Has one prompt written in each round, which is known, and records the round."""

    def optimize(self, run: Run) -> None:
        left = run.evaluations_left()
        assert left is not None
        run.evaluate([run.initial], run.train[: left - CAME])
        for number in range(30):
            run.generate([(Message("user", str(number)),)], Sampling(1.0))
            run.record([run.estimate(run.initial, run.train)], [run.initial])


def test_a_cap_that_lets_nothing_be_written_ends_the_rounds(tmp_path: Path) -> None:
    result, proposer = searched(tmp_path / "s.db", 5, InRounds(), Budget(calls=60))
    assert result.status == "budget"
    # Each that was written has its round; those behind it, in which nobody was asked, are none.
    assert len(result.steps) == proposer.calls == CAME
