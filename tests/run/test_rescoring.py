"""Draws that are scored, of the task model or another, and who may be chosen where a method says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import BudgetSpent
from promptopt.evaluators.rubric import Rubric
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Role
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import planted_task, uniform
from promptopt.types import Proposal, Request


def sampled(request: Request) -> str:
    """Right half of the time at a temperature, by the draw; else never."""
    return "yes" if request.sampling.temperature and uniform(str(request.seed)) < 0.5 else "no"


def within(
    home: Path,
    body: Callable[[Run], None],
    *,
    budget: Budget | None = None,
    judge: Scripted | None = None,
) -> tuple[Result, Scripted, Scripted]:
    """`body` as a search, with the task model and the proposer that it had; by `judge`, where there is one."""

    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            body(run)

    model, proposer = Scripted(sampled, name="target"), Scripted(lambda _: "yes", name="teacher")
    result = optimize(
        planted_task(), Once(), model=Models(model, proposer=proposer, judge=judge), budget=budget,
        evaluator=None if judge is None else Rubric(planted_task()), store=home / "store.db",
    )  # fmt: skip
    return result, model, proposer


def test_further_draws_are_scored_at_their_temperature_each_once_and_change_no_score(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        run.evaluate([run.initial], run.train[:8])
        first = [score.value for score in run.rescore(run.initial, run.train[:8], 1.0, 0)]
        second = [score.value for score in run.rescore(run.initial, run.train[:8], 1.0, 1)]
        assert first != second
        assert 0 < sum(first + second) < 16
        assert run.spent.evaluations == run.spent.calls == 24
        assert [score.value for score in run.rescore(run.initial, run.train[:8], 1.0, 1)] == second
        assert run.spent.evaluations == 24, "a draw that was made is no second one"
        assert run.estimate(run.initial, run.train).mean == 0.0

    _, model, _ = within(tmp_path, body)
    heats = [request.sampling.temperature for request in model.log if isinstance(request, Request)]
    assert heats[:24].count(1.0) == 16


def test_another_model_may_be_asked_for_what_is_scored(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        assert [score.value for score in run.rescore(run.initial, run.train[:5], 0.0, 0, "proposer")] == [1.0] * 5
        assert (run.spent.evaluations, run.spent.proposer_calls) == (5, 5)

    _, _, proposer = within(tmp_path, body)
    assert proposer.calls == 5


def test_a_cap_cuts_further_draws(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        left = run.evaluations_left()
        assert left is not None
        assert len(run.rescore(run.initial, run.train[: left - 2], 1.0)) == left - 2
        assert len(run.rescore(run.initial, run.train[:8], 1.0, 1)) == 2
        with pytest.raises(BudgetSpent):
            run.rescore(run.initial, run.train[:8], 1.0, 2)

    within(tmp_path, body, budget=Budget(evaluations=60))


@pytest.mark.parametrize("others", [True, False])
def test_where_a_method_says_so_nobody_but_those_it_ranks_is_chosen(tmp_path: Path, others: bool) -> None:
    def body(run: Run) -> None:
        ranked, rest = run.admit(
            [Proposal(run.initial.replace("instruction", text), (run.initial,)) for text in ("One.", "Two.")]
        )
        run.evaluate([run.initial, ranked, rest], run.train)
        run.rank_by(run.train, [ranked], others=others)
        names = [each.prompt["instruction"] for each in run.ranked()]
        assert names == (["One.", "Answer the question.", "Two."] if others else ["One."])

    within(tmp_path, body)


@pytest.mark.parametrize("role", ["task", "proposer"])
def test_a_judge_is_asked_as_it_always_is_whatever_the_replies_are_drawn_at(tmp_path: Path, role: Role) -> None:
    judge = Scripted(lambda _: '{"reason": "fine", "score": 1}', name="judge")
    asked: list[tuple[int, int]] = []

    def body(run: Run) -> None:
        run.evaluate([run.initial], run.train[:4])
        before = judge.calls
        run.rescore(run.initial, run.train[4:8], 0.7, 1, role)
        asked.append((before, judge.calls))

    _, model, proposer = within(tmp_path, body, judge=judge)
    ((before, after),) = asked
    assert after > before, "the replies drawn were judged"
    usual, drawn = ([each.sampling for each in judge.log[span] if isinstance(each, Request)]
                    for span in (slice(0, before), slice(before, after)))  # fmt: skip
    assert set(drawn) == set(usual)
    heated = (model if role == "task" else proposer).log
    assert sum(isinstance(each, Request) and each.sampling.temperature == 0.7 for each in heated) == 4
