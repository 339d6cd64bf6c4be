"""Under a cap on tokens or dollars `auto` can test candidates with demonstrations, which make every call dearer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import fitting
from promptopt.optimizers.auto.search import Auto
from promptopt.outcome.result import Result
from promptopt.protocols import Demonstrates
from promptopt.run import Run
from promptopt.run.budget import Allocation, Budget
from promptopt.run.events import Event, Planned
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt
from tests.optimizers.test_auto_demonstrations import AS_TURNS, IN_TEXT


def searched(home: Path, method: Auto, tokens: int) -> tuple[Result, Allocation]:
    """On a task where demonstrations as turns pay more than any words."""
    landscape, planned = plant("taught", 7), list[Allocation]()

    def watch(event: Event) -> None:
        if isinstance(event, Planned):
            planned.append(event.allocation)

    proposer = Scripted(Proposer(landscape.good, 0.4, None), name="proposer")
    result = optimize(
        landscape.task(test=200), method, model=Models(landscape.model(), proposer=proposer),
        budget=Budget(tokens=tokens), store=home / "store.db", session=Session([watch]),
    )  # fmt: skip
    return result, planned[0]


@pytest.mark.slow
def test_sets_that_make_calls_dearer_are_planned_for_and_tried(tmp_path: Path) -> None:
    tokens = 16_000
    result, planned = searched(tmp_path / "a", Auto(), tokens)
    # By a cell of the start alone so much was promised to the test that every set was too dear to win.
    assert max(len(each.prompt.demos) for each in result.lineage) >= 4
    assert result.rejected.get("too long for its test to be paid for", 0) < 5
    assert len(result.best.prompt.demos) > 0
    _, without = searched(tmp_path / "b", Auto(demos=0), tokens)
    assert planned.test < without.test
    # What calls took pays for more than was promised.
    assert result.best.test is not None
    assert result.best.test.n >= planned.test


@pytest.mark.parametrize(
    ("method", "layout", "labels", "train", "shown"),
    [
        (Auto(), AS_TURNS, ("no", "yes"), 60, 8),
        (Auto(), AS_TURNS, tuple(f"l{n}" for n in range(12)), 60, 12),
        (Auto(), AS_TURNS, (), 60, 1),
        (Auto(), AS_TURNS, ("no", "yes"), 6, 3),
        (Auto(demos=4), AS_TURNS, ("no", "yes"), 60, 4),
        (Auto(demos=0), AS_TURNS, ("no", "yes"), 60, 0),
        # In the text there are four at most.
        (Auto(), IN_TEXT, ("no", "yes"), 60, 0),
        (Auto(), Layout("bare", text="{instruction}\n\nQ: {question}\nA:"), ("no", "yes"), 60, 0),
    ],
)
def test_dev_and_test_are_priced_with_the_smallest_first_set(
    method: Auto, layout: Layout, labels: Sequence[str], train: int, shown: int
) -> None:
    answers = labels if labels else ("no", "yes")
    examples = [Example.of(answers[n % len(answers)], question=f"question {n}") for n in range(train + 8)]
    task = Task.from_examples(
        examples, prompt="Answer.", labels=labels, metric="exact", layout=layout, splits=Splits(train, 4, 4)
    )
    assert isinstance(method, Demonstrates)
    assert method.demonstrations(task) == shown


def test_a_prompt_that_is_too_dear_without_any_demonstration_shows_none() -> None:
    said = list[str]()

    def crowded(prompt: Prompt) -> str:
        return "too dear"

    run = SimpleNamespace(
        crowded=crowded, warn=said.append, task=SimpleNamespace(shows_bare=True),
        abilities=SimpleNamespace(program=None),
    )  # fmt: skip
    demos = [Example.of("yes", question=f"q{n}") for n in range(3)]
    assert fitting(cast(Run, cast(Any, run)), Prompt.of("Answer."), demos) == []
    assert "does not pay" in said[0]
