"""Evaluations that a session paid for, where a cell asks a judge too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.models import Models
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Request

JUDGES: dict[str, tuple[dict[str, Any], str]] = {
    "rubric": ({"evaluator": "rubric", "rubric": {"score_by": "written"}}, '{"score": 4}'),
    "checklist": ({"evaluator": "checklist", "checklist": {"items": ("Is it kind?",)}}, '{"answers": {"1": "yes"}}'),
    "versus": ({"evaluator": "versus"}, '{"better": "tie"}'),
    "panel": ({"evaluator": "panel", "panel": {"size": 2}, "rubric": {"score_by": "written"}}, '{"score": 4}'),
}


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize("same", [False, True])
def test_a_first_run_pays_for_all_that_it_spends(kind: str, same: bool, tmp_path: Path) -> None:
    table, said = JUDGES[kind]
    examples = [Example.of("", text=f"number {number}") for number in range(40)]
    task = replace(Task.from_examples(examples, prompt="Greet.", splits=Splits(10, 10, 20)), judge=table)

    def answer(request: Request) -> str:
        return "Hello" if same else str(request.content)[-40:]

    judge, second = (Scripted(lambda _: said, name=f"scripted/{name}") for name in ("judge", "second"))
    asked = Models(task=Scripted(answer, name="scripted/task"), judge=(judge, second) if kind == "panel" else judge)
    prompt = task.initial.replace("instruction", "Say hello.")

    def scored(judge: str = "") -> tuple[int, int]:
        models = replace(asked, judge=Scripted(lambda _: said, name=judge)) if judge else asked
        found = evaluate(task, prompt, model=models, store=tmp_path / "store.db", split="test")
        return found.spent.evaluations, found.paid.evaluations

    assert scored() == (20, 20)
    assert scored() == (20, 0)
    # The replies are there, and another judge reads each of them.
    if kind != "panel" and not (kind == "versus" and same):
        assert scored("scripted/other") == (20, 20)
