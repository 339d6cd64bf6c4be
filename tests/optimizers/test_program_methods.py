"""A program of three calls: methods that go by traces better both of its texts, each shown what its own calls did."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.programs import program_task
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.testing import uniform
from promptopt.types import Example, Prompt, Request, Score

PARTS = {"plan": "Plan the work.", "solve": "Solve the task."}
WORDS = {"plan": "carefully", "solve": "exactly"}
SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("gepa", "mipro", "optoprime", "textgrad")]
METHODS = ["simba", *SLOWER]


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def program(prompt: Prompt, example: Example, ask) -> str:
    """Plan, solve with the plan, and say it again."""
    plan = ask(f"{prompt['plan']}\n{example['question']}", part="plan").text
    found = ask(f"{prompt['solve']}\n{plan}\n{example['question']}", part="solve").text
    return ask(f"Repeat: {found}").text


def answer(request: Request) -> str:
    text = str(request.content)
    if text.startswith("Repeat: "):
        return text.removeprefix("Repeat: ")
    if text.startswith("Plan"):
        return f"good plan {WORDS['plan']}" if WORDS["plan"] in text else "a plan"
    accuracy = 0.3 + 0.3 * ("good plan" in text) + 0.3 * (WORDS["solve"] in text)
    draw = str(request.seed) if request.sampling.temperature else ""
    return "yes" if uniform(re.findall(r"question \d+", text)[-1], draw) < accuracy else "no"


def author(request: Request) -> str:
    """Adds a word to the text that it is shown, or to one of those, in the form that is asked for."""
    text = text_of(request)
    tag = re.findall(r"<\s*/?\s*([a-z_]+)\s*>", text)[-1]
    draw = uniform(text, str(request.seed))
    if tag in ("feedback", "summary"):
        return f"<{tag}>It lacks {draw:.6f}.</{tag}>"
    shown = [each for each in re.findall(r'"""\s*(.*?)\s*"""', text, re.DOTALL) if each.split()[0] in ("Plan", "Solve")]
    word = [*WORDS.values(), "soon", "then"][int(4 * draw)]
    if tag == "value":
        section = shown[int(draw * 1_000) % len(shown)]
        value = f"Do it {word}." if "is added below" in text else f"{section} {word}."
        return f"<name>{section.split()[0].lower()}</name><value>{value}</value>"
    return f"<prompt>{shown[0]} {word}.</prompt>"


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_both_texts_of_a_program_become_better(method: str, tmp_path: Path) -> None:
    examples = [Example.of("yes", question=f"question {number}") for number in range(200)]
    task = program_task(examples, prompt=PARTS, program=program, metric="exact", splits=Splits(80, 40, 80))
    proposer = Scripted(author, name="author")
    result = optimize(
        task,
        method,
        model=Models(Scripted(answer, name="three calls"), proposer=proposer),
        budget=Budget(evaluations=1_200),
        store=tmp_path / "store.db",
    )
    best = result.best.prompt
    assert [WORDS[part] in best[part] for part in PARTS] == [True, True]
    if method in ("gepa", "optoprime", "textgrad", "simba"):
        asked = [text_of(request) for request in proposer.log if isinstance(request, Request)]
        assert any("a plan" in text or "good plan" in text for text in asked), "what a call in between gave is shown"


@pytest.mark.parametrize("method", ["gepa", "optoprime", "simba", "textgrad"])
def test_no_text_is_rewritten_for_what_a_program_works_out_by_itself(method: str, tmp_path: Path) -> None:
    def shortcut(prompt: Prompt, example: Example, ask) -> Score:
        return Score(int(example["question"].split()[-1]) % 3 / 2, "found in a table")

    examples = [Example.of("yes", question=f"question {number}") for number in range(90)]
    writer = Scripted(author, name="author")
    optimize(
        program_task(examples, prompt=PARTS, program=shortcut, splits=Splits(30, 20, 40)),
        method,
        model=Models(Scripted(answer, name="model"), proposer=writer),
        budget=Budget(evaluations=120),
        store=tmp_path / "store.db",
    )
    assert writer.calls == 0
