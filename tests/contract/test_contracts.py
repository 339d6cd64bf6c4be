"""The contract suites over everything we register; backends and optimizers run theirs in their own test files."""

from __future__ import annotations

import pytest

from promptopt.evaluators.generation import Generation
from promptopt.evaluators.labels import Labels
from promptopt.protocols import Evaluator, Selector
from promptopt.registry import load, names
from promptopt.tasks.task import Task
from promptopt.testing import EvaluatorContract, SelectorContract, uniform
from promptopt.types import Reply, Request, Token


class TestGeneration(EvaluatorContract):
    def evaluator(self, task: Task) -> Evaluator:
        return Generation.for_task(task)

    def answer(self, request: Request) -> str:
        return "yes" if uniform(str(request.content)) < 0.5 else "no"


class TestLabels(EvaluatorContract):
    def evaluator(self, task: Task) -> Evaluator:
        from dataclasses import replace

        return Labels.for_task(replace(task, labels=("yes", "no")))

    def answer(self, request: Request) -> Reply:
        share = uniform(str(request.content))
        top = (("yes", -share), ("no", -1 + share), ("maybe", -3.0))
        return Reply("yes", "length", 5, 1, (Token("yes", -share, top),), "answers")


# `lineage` is slow: tests of its own hold its budget and its order in a bare `pytest`.
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow if each == "lineage" else ()) for each in names("selection")]
)
class TestSelectors(SelectorContract):
    @pytest.fixture(autouse=True)
    def _chosen(self, name: str) -> None:
        self.selector: Selector = load("selection", name)(budget=600)
