"""Judges in a run: the contract of evaluators, outages, and cells that a judge could not read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.equivalence import Equivalence
from promptopt.evaluators.rubric import Rubric
from promptopt.evaluators.versus import Versus
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator, Task
from promptopt.run import Run
from promptopt.run.scoreboard import Scoreboard
from promptopt.testing import EvaluatorContract, planted_task, uniform
from promptopt.types import Cell, Example, Prompt, Proposal, Request, Score

BETTER = "Answer the question kindly."


def text_of(request: Request) -> str:
    return request.content if isinstance(request.content, str) else request.content[-1].content


def said(request: Request) -> str:
    """As a judge by chance of what it is shown, in the form asked for; else a reply."""
    text = text_of(request)
    if not request.schema:
        return f"reply {int(1000 * uniform(text))}{' kindly' if 'kindly' in text else ''}"
    asked = json.loads(request.schema)["properties"]
    share = uniform(text)
    if share < 0.1:
        return "prose"
    if "score" in asked:
        return json.dumps({"score": int(6 * share) if "kindly" not in text else 5})
    if "better" in asked:
        return json.dumps({"better": "A" if share < 0.5 else "tie"})
    return json.dumps({"answers": dict.fromkeys(asked["answers"]["required"], "yes" if share < 0.6 else "no")})


class Contract(EvaluatorContract):
    def answer(self, request: Request) -> str:
        return said(request)


class TestRubric(Contract):
    def evaluator(self, task: Task) -> Evaluator:
        return Rubric.for_task(task)


class TestChecklist(Contract):
    def evaluator(self, task: Task) -> Evaluator:
        return replace(Checklist.for_task(task), items=("one?", "two?"))


class TestVersus(Contract):
    def evaluator(self, task: Task) -> Evaluator:
        return Versus.for_task(task)


class TestEquivalence(Contract):
    def evaluator(self, task: Task) -> Evaluator:
        return Equivalence.for_task(task)


@dataclass(frozen=True)
class Two:
    """Compares the start with one other."""

    def optimize(self, run: Run) -> None:
        """Search."""
        child = run.initial.replace("instruction", BETTER)
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


def searched(store: Path, judge: Scripted) -> Result:
    task = planted_task()
    models = Models(Scripted(said, name="answers"), proposer=Scripted("", name="writer"), judge=judge)
    return optimize(task, Two(), model=models, evaluator=Rubric.for_task(task), store=store)


def test_an_outage_of_the_judge_suspends_and_what_was_judged_is_not_paid_for_again(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole.db", Scripted(said, name="judge"))
    cut = searched(tmp_path / "cut.db", Scripted(said, name="judge", fail_at=40))
    assert (cut.status, whole.status) == ("suspended", "finished")
    after = Scripted(said, name="judge")
    again = searched(tmp_path / "cut.db", after)
    assert again.gain == whole.gain
    assert again.by_role["judge"] == whole.by_role["judge"]
    assert after.calls == whole.by_role["judge"].calls - 39
    assert whole.verdict == "undecided"


def test_calls_of_the_judge_stand_in_the_ledger_under_its_role(tmp_path: Path) -> None:
    judge = Scripted(said, name="judge")
    found = searched(tmp_path / "s.db", judge)
    assert found.by_role["judge"].calls == judge.calls > 0
    assert found.spent.calls == sum(ledger.calls for ledger in found.by_role.values())


def test_a_cell_that_was_not_judged_moves_no_comparison() -> None:
    first, second = Prompt.of("a"), Prompt.of("b")
    examples = [Example.of(text=f"{n}") for n in range(3)]
    board = Scoreboard(first, examples, ())
    failed = Score(0.0, parsed=False, judged=False)
    board.put(Cell(first, examples[0]), Score(0.8))
    board.put(Cell(second, examples[0]), failed)
    board.put(Cell(second, examples[1]), Score(0.4))
    board.put(Cell(second, examples[2]), failed)
    assert [score.value for score in board.row(second, examples, 0)] == [0.8, 0.4, 0.4]
    fresh = Scoreboard(first, examples, ())
    fresh.put(Cell(first, examples[0]), failed)
    assert fresh.row(first, examples[:1], 0)[0].value == 0.5


def test_a_result_by_a_judge_is_read_back_as_it_was(tmp_path: Path) -> None:
    def unsure(request: Request) -> str:
        reply = text_of(request).partition("<<<reply ")[2].partition("\n")[2].partition("\n")[0]
        return "prose" if uniform(reply) < 0.1 else said(request)

    found = searched(tmp_path / "s.db", Scripted(unsure, name="judge"))
    found.save(tmp_path / "r.json")
    read = Result.load(tmp_path / "r.json")
    assert (read.basis, read.verdict, read.pairs, read.gain) == (found.basis, found.verdict, found.pairs, found.gain)
    assert str(read) == str(found)
    unread = sum(not item.start.judged for item in found.items)
    assert unread > 0
    assert sum(not item.start.judged for item in read.items) == unread
