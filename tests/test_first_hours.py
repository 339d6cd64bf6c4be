"""What a newcomer gives that does not fit is told in one sentence, which says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import promptopt
from promptopt import Budget, Example, Models, Prompt, Result, Task
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluation import compare
from promptopt.models.scripted import Scripted
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

PROMPT = "Which?\n\n{text}"


def examples(count: int = 40) -> list[Example]:
    return [Example.of(("no", "yes")[number % 2], text=f"item {number}") for number in range(count)]


def task(**more: Any) -> Task:
    return Task.from_examples(examples(), prompt=PROMPT, labels=["no", "yes"], **more)


def yes(_: Request) -> str:
    return "yes"


def test_rows_in_tables_are_told_how_they_become_examples() -> None:
    rows: Any = [{"text": f"item {number}", "mood": "yes"} for number in range(40)]
    for given in (rows, tuple(rows)):
        with pytest.raises(ConfigError, match=r"of 'text', 'mood'; make examples of them, as \[Example\.of\(row\["):
            Task.from_examples(given, prompt=PROMPT)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Task.from_examples(examples()), r"^Task.from_examples needs prompt; give a text or Prompt"),  # type: ignore[call-arg]
        (lambda: Task.from_examples(prompt=PROMPT), r"^Task.from_examples needs examples; give a list"),  # type: ignore[call-arg]
        (lambda: promptopt.optimize(), r"^optimize needs task; "),  # type: ignore[call-arg]
        (lambda: promptopt.optimize(task(), "random", "embedded"), r"^optimize: 'embedded' has no name; .*model=…"),  # type: ignore[misc]
        (lambda: promptopt.optimize(task(), task=task()), r"^optimize: task is given twice"),  # type: ignore[misc]
    ],
)
def test_a_call_that_lacks_something_says_what(call: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        call()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Prompt("Which?"), "make a prompt as Prompt.of"),  # type: ignore[arg-type]
        (lambda: Prompt({"instruction": "Which?"}), "make a prompt as Prompt.of"),  # type: ignore[arg-type]
        (lambda: Example("yes", "a text"), "make an example as Example.of"),  # type: ignore[arg-type]
        (lambda: Example({"text": "a"}, "yes"), "make an example as Example.of"),  # type: ignore[arg-type]
        (lambda: Example.of(None, text="a"), "the target is None; leave it out"),  # type: ignore[arg-type]
        (lambda: Example.of(float("nan"), text="a"), "the target is nan; leave it out"),  # type: ignore[arg-type]
        (lambda: Example.of(4, text="a"), r"the target is 4; give a text, as str\(4\)"),  # type: ignore[arg-type]
        (lambda: Result.load(None), "Result.load: path is None; give a text or a path"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_prompt_no_example_and_no_path_is_told(call: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        call()


class Nameless:
    def generate(self, requests: Sequence[Request], stopping: Any) -> Iterator[Any]:
        yield from ()


class Narrow:
    name = "narrow"

    def generate(self, requests: Sequence[Request]) -> Iterator[Any]:
        yield from ()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            yes,
            r"^yes is a function, and no model; make one of it, as promptopt.models.scripted.Scripted\(yes, name='…'\)",
        ),
        (Scripted, r"^Scripted is a class, and no model; make one of it, as Scripted\(…\)"),
        (Nameless(), r"^the model Nameless has no name"),
        (Narrow(), r"^generate of the model Narrow takes other arguments than \(requests, stopping\)"),
        (3, r"^3 is not a model: pass a name"),
    ],
)
def test_what_is_no_model_is_told_how_to_become_one(model: Any, said: str) -> None:
    for given in (model, Models(Scripted(yes), proposer=model)):
        with pytest.raises(ConfigError, match=said):
            promptopt.evaluate(task(), model=given)


def test_a_model_that_answers_every_attribute_itself_may_have_no_name_in_its_class(tmp_path: Path) -> None:
    class Proxy:
        def __init__(self, behind: Any) -> None:
            self._behind = behind

        def __getattr__(self, name: str) -> Any:
            return getattr(self._behind, name)

    found = promptopt.evaluate(task(), model=Proxy(Scripted(yes)), store=tmp_path / "s.db")
    assert found.measured.n > 0


def test_a_list_of_replies_that_is_too_short_says_so(tmp_path: Path) -> None:
    for replies in (["yes"], "yes"):
        with pytest.raises(ConfigError, match=r"has \d repl(y|ies), and was asked for another"):
            promptopt.evaluate(task(), model=Scripted(replies), store=tmp_path / "s.db")


@pytest.mark.parametrize(
    "given", [{"metric": lambda answer: 1.0}, {"answer": lambda: "yes"}, {"metric": lambda a, e, f: 1.0}]
)
def test_a_function_of_other_arguments_is_found_before_a_model_is_asked(given: dict[str, Any], tmp_path: Path) -> None:
    model = Scripted(yes)
    with pytest.raises(ConfigError, match="takes other arguments than"):
        promptopt.evaluate(task(**given), model=model, store=tmp_path / "s.db")
    assert model.calls == 0


def test_a_metric_that_raises_is_told_with_the_input(tmp_path: Path) -> None:
    def broken(answer: str, example: Example) -> float:
        raise ValueError("boom")

    with pytest.raises(EvaluatorError, match=r"broken' failed: ValueError: boom, on 'item \d+' \("):
        promptopt.evaluate(task(metric=broken), model=Scripted(yes), store=tmp_path / "s.db")


def test_the_same_example_again_is_told_as_a_repeat() -> None:
    again = Task.from_examples(examples(20) * 3, prompt=PROMPT, labels=["no", "yes"])
    assert "40 examples left out: same input as an earlier one" in again.warnings


def test_a_report_holds_what_three_lines_leave_out(tmp_path: Path) -> None:
    models = Models(
        planted_model(feature_accuracy(["carefully"])),
        Scripted(lambda _: "<prompt>Answer carefully.</prompt>", name="proposer"),
    )
    result = promptopt.optimize(planted_task(), "random", model=models, budget=Budget(300), store=tmp_path / "s.db")
    assert str(result).splitlines()[2].endswith("its report() says more")
    for section in ("Best prompt (", "seen by nobody before the end", "whole run", "Considered "):
        assert section in result.report()


def test_evaluations_and_their_comparison_print_as_sentences(tmp_path: Path) -> None:
    first, second = (
        promptopt.evaluate(task(), model=Scripted(answer, name=name), store=tmp_path / "s.db")
        for name, answer in (("a", yes), ("b", lambda request: ("no", "yes")[int(request.content[-1].content[-1]) % 2]))
    )
    assert str(first).startswith("0.500 on 8 dev examples of task (95 % interval 0.")
    assert str(first).endswith("by exact on a")
    assert str(compare(first, second)).startswith("no evidence: +0.500 on 8 examples (95 % interval ")
