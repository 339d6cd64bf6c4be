"""A check judge: the search goes by one judge, and what comes of it is said by another."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.evaluators.panel import Panel
from promptopt.evaluators.rubric import Rubric
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.run import Run
from promptopt.testing import planted_task
from promptopt.types import Cell, Proposal, Request, Score

FLATTERY = "Answer, and flatter."


@dataclass(frozen=True)
class Two:
    """Compares the start with one other."""

    def optimize(self, run: Run) -> None:
        """Search."""
        child = run.initial.replace("instruction", FLATTERY)
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


def text_of(request: Request) -> str:
    return request.content if isinstance(request.content, str) else request.content[-1].content


def answers(request: Request) -> str:
    return "You are great." if "flatter" in text_of(request) else "Plainly."


def likes(word: str) -> Callable[[Request], str]:
    def said(request: Request) -> str:
        return json.dumps({"score": 5 if word in text_of(request).rpartition("<<<reply ")[2] else 2})

    return said


def vain(**changes: object) -> Scripted:
    return Scripted(likes("great"), name="vain", **changes)  # type: ignore[arg-type]


def stern(**changes: object) -> Scripted:
    return Scripted(likes("Plainly"), name="stern", **changes)  # type: ignore[arg-type]


def searched(
    store: Path, judge: Scripted, check: Scripted | None, made: Callable[[Task], Evaluator] = Rubric.for_task
) -> Result:
    task = planted_task()
    models = Models(Scripted(answers, name="answers"), Scripted("", name="writer"), judge, check_judge=check)
    return optimize(task, Two(), model=models, evaluator=made(task), store=store)


@pytest.mark.slow
def test_a_prompt_that_pleases_one_judge_alone_is_not_chosen(tmp_path: Path) -> None:
    alone = searched(tmp_path / "s.db", vain(), None)
    assert alone.best.prompt["instruction"] == FLATTERY
    checked = searched(tmp_path / "s.db", vain(), stern())
    assert checked.best.prompt == checked.start.prompt
    assert any("no finalist beats the start in what decides the verdict" in said for said in checked.warnings)


def test_where_the_check_judge_cannot_be_read_no_word_of_the_other_stands_in_for_it(tmp_path: Path) -> None:
    mute = Scripted(lambda _: "I would rather not say.", name="mute")
    found = searched(tmp_path / "s.db", vain(), mute)
    assert found.best.prompt == found.start.prompt
    assert found.verdict != "better"


def test_the_search_asks_the_judge_alone_and_the_end_the_check_judge_alone(tmp_path: Path) -> None:
    judge, check = vain(), Scripted(likes("great"), name="other")
    found = searched(tmp_path / "s.db", judge, check)
    assert found.best.prompt["instruction"] == FLATTERY
    test, dev = (each.n for each in (found.best.test, found.best.dev) if each is not None)
    # Equal replies of one prompt to one input are one call; both are scored on the same items. Then four kinds of
    # probes are made of each one's replies to twenty items.
    assert found.by_role["check_judge"].calls == check.calls
    assert 2 * (test + dev) < check.calls <= 2 * (test + dev) + 2 * 4 * 20
    train = {text_of(request) for request in judge.log if isinstance(request, Request)}
    assert found.by_role["judge"].calls == judge.calls == len(train)
    assert found.search is not None
    assert sum(each.calls for each in found.by_role.values()) == found.spent.calls


@pytest.mark.slow
def test_another_check_judge_is_another_run_and_none_is_the_run_it_always_was(tmp_path: Path) -> None:
    runs = [searched(tmp_path / "s.db", vain(), check).run_id for check in (None, stern(), None)]
    assert runs[0] == runs[2] != runs[1]


@pytest.mark.slow
def test_an_outage_of_the_check_judge_suspends_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole.db", vain(), stern())
    cut = searched(tmp_path / "cut.db", vain(), stern(fail_at=30))
    assert (cut.status, whole.status) == ("suspended", "finished")
    after = stern()
    again = searched(tmp_path / "cut.db", vain(), after)
    assert (again.by_role, again.best) == (whole.by_role, whole.best)
    assert after.calls == whole.by_role["check_judge"].calls - 29


@pytest.mark.slow
def test_one_judge_for_both_is_told_of_and_two_are_not(tmp_path: Path) -> None:
    alone = searched(tmp_path / "s.db", vain(), None)
    assert any("--check-judge" in said for said in alone.warnings)
    assert not any("--check-judge" in said for said in searched(tmp_path / "s.db", vain(), stern()).warnings)


def test_a_check_judge_that_answers_the_task_is_told_of(tmp_path: Path) -> None:
    check = Scripted(lambda request: likes("x")(request) if request.schema else answers(request), name="answers")
    found = searched(tmp_path / "s.db", vain(), check)
    assert any("the judge is the task model, 'answers'" in said for said in found.warnings)


def panel(task: Task) -> Evaluator:
    return Panel.for_task(task)


@pytest.mark.parametrize(
    ("judge", "made", "said"),
    [
        (vain(), Rubric.for_task, "so it checks nothing"),
        (stern(), panel, "asks several judges already"),
    ],
)
def test_a_check_judge_that_would_check_nothing_is_refused_before_a_call(
    tmp_path: Path, judge: Scripted, made: Callable[[Task], Evaluator], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        searched(tmp_path / "s.db", vain(), judge, made)
    assert judge.calls == 0


def test_a_check_judge_where_a_metric_decides_is_refused(tmp_path: Path) -> None:
    task = planted_task()
    models = Models(Scripted(answers, name="answers"), check_judge=stern())
    with pytest.raises(ConfigError, match="asks no judge"):
        optimize(task, Two(), model=models, store=tmp_path / "s.db")


@pytest.mark.parametrize("named", [True, False])
def test_a_judge_that_nobody_asks_is_told_of(tmp_path: Path, named: bool) -> None:
    models = Models(Scripted(answers, name="answering"), judge=vain() if named else None)
    result = optimize(planted_task(), Two(), model=models, store=tmp_path / "store.db")
    told = [warning for warning in result.warnings if "is named as the judge, and nothing here asks one" in warning]
    assert len(told) == int(named)


@dataclass(frozen=True)
class OwnGrades:
    """Somebody's own evaluator, which asks a judge and does not say that it does."""

    task: Task
    calls_per_cell: int = 2

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """Score."""
        replies = ask([Request(*self.task.render(cell.prompt, cell.example)[:1]) for cell in cells])
        grades = ask([Request(reply.text) for reply in replies], role="judge")
        return [Score(0.5, reply.text, grade.text) for reply, grade in zip(replies, grades, strict=True)]

    def fingerprint(self) -> dict[str, str]:
        """Identity."""
        return {"evaluator": "own"}


def test_a_judge_that_an_own_evaluator_asks_is_not_said_to_be_unasked(tmp_path: Path) -> None:
    task = planted_task()
    models = Models(Scripted(answers, name="answering"), judge=stern())
    result = optimize(task, Two(), model=models, evaluator=OwnGrades(task), store=tmp_path / "store.db")
    assert not [warning for warning in result.warnings if "nothing here asks one" in warning]
