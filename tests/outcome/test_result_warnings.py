"""What a result says beside its prompt and its verdict."""

from __future__ import annotations

from pathlib import Path

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.optimizers.random_search import RandomSearch
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.types import Example


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
