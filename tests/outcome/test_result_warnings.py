"""What a result says beside its prompt and its verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.random_search import RandomSearch
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import planted_model, planted_task
from promptopt.types import Example, Request


def test_what_is_to_be_known_of_a_task_is_known_of_its_result(tmp_path: Path) -> None:
    """The command line says it before the search; in Python the result is all there is."""
    examples = [Example.of("yes", question=f"item {number}") for number in range(12)]
    task = Task.from_examples(examples, prompt="Answer for {{company}}.", labels=("yes", "no"), metric="exact")
    result = optimize(
        task, RandomSearch(), model=Scripted(lambda _: "yes", name="y"), budget=Budget(evaluations=12),
        store=tmp_path / "s.db",
    )  # fmt: skip
    assert any("company" in warning for warning in result.warnings)
    assert not any("the test split has only" in warning for warning in result.warnings)


def repeating(request: Request) -> str:
    text = request.content if isinstance(request.content, str) else request.content[-1].content
    section = text.split('"""')[1].strip() if '"""' in text else "Answer the question."
    return f"<prompt>{section}</prompt>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "evaluations", "why"),
    [("evoprompt-ga", 140, "replies, nothing new"), ("textgrad", 37, "the proposer was not asked")],
)
def test_why_nothing_was_proposed_is_told_as_it_was(method: str, evaluations: int, why: str, tmp_path: Path) -> None:
    result = optimize(
        planted_task(),
        method,
        model=Models(planted_model(lambda _: 0.5), proposer=Scripted(repeating, name="p")),
        budget=Budget(evaluations=evaluations),
        store=tmp_path / "s.db",
    )
    [said] = [said for said in result.warnings if "no usable candidate" in said]
    assert said.endswith(f"{why})")
    # It said "no replies" of forty.
    assert (result.spent.proposer_calls > 0) == ("replies" in said)


def test_a_start_that_is_longer_than_the_contract_lets_a_prompt_be_is_told_of(tmp_path: Path) -> None:
    def told(most: int) -> str:
        task = planted_task()
        task = replace(task, contract=replace(task.contract, max_tokens=most))
        model = Scripted(lambda request: "a", name="m")
        return " ".join(
            optimize(task, "random", model=model, budget=Budget(evaluations=80), store=tmp_path / f"{most}.db").warnings
        )

    assert "the contract lets no prompt have more than 2: only shorter ones are tried" in told(2)
    assert "the contract lets no prompt" not in told(500)
