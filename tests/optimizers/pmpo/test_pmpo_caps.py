"""What PMPO scores stands in the ledger: caps are hard, whichever way a score came about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Masking, Rewriting, Targets
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Request, ScoreRequest, digest

SETTINGS = PMPO(iterations=40, examples=16, mask=Masking(by="rule"), rewrite=Rewriting(hard=2, samples=2))


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else content[0].content


def inventive(request: Request) -> str:
    return f"<prompt>Answer the question, say {digest([text_of(request), request.seed])}.</prompt>"


def task() -> Task:
    examples = [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(60)]
    return Task.from_examples(
        examples,
        prompt="Answer the question. Be kind. Say it in one word.",
        name="words",
        metric="exact",
        answer=lambda reply: reply.split("\n")[-1],
        splits=Splits(20, 20, 20),
    )


def flat(_: Content, text: str) -> list[float]:
    return [-0.5] * len(text.split())


def solve(request: Request) -> str:
    """Thinks aloud, and is right in some draws."""
    number = text_of(request).split("number ")[1].split("?")[0]
    return f"I think that it is\nword{number if (request.seed or 0) % 2 else 'less'}"


@pytest.mark.parametrize("source", ["gold", "own"])
@pytest.mark.parametrize(
    "evaluations", [90, 260, pytest.param(170, marks=pytest.mark.slow), pytest.param(400, marks=pytest.mark.slow)]
)
def test_a_cap_on_evaluations_bounds_what_the_task_model_is_asked(
    tmp_path: Path, evaluations: int, source: str
) -> None:
    model = Scripted(solve, scores=flat, name="task model")
    measure = Loss(task(), reduction="sum", ends=False)
    result = optimize(
        task(),
        replace(SETTINGS, targets=Targets(source)),
        model=Models(model, proposer=Scripted(inventive, name="author")),
        evaluator=measure,
        check_evaluator=measure,
        budget=Budget(evaluations=evaluations),
        store=tmp_path / "store.db",
    )
    assert len(model.log) == result.spent.evaluations <= evaluations
    assert result.spent.evaluations == result.spent.calls - result.spent.proposer_calls
    drawn = sum(not isinstance(request, ScoreRequest) for request in model.log)
    assert drawn == 0 if source == "gold" else drawn > 0


@pytest.mark.slow
@pytest.mark.parametrize("source", ["gold", "own"])
def test_the_second_time_everything_is_charged_alike_and_nothing_is_paid(tmp_path: Path, source: str) -> None:
    def search() -> tuple[int, int, int]:
        measure = Loss(task(), reduction="sum", ends=False)
        result = optimize(
            task(),
            replace(SETTINGS, iterations=2, targets=Targets(source)),
            model=Models(Scripted(solve, scores=flat, name="task model"), proposer=Scripted(inventive, name="author")),
            evaluator=measure,
            check_evaluator=measure,
            store=tmp_path / "store.db",
        )
        return result.spent.evaluations, result.spent.calls, result.paid.evaluations

    first, second = search(), search()
    assert first[:2] == second[:2]
    assert first[2] == first[0]
    assert second[2] == 0
