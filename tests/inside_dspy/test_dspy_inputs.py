"""Examples whose fields are not those that a program takes: refused or told before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import DataError
from promptopt.run.budget import Budget

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy.task import Data, bind  # noqa: E402
from tests.inside_dspy.scripted import Engine, lm, right  # noqa: E402
from tests.inside_dspy.test_teleprompter import compiled  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")


class Own(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question, context -> answer")

    def forward(self, question: str):
        return self.answer(question=question)


class Renames(Own):
    def forward(self, **given: str):
        return self.answer(question=given["query"], context="")


class CalledOtherwise(Own):
    def __call__(self, query: str):
        return self.answer(question=query, context="")


class Optional(dspy.Signature):
    """Answer it."""

    question: str = dspy.InputField()
    context: str | None = dspy.InputField()
    language: str = dspy.InputField(default="en")
    answer: str = dspy.OutputField()


def rows(**inputs: Any) -> list:
    """Sixty examples; every `{}` in an input is a number."""
    return [
        dspy.Example(**{name: text.format(number) for name, text in inputs.items()}, answer="yes").with_inputs(*inputs)
        for number in range(60)
    ]


def remarks(student: dspy.Module, data: list) -> list[str]:
    return [each for each in bind(student, Data(data), right, lm=lm(Engine())).said if "was given" not in each]


def best_of(module: dspy.Module) -> dspy.Module:
    return dspy.BestOfN(module=module, N=2, reward_fn=lambda given, found: 1.0, threshold=1.0)


@pytest.mark.parametrize(
    ("student", "why"),
    [
        (dspy.Predict("question -> answer"), "inputs query, and Predict takes question: all its requests would be the"),
        (dspy.ChainOfThought("question -> answer"), "and ChainOfThought takes question"),
        (dspy.ReAct("question -> answer", tools=[]), "and ReAct takes question"),
        (dspy.RLM("question -> answer"), "and RLM takes question"),
        (best_of(dspy.Predict("question -> answer")), "and BestOfN takes question"),
        (Own(), r"Own.forward takes question \(missing a required argument: 'question'\); name the fields alike"),
    ],
)
def test_inputs_that_no_run_of_a_program_could_use_are_refused(student: dspy.Module, why: str) -> None:
    with pytest.raises(DataError, match=why):
        remarks(student, rows(query="q{}"))


def test_an_input_that_a_program_does_not_take_is_refused() -> None:
    with pytest.raises(DataError, match=r"inputs question, topic, and Own.forward takes question .*'topic'"):
        remarks(Own(), rows(question="q{}", topic="a"))


@pytest.mark.parametrize(
    ("student", "inputs"),
    [
        (Renames(), {"query": "q{}"}),
        (CalledOtherwise(), {"query": "q{}"}),
        (best_of(Renames()), {"query": "q{}"}),
        (dspy.Predict(Optional), {"question": "q{}"}),
        (dspy.Predict("question, context -> answer"), {"question": "q{}", "context": "c"}),
        (dspy.Predict("question -> answer"), {"question": "q{}", "config": "c"}),
    ],
)
def test_of_what_a_program_may_do_with_its_inputs_nothing_is_said(student: dspy.Module, inputs: dict) -> None:
    assert remarks(student, rows(**inputs)) == []


def test_an_input_more_or_less_is_told() -> None:
    said = remarks(dspy.ChainOfThought("question, context -> answer"), rows(question="q{}", topic="a"))
    assert len(said) == 2
    assert "is called without 'context': the model is asked without it; give it, or a default" in said[0]
    assert said[1] == "trainset has the input 'topic', which ChainOfThought does not take: no model is shown it"


@pytest.mark.parametrize("label", [None, "", " ", float("nan")])
def test_labels_that_are_all_empty_are_told(label: object) -> None:
    data = [dspy.Example(question=f"q{number}", answer=label).with_inputs("question") for number in range(60)]
    assert remarks(dspy.Predict("question -> answer"), data) == [
        "60 examples of trainset have no value in 'answer'; such a row is used as it is"
    ]


def test_examples_that_are_all_alike_are_refused_as_such() -> None:
    with pytest.raises(DataError, match=r"trainset has 1 example \(59 more are equal to one of these\), too few"):
        remarks(dspy.Predict("question -> answer"), rows(question="q"))


@pytest.mark.slow
def test_a_predictor_that_is_called_without_an_input_is_told_of_once(tmp_path: Path) -> None:
    best = compiled(tmp_path, Own(), Engine(), method="random", budget=Budget(evaluations=40))
    said = [each for each in best.promptopt.result.warnings if "is called without 'context'" in each]
    assert said == [
        "the predictor `question, context -> answer` is called without 'context': the model is asked without it; give "
        "it, or a default"
    ]
