"""What looking around finds, and that a run holds no test example, whatever it was bound from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.evaluators.generation import Generation
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.tapruning import TAPruning
from promptopt.protocols import Ask
from promptopt.run import Run
from promptopt.tasks.task import Task
from promptopt.testing import examples_within, planted_task
from promptopt.types import Cell, Content, Example, Score

FOUND = Example.of("yes", question="where?")


@dataclass(frozen=True, slots=True)
class Slotted:
    kept: object


class Private:
    __slots__ = ("__kept",)

    def __init__(self, kept: object) -> None:
        self.__kept = kept

    def method(self) -> None: ...


@pytest.mark.parametrize(
    "holder",
    [
        Slotted([{"a": (FOUND,)}]),
        Private(FOUND),
        Private(FOUND).method,
        {FOUND: 0},
        lambda example=FOUND: example,
        (lambda kept: lambda: kept)({1: FOUND}),
        partial(print, FOUND),
        deque([FOUND]),
        {1: FOUND}.get,
        [FOUND].__getitem__,
    ],
    ids=[
        "containers",
        "a private slot",
        "a bound method",
        "a key",
        "a default",
        "a closure",
        "a partial",
        "a queue",
        "a method of a table",
        "an operator of a list",
    ],
)
def test_an_example_is_found_wherever_it_is_held(holder: object) -> None:
    assert examples_within(holder) == [FOUND]


def test_what_is_further_than_the_levels_is_not_found() -> None:
    assert examples_within([[[FOUND]]], levels=2) == []
    assert examples_within([[[FOUND]]], levels=3) == [FOUND]


@dataclass(frozen=True)
class Looks:
    """A plug-in that wants to know what it is tested on."""

    found: list[Example]

    def optimize(self, run: Run) -> None:
        assert run.task.test == ()
        self.found.extend(examples_within(run))


class Foreign:
    """A task of somebody else's making, whose metric is its own."""

    def __init__(self) -> None:
        self.inner = planted_task()

    def metric(self, answer: str, example: Example) -> float:
        return float(answer == example.target)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


class Own:
    """An evaluator of the kind that is no dataclass, and holds its task."""

    calls_per_cell = 1

    def __init__(self, task: Any) -> None:
        self.task = task

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "own"}

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        return Generation.for_task(self.task).score(cells, ask)


@dataclass(frozen=True)
class LooksPruned(Looks):
    """One that has its task recast first."""

    def recast(self, task: Task) -> Task:
        return TAPruning().recast(task)


class Small(Scripted):
    """A model whose context some examples do not fit."""

    context = 200


def flat(_: Content, text: str) -> list[float]:
    return [-1.0] * len(text.split())


@pytest.mark.parametrize("kind", [Looks, LooksPruned])
def test_a_plug_in_finds_what_it_may_search_on_and_nothing_else(tmp_path: Path, kind: type[Looks]) -> None:
    looks, task = kind([]), planted_task()
    optimize(task, looks, model=Scripted(lambda _: "yes", name="model"), store=tmp_path / "store.db")
    assert {example.id for example in looks.found} == {example.id for example in (*task.train, *task.dev)}


def test_the_evaluator_of_a_task_with_misfits_holds_no_test_example(tmp_path: Path) -> None:
    task = planted_task()
    long = Example.of("yes " * 400, question="a long one")
    looks, model = Looks([]), Small(lambda _: "yes", name="model", scores=flat)
    optimize(replace(task, train=(long, *task.train)), looks, model=model, evaluator="loss", store=tmp_path / "s.db")
    assert {example.id for example in looks.found}.isdisjoint(example.id for example in task.test)


@pytest.mark.parametrize("own", [None, Own, Generation.for_task], ids=["its metric", "a plain evaluator", "given"])
def test_a_run_on_a_task_of_another_make_holds_no_test_example(
    tmp_path: Path, own: Callable[[Any], Any] | None
) -> None:
    task: Any = Foreign()
    looks = Looks([])
    evaluator = None if own is None else own(task)
    optimize(task, looks, model=Scripted(lambda _: "yes", name="m"), evaluator=evaluator, store=tmp_path / "s.db")
    assert {example.id for example in looks.found} == {example.id for example in (*task.train, *task.dev)}
