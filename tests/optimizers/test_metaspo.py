"""MetaSPO: what is shown and asked in which loop, what replaces what, and when it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.suite import several_tasks
from promptopt.models.scripted import Scripted
from promptopt.optimizers.metaspo.method import MetaSPO
from promptopt.outcome.result import Result
from promptopt.tasks import Splits, Task
from promptopt.tasks.layout import Layout
from promptopt.testing import OptimizerContract, planted_task
from promptopt.types import Example, Prompt, Request


def read(request: Any) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def writer(*words: str) -> Any:
    """Analyses, and prompts with one more of the words each time, whatever is asked."""
    made: list[int] = []

    def propose(request: Request) -> str:
        text = read(request)
        if "<critique>" in text:
            return "<critique>It is too vague.</critique>"
        made.append(1)
        return f"<prompt>Answer the thing {words[(len(made) - 1) % len(words)]}.</prompt>"

    return propose


class TestContract(OptimizerContract):
    optimizer = MetaSPO()

    def propose(self, request: Request) -> str:
        text = read(request)
        if "<critique>" in text:
            return "<critique>It says too little.</critique>"
        known = [word for word in self.words if word in text.rpartition("System prompt:")[2]]
        fresh = [word for word in self.words if word not in known]
        chosen = [*known, *fresh[: 1 + (request.seed or 0) % 2]]
        return f"<prompt>Answer the question {' and '.join(chosen)}.</prompt>"


def both(count: int = 24) -> Task:
    tasks = [
        Task.from_examples([Example.of("yes", text=f"{name} {n}") for n in range(count)], prompt=f"Do {name}.",
                           name=name, splits=Splits(count // 3, count // 3, count // 3))
        for name in ("a", "b")
    ]  # fmt: skip
    return several_tasks(tasks, system="Answer.")


def search(home: Path, method: MetaSPO, task: Task, answer: Any, propose: Any) -> tuple[Result, Scripted, Scripted]:
    model, proposer = Scripted(answer), Scripted(propose, name="proposer")
    return optimize(task, method, model=Models(model, proposer=proposer), store=home / "s.db"), model, proposer


def test_every_outer_candidate_is_made_from_the_incumbent_and_the_best_takes_its_place(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=3, examples=16)
    right = {"Answer.": 0, "Answer the thing one.": 6, "Answer the thing two.": 8, "Answer the thing three.": 8}

    def answer(request: Any) -> str:
        system, asked = (message.content for message in request.content)
        return "yes" if int(re.findall(r"\d+", asked)[-1]) % 8 < right.get(system, 0) else "no"

    result, _, proposer = search(tmp_path, method, both(), answer, writer("one", "two", "three"))
    asked = [read(request) for request in proposer.log]

    assert all('"""\nAnswer.\n"""' in text for text in asked)
    assert sum("<critique>" in text for text in asked) == 3
    assert result.steps[0].kept[0]["instruction"] == "Answer the thing two."


def test_at_most_so_many_failures_of_each_task_are_shown(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=1, examples=16, system_failures=2)
    _, _, proposer = search(tmp_path, method, both(), lambda _: "no", writer("one"))
    shown = read(proposer.log[0])

    assert {name: shown.count(f"Do {name}.") for name in "ab"} == {"a": 2, "b": 2}
    assert "Do a." not in read(proposer.log[-1])


def test_an_equal_mean_keeps_the_incumbent(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=2, examples=16)
    result, _, _ = search(tmp_path, method, both(), lambda _: "no", writer("one", "two"))

    assert result.steps[0].kept[0] == result.start.prompt


def test_where_nothing_fails_nothing_is_asked_and_the_search_ends(tmp_path: Path) -> None:
    result, _, proposer = search(tmp_path, MetaSPO(preset="paper", examples=16), both(), lambda _: "yes", writer("one"))

    assert proposer.calls == 0
    assert result.best.prompt == result.start.prompt
    assert any("nothing to learn from" in said for said in result.warnings)


def parts() -> Task:
    examples = [Example.of("yes", text=f"item {n}") for n in range(48)]
    layout = Layout("chat", messages=(("system", "{system}"), ("user", "{instruction}\n\n{text}")))
    task = Task.from_examples(examples, prompt=Prompt.of("Do it.", system="Answer."), layout=layout, name="p",
                              splits=Splits(16, 16, 16))  # fmt: skip
    return task.editing("system", "instruction")


def test_user_prompts_are_improved_first_and_the_system_prompt_for_all_of_them(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=2, systems=2, kept=2, examples=8)

    def answer(request: Any) -> str:
        return "yes" if "two" in request.content[1].content else "no"

    result, model, proposer = search(tmp_path, method, parts(), answer, writer("one", "two", "three", "four"))
    search_calls = [request for request in model.log if "item" in read(request)]

    assert "What does the user prompt lack?" in read(proposer.log[0])
    assert result.steps[0].kept[0]["instruction"] == "Answer the thing two."
    assert len(search_calls) >= 8 * (1 + 2)


def test_a_frozen_system_prompt_stays_byte_for_byte(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=2, users=2, examples=8, frozen_system=True)
    result, _, _ = search(tmp_path, method, parts(), lambda _: "no", writer("one", "two"))

    assert {each.prompt["system"] for each in result.candidates()} == {"Answer."}


def test_planted_task_is_a_single_one() -> None:
    assert planted_task().members == ()
