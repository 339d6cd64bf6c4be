"""A chat without a system prompt: every method that writes begins there, and one that edits what is there says so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest

from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.method import Sprig
from promptopt.reports.export import export, export_of
from promptopt.reports.given import from_text
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Content, Example, Message, Request

WORDS = ("twice", "exactly", "kindly", "then")
EDITING = (*(name for name in registry.names("optimizers") if name.startswith("plum-")), "promptquine", "tapruning")
# It wants a policy in weights, and demonstrations.
OTHERS = ("bootstrap", "rlprompt")
FORMS: tuple[Literal["txt", "json"], ...] = ("txt", "json")
WRITING = [
    pytest.param(name, marks=() if name in ("random", "sprig") else pytest.mark.slow)
    for name in registry.names("optimizers")
    if name not in (*EDITING, *OTHERS)
]


def bot() -> Task:
    examples = [Example.chat([Message("user", f"question {n}")], "yes", f"g{n}") for n in range(120)]
    return Task.from_examples(examples, prompt="", name="bot", splits=Splits(40, 30, 50))


def worth(content: Content) -> int:
    """How many of the good words are sent, in whichever message of a layout; an empty system prompt never is."""
    assert not isinstance(content, str)
    assert all(message.content.strip() for message in content if message.role == "system")
    return sum(word in "".join(message.content for message in content) for word in WORDS[:3])


def answer(request: Request) -> str:
    draws = [str(request.seed)] if request.sampling.temperature else []
    return "yes" if uniform(str(request.content[-1]), *draws) < 0.3 + 0.2 * worth(request.content) else "no"


def chances(content: Content, _text: str) -> list[float]:
    return [-2.0 + 0.5 * worth(content) - 0.1 * uniform(str(content)), -0.1]


def author(request: Request) -> str:
    """One more word behind what it was shown; at first there is nothing."""
    content = request.content
    text = content if isinstance(content, str) else "\n".join(message.content for message in content)
    tags = re.findall(r"<\s*/?\s*([a-z_]+)\s*>", text)
    draw = uniform(text, str(request.seed))
    read: list[str] = re.findall(r'Answer it[^\n"<]*', text)
    shown = (read[-1] if read else "Answer it").strip()
    if not tags:
        return json.dumps([f"Answer it {word}." for word in WORDS])
    if tags[-1] == "mask":
        return f"<prompt>{shown}</prompt>"
    name = "<name>instruction</name>" if tags[-1] == "value" else ""
    return f"{name}<{tags[-1]}>{shown} {WORDS[int(draw * 4)]} {int(draw * 9973)}</{tags[-1]}>"


def models() -> Models:
    return Models(Scripted(answer, name="planted", scores=chances), proposer=Scripted(author, name="author"))


@pytest.mark.parametrize("method", WRITING)
def test_a_method_that_writes_begins_at_the_empty_prompt(method: str, tmp_path: Path) -> None:
    components = tuple(f"Please answer it {word} now." for word in WORDS)
    optimizer = Sprig(components=components) if method == "sprig" else method
    result = optimize(bot(), optimizer, model=models(), budget=Budget(evaluations=400), store=tmp_path / "s.db")

    assert result.start.text == ""
    assert sum(word in result.best.text for word in WORDS[:3]) > 0
    # No white space or line break that stood between nothing and what was added.
    assert result.best.text == result.best.text.strip()


@pytest.mark.parametrize("method", EDITING)
def test_a_method_that_edits_what_is_there_says_that_nothing_is(method: str, tmp_path: Path) -> None:
    answering = Scripted(answer, name="planted", scores=chances)
    with pytest.raises(ConfigError, match=r"the prompt is empty, and this method .* begin with a sentence"):
        optimize(bot(), method, model=answering, budget=Budget(evaluations=400), store=tmp_path / "s.db")
    assert not answering.log


def test_an_empty_candidate_is_none_where_the_start_is_a_text() -> None:
    written = Task.from_examples(
        [Example.chat([Message("user", f"question {n}")], "yes", f"g{n}") for n in range(40)],
        prompt="Be kind.", name="bot", splits=Splits(10, 10, 20),
    )  # fmt: skip
    empty = written.initial.replace("instruction", " ")

    assert written.broken_by(empty, len) == "empty"
    # To score the bot without any system prompt beside it is another matter.
    assert written.starting_from(" ")["instruction"] == ""


def test_the_empty_prompt_is_written_and_read_back_as_any_other() -> None:
    task = bot()
    for kind in FORMS:
        text = export(export_of(task, task.initial), kind)
        assert from_text(task, text, exported=kind == "json")[1] == task.initial


def test_a_report_says_that_the_start_was_empty(tmp_path: Path) -> None:
    result = optimize(bot(), "random", model=models(), budget=Budget(evaluations=200), store=tmp_path / "s.db")

    assert f"Start prompt ({result.start.prompt.id}):\n    (empty)" in result.report()
