"""A search over a program of three calls: replay, resuming after a crash and after kill -9, exact caps, both parts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.programs import ProgramEvaluator, program_task
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.testing import uniform
from promptopt.testing.processes import outcome
from promptopt.types import Example, Prompt, Request
from tests.optimizers.test_several_parts import text_of

PARTS = {"plan": "Plan the work.", "solve": "Solve the task."}
WORDS = {"plan": "carefully", "solve": "exactly"}


def task():
    examples = [Example.of("yes", question=f"question {number}") for number in range(90)]
    return program_task(examples, prompt=PARTS, metric="exact", splits=Splits(30, 20, 40))


def program(prompt: Prompt, example: Example, ask) -> str:
    """Plan, solve with the plan, and say it again."""
    plan = ask(f"{prompt['plan']}\n{example['question']}", part="plan").text
    found = ask(f"{prompt['solve']}\n{plan}\n{example['question']}", part="solve").text
    return ask(f"Repeat: {found}").text


def model() -> Scripted:
    def answer(request: Request) -> str:
        text = str(request.content)
        if text.startswith("Repeat: "):
            return text.removeprefix("Repeat: ")
        if text.startswith("Plan"):
            return f"good plan {WORDS['plan']}" if WORDS["plan"] in text else "plan"
        question = re.findall(r"question \d+", text)[-1]
        accuracy = 0.3 + 0.3 * ("good plan" in text) + 0.3 * (WORDS["solve"] in text)
        return "yes" if uniform(question) < accuracy else "no"

    return Scripted(answer, name="three calls")


def author() -> Scripted:
    def write(request: Request) -> str:
        text = text_of(request)
        tag = re.findall(r"<\s*/?\s*([a-z_]+)\s*>", text)[-1]
        if tag == "reason":
            return "<reason>Too vague.</reason>"
        shown = re.findall(r'"""\s*(.*?)\s*"""', text, re.DOTALL)
        section = next(each for each in shown if each.split()[0] in ("Plan", "Solve"))
        word = [*WORDS.values(), "soon", "then"][int(4 * uniform(text, str(request.seed)))]
        return f"<{tag}>{section} {word}</{tag}>"

    return Scripted(write, name="author")


def search(
    home: Path, *, answers: Scripted | None = None, writer: Scripted | None = None, budget: Budget | None = None
) -> Result:
    return optimize(
        task(),
        "apo",
        model=Models(model() if answers is None else answers, proposer=author() if writer is None else writer),
        evaluator=ProgramEvaluator(program, "exact", calls_per_cell=3),
        budget=Budget(evaluations=500) if budget is None else budget,
        store=home / "store.db",
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    home = tmp_path_factory.mktemp("whole")
    return home, search(home)


@pytest.mark.slow
def test_both_parts_of_a_program_become_better(whole: tuple[Path, Result]) -> None:
    best = whole[1].best.prompt
    assert WORDS["plan"] in best["plan"]
    assert WORDS["solve"] in best["solve"]
    assert whole[1].verdict == "better"


@pytest.mark.slow
def test_a_replay_of_a_program_pays_nothing(whole: tuple[Path, Result]) -> None:
    home, first = whole
    second = search(home)
    assert (second.paid.calls, second.paid.evaluations) == (0, 0)
    assert outcome(second) == outcome(first)


@pytest.mark.slow
@pytest.mark.parametrize("call", [2, 100, 500])
def test_a_crash_within_a_cell_is_gone_on_from_there(call: int, whole: tuple[Path, Result], tmp_path: Path) -> None:
    broken = model()
    broken.fail_at = call
    stopped = search(tmp_path, answers=broken)
    assert stopped.status == "suspended"
    resumed = search(tmp_path)
    assert outcome(resumed) == outcome(whole[1])
    assert stopped.paid.calls + resumed.paid.calls == whole[1].paid.calls


@pytest.mark.parametrize("size", [100, pytest.param(333, marks=pytest.mark.slow)])
def test_a_cap_is_exact_for_cells_of_three_calls(size: int, tmp_path: Path) -> None:
    for budget in (Budget(calls=size), Budget(evaluations=size)):
        answers = model()
        result = search(made(tmp_path / str(budget.calls)), answers=answers, budget=budget)
        assert (result.spent.calls if budget.calls else result.spent.evaluations) <= size
        assert answers.calls + result.spent.proposer_calls == result.spent.calls
        assert result.best.test is not None


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


KILLED = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent.parent.parent)!r})
from tests.programs.test_program_runs import model, search
answers = model()
answers.kill_at = int(sys.argv[2])
search(Path(sys.argv[1]), answers=answers)
"""


@pytest.mark.slow
@pytest.mark.parametrize("call", [101])
def test_killed_in_the_middle_of_a_cell_it_ends_as_if_nothing_had_happened(
    call: int, whole: tuple[Path, Result], tmp_path: Path
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(call)], check=False, timeout=60)
    assert done.returncode != 0
    resumed = search(tmp_path)
    assert outcome(resumed) == outcome(whole[1])
    # What was stored before the kill is not paid for again.
    assert resumed.paid.calls < whole[1].paid.calls


@pytest.mark.slow
def test_a_critic_is_shown_the_calls_of_the_part_that_it_edits(tmp_path: Path) -> None:
    writer = author()
    search(tmp_path, writer=writer)
    critics = [text_of(request) for request in writer.log if "<reason>" in text_of(request)]
    of_plan = [text for text in critics if '"""\nPlan' in text and "Call 1 of this text was given: " in text]
    assert of_plan
    assert all("Call 1 of this text was given: Plan" in text for text in of_plan)
    assert not any("Call 1 of this text was given: Solve" in text for text in of_plan)
