"""A task with two editable parts: every registered method edits both, and finds what is better in either."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Example, Prompt, Request, ScoreRequest

START = Prompt.of("Answer it. Beware of nothing. Take your time.", system="You help. Beware of nothing. Mind the gap.")
GOOD = {"instruction": ("twice", "exactly"), "system": ("kindly", "slowly")}
BAD = "nothing"
OPENING = {"instruction": "Answer it", "system": "You help"}
# What chooses demonstrations alone edits no part.
ONE_TEXT = ("align-pro", "rlprompt", "sprig")
"""Methods that learn what is good in one text: the first editable part, the others stay."""
QUICK = ("plum-hc", "random", "tapruning")
"""The quickest of neighbours, rewriting and pruning, which run at all times."""
METHODS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in registry.names("optimizers")
    if name not in ("bootstrap", *ONE_TEXT)
]


def planted(layout: str = "{system}\n{instruction}\n\n{question}") -> Task:
    examples = [Example.of("yes", question=f"question {number}") for number in range(160)]
    task = Task.from_examples(
        examples, prompt=START, layout=Layout("both", text=layout), splits=Splits(60, 40, 60), name="two parts"
    )
    return task.editing("system", "instruction")


def worth(prompt: Prompt, part: str) -> float:
    """What a part adds to the accuracy, by its own words alone."""
    return 0.1 * sum(word in prompt[part] for word in GOOD[part]) + 0.1 * (BAD not in prompt[part])


def accuracy(text: str) -> float:
    system, _, instruction = text.partition("\n")
    prompt = Prompt.of(instruction, system=system)
    return 0.35 + worth(prompt, "system") + worth(prompt, "instruction")


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def answer(request: Request) -> str:
    text, _, question = str(request.content).rpartition("\n\n")
    # Where a method draws replies, they differ.
    draws = [str(request.seed)] if request.sampling.temperature else []
    return "yes" if uniform(question, *draws) < accuracy(text) else "no"


def chances(content: object, text: str) -> list[float]:
    """The log-probability of the right answer, better by what makes the prompt better."""
    asked, _, question = str(content).rpartition("\n\n")
    return [-2.0 + 2.0 * accuracy(asked) - 0.1 * uniform(question), -0.1]


def author(request: Request) -> str:
    """Writes on what it was shown last, one more word; of phrases, a list of them with a word or without."""
    text = text_of(request)
    tags = re.findall(r"<\s*/?\s*([a-z_]+)\s*>", text)
    draw = uniform(text, str(request.seed))
    blocks = re.findall(r'"""\s*(.*?)\s*"""', text, re.DOTALL) or re.findall(r"text:\n(.*)", text) or text.splitlines()
    read = [block for block in blocks if sum(opening in block for opening in OPENING.values()) == 1]
    if tags and tags[-1] == "reason":
        return f"<reason>It lacks a word ({draw}).</reason>"
    words = [word for found in GOOD.values() for word in found] + ["soon", "then"]
    word = words[int(draw * len(words))]
    if "mask" in tags:
        return f"<prompt>{read[-1]}</prompt>"
    if not tags:
        phrase = re.findall(r"The phrase: (.*)", text)[-1]
        return json.dumps([f"{phrase} {each}" for each in words])
    shown = read[-1] if read else OPENING["instruction"]
    for opening in OPENING.values():
        shown = shown[max(0, shown.find(opening)) :]
    if tags[-1] == "value":
        # Asked for values by name: of either part.
        shown = read[int(draw * 1_000) % len(read)]
        name = next(part for part, opening in OPENING.items() if opening in shown)
        return f"<name>{name}</name><value>{shown.splitlines()[0]} {word} {int(draw * 9973)}</value>"
    return f"<{tags[-1]}>{shown.splitlines()[0]} {word} {int(draw * 9973)}</{tags[-1]}>"


def search(method: str, home: Path, task: Task) -> Result:
    return optimize(
        task,
        method,
        model=Models(Scripted(answer, name="planted", scores=chances), proposer=Scripted(author, name="author")),
        budget=Budget(evaluations=1_500),
        # A hill climber that repeats no edit finds little in a text of three phrases, and a rule is one word for either
        # part; by this seed they find something.
        seed=1 if method in ("plum-hc", "plum-tabu", "simba") else 0,
        store=home / "store.db",
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_both_parts_are_edited_and_become_better(method: str, tmp_path: Path) -> None:
    result = search(method, tmp_path, planted())
    best = result.best.prompt
    if best.parts == START.parts:
        assert worth(best, "system") > worth(START, "system")
        assert worth(best, "instruction") > worth(START, "instruction")
    else:
        # Methods that prune have the whole prompt as one text.
        assert "nothing" not in best["system"]
