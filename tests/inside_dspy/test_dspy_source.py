"""The source of a DSPy program: what a proposer is shown of it, and what tells one program from another."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.dspy.task import Data, bind  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from tests.inside_dspy.scripted import Engine, Two, examples, lm, right, text_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")

NESTED = '''
import dspy

class Inner(dspy.Module):
    def __init__(self):
        super().__init__()
        self.plan = dspy.Predict("question -> plan")

    def forward(self, question):
        return self.plan(question=question)  # MARK

class Outer(dspy.Module):
    """Plans, then answers."""

    def __init__(self):
        super().__init__()
        self.steps = [Inner()]
        self.answer = dspy.ChainOfThought("question, plan -> answer")

    def forward(self, question):
        return self.answer(question=question, plan=self.steps[0](question=question).plan)
'''


def made_of(folder: Path, source: str, name: str, patched: pytest.MonkeyPatch) -> Any:
    """The program that a module with this source holds."""
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Found again by its name, as an imported one is.
    patched.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module.Outer()


def bound(student: Any) -> Any:
    return bind(student, Data(examples(40)), right, lm=lm(Engine()))


def test_the_users_own_classes_are_shown_what_is_used_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = bound(made_of(tmp_path, NESTED, "nested_shown", monkeypatch)).program.program_text()
    assert text.source.index("class Inner") < text.source.index("class Outer")
    # What DSPy brings is named and not written out.
    assert "class ChainOfThought" not in text.source
    assert text.modules == {
        "steps[0].plan": "Predict(question) -> plan",
        "answer.predict": "Predict(question, plan) -> reasoning, answer",
    }
    assert "answer.predict: Predict(question, plan) -> reasoning, answer" in text.source


class Asks(dspy.Module):
    def forward(self, question: str):
        return self.answer(question=question)


class Derived(Asks):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")
        self.again = dspy.Predict("question -> answer")


def test_a_class_of_the_users_that_another_one_builds_on_is_shown_before_it() -> None:
    source = bound(Derived()).program.program_text().source
    assert source.index("class Asks(dspy.Module)") < source.index("class Derived(Asks)")
    assert "class Module" not in source


@pytest.mark.parametrize("student", [dspy.Predict("question -> answer"), dspy.ChainOfThought("question -> answer")])
def test_of_one_predictor_of_dspys_own_there_is_nothing_to_show(student: Any) -> None:
    text = bound(student).program.program_text()
    assert (text.source, text.modules) == ("", {})


def test_a_module_of_dspys_own_with_several_predictors_is_told_of_by_them() -> None:
    text = bound(dspy.ReAct("question -> answer", tools=[])).program.program_text()
    assert text.source.startswith("Its predictors:\nreact: Predict(question, trajectory) -> ")


def test_another_source_of_a_module_within_is_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = (
        made_of(tmp_path, NESTED.replace("MARK", mark), f"nested_{mark}", monkeypatch) for mark in ("one", "two")
    )
    for student in (first, other):
        # By their source alone: names of modules tell them apart too.
        for kind in (type(student), type(student.steps[0])):
            kind.__module__ = "nested"
    assert bound(first).program.fingerprint() != bound(other).program.fingerprint()


class Tries(dspy.Module):
    def __init__(self, times: int = 1, tags: tuple[str, ...] = (), **settings: object) -> None:
        super().__init__()
        self.times, self.tags, self.kept = times, {"tags": list(tags)}, object()
        self.answer = dspy.Predict("question -> answer", **settings)


def looks(query: str) -> str:
    return query


def finds(query: str) -> str:
    return query.upper()


def acts(tool: Any, most: int = 5) -> Any:
    return dspy.ReAct("question -> answer", tools=[dspy.Tool(tool, name="find")], max_iters=most)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (Tries(), Tries(2)),
        (Tries(tags=("a",)), Tries(tags=("b",))),
        (Tries(), Tries(temperature=0.7)),
        (acts(looks), acts(looks, 6)),
        (acts(looks), acts(finds)),
    ],
)
def test_what_a_module_holds_tells_one_program_from_another(first: Any, other: Any) -> None:
    assert bound(first).program.fingerprint() == bound(first.deepcopy()).program.fingerprint()
    assert bound(first).program.fingerprint() != bound(other).program.fingerprint()


def test_the_same_module_is_the_same_program_however_often_it_is_made() -> None:
    assert bound(Tries()).program.fingerprint() == bound(Tries()).program.fingerprint()


@pytest.mark.parametrize("name", ["__main__", "nowhere"])
def test_a_class_that_was_typed_in_is_told_by_its_code(name: str) -> None:
    def typed(text: str) -> Any:
        made: dict[str, Any] = {"dspy": dspy, "__name__": name}
        lines = ["class Typed(dspy.Module):", "  def __init__(self):", "    super().__init__()"]
        lines += ["    self.answer = dspy.Predict('question -> answer')", "  def forward(self, question):"]
        exec("\n".join([*lines, f"    return self.answer(question={text})"]), made)
        return bound(made["Typed"]()).program.fingerprint()

    assert typed("question") == typed("question")
    assert typed("question") != typed("question.upper()")


@pytest.mark.slow
def test_a_proposer_is_shown_the_source_and_what_the_predictor_is_given(tmp_path: Path) -> None:
    class Writes(Engine):
        def write(self, system, user, request):
            return f"<summary>Sums.</summary><prompt>Do it {self.calls} times.</prompt>"

    writer = Writes()
    with dspy.context(lm=lm(Engine())):
        PromptOpt(
            "mipro", metric=right, proposer=lm(writer), budget=Budget(evaluations=60), store=tmp_path / "store.db"
        ).compile(Two(), trainset=examples(60))
    told = [text_of(request)[1] for request in writer.requests]
    wanted = [text for text in told if "Write a better instruction" in text]
    assert wanted
    assert all("class Two(dspy.Module):" in text for text in wanted)
    forms = {"Predict(question) -> plan", "Predict(question, plan) -> reasoning, answer"}
    assert {text.split("The model is asked by it as ")[1].split(".\n")[0] for text in wanted} == forms
