"""MIPRO on a program: its proposer is shown the program's source, as people read it, and hands none of it back."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.mipro.method import MIPRO, Proposing
from promptopt.outcome.result import Result
from promptopt.programs import program_task
from promptopt.programs.source import source_of
from promptopt.run.budget import Budget
from promptopt.types import Example, Request
from tests.optimizers.mipro.test_mipro import author, text_of, who

EXAMPLES = [Example.of("yes", question=f"Is {number} a number?") for number in range(60)]


def two_calls(prompt: Any, example: Any, ask: Any) -> str:
    """Plan, then solve."""
    plan = ask(f"{prompt['plan']}\n{example['question']}", part="plan").text
    return ask(f"{prompt['solve']}\n{plan}\n{example['question']}", part="solve").text


def one_call(prompt: Any, example: Any, ask: Any) -> str:
    return ask(f"{prompt['solve']}\n{example['question']}", part="solve").text


class Called:
    """An object that can be called."""

    def __call__(self, prompt: Any, example: Any, ask: Any) -> str:
        return one_call(prompt, example, ask)


def asked_of_proposer(
    home: Path, program: Any, parts: dict[str, str], method: MIPRO, write: Any = author
) -> tuple[list[str], Result]:
    proposer = Scripted(write, name="proposer")
    result = optimize(
        program_task(EXAMPLES, prompt=parts, program=program),
        method,
        model=Models(Scripted(lambda _: "yes", name="agrees"), proposer=proposer),
        budget=Budget(evaluations=80),
        store=home / "store.db",
    )
    return [text_of(request) for request in proposer.log if isinstance(request, Request)], result


PARTS = {"plan": "Plan the work.", "solve": "Solve the task."}


def test_a_program_of_several_texts_is_described_by_its_source(tmp_path: Path) -> None:
    asked, _ = asked_of_proposer(tmp_path, two_calls, PARTS, MIPRO(propose=Proposing(instructions=2)))
    for name in ("program", "part", "propose"):
        found = [text for text in asked if who(text) == name]
        assert len(found) == 2
        assert all(source_of(two_calls) in text for text in found)
        assert not any("lays before the model" in text for text in found)


def test_a_program_of_one_text_is_shown_at_no_further_call(tmp_path: Path) -> None:
    method = MIPRO(propose=Proposing(instructions=3))
    asked, _ = asked_of_proposer(tmp_path, one_call, {"solve": "Solve the task."}, method)
    assert {who(text) for text in asked} == {"observe", "condense", "propose"}
    assert all(source_of(one_call) in text for text in asked if who(text) == "propose")


def test_who_is_not_to_say_anything_of_a_program_is_not_shown_it(tmp_path: Path) -> None:
    method = MIPRO(propose=Proposing(instructions=2, aware=False))
    asked, _ = asked_of_proposer(tmp_path, two_calls, PARTS, method)
    assert not any("def two_calls" in text for text in asked)


def test_an_instruction_that_is_a_line_of_the_program_is_dropped_and_counted(tmp_path: Path) -> None:
    def copying(request: Request) -> str:
        if who(text_of(request)) != "propose":
            return author(request)
        return "<prompt>return ask(f\"{prompt['solve']}\\n{example['question']}\", part=\"solve\").text</prompt>"

    method = MIPRO(propose=Proposing(instructions=3))
    _, result = asked_of_proposer(tmp_path, one_call, {"solve": "Solve the task."}, method, copying)
    assert result.rejected["proposer: repeats the program"] == 2


def test_a_docstring_may_be_said_again(tmp_path: Path) -> None:
    def repeating(request: Request) -> str:
        text = text_of(request)
        return "<prompt>Plan, then solve.</prompt>" if who(text) == "propose" else author(request)

    _, result = asked_of_proposer(tmp_path, two_calls, PARTS, MIPRO(propose=Proposing(instructions=2)), repeating)
    assert not result.rejected


@pytest.mark.parametrize("program", [Called(), functools.partial(one_call)])
def test_objects_and_partials_have_the_source_of_what_is_called(program: Any) -> None:
    assert source_of(program) == source_of(Called if isinstance(program, Called) else one_call)


def test_what_has_no_source_is_described_by_what_the_model_reads(tmp_path: Path) -> None:
    made: dict[str, Any] = {}
    exec("def typed(prompt, example, ask):\n    return ask(prompt['solve'] + example['question']).text", made)
    assert source_of(made["typed"]) == ""
    method = replace(MIPRO(), propose=Proposing(instructions=2, aware=True))
    asked, _ = asked_of_proposer(tmp_path, made["typed"], {"solve": "Solve the task."}, method)
    assert all("lays before the model" in text for text in asked if who(text) in ("program", "part"))
