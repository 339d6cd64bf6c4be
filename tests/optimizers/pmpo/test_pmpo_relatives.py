"""PMPO by right and wrong in a small search: no parts are measured, and what was left may be taken up again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Masking
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.lineage import by_means
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")


def search(home: Path, optimizer: PMPO, requests: list[str], runs: list[Run], evaluations: int) -> Result:
    def write(request: Request) -> str:
        content = request.content
        text = content if isinstance(content, str) else content[-1].content
        requests.append(text)
        draw = random.Random(f"{text}{request.seed}")
        section = text.split('"""')[1].strip() if '"""' in text else "Answer."
        return f"<prompt>{section} {draw.choice(WORDS)}.</prompt>"

    return optimize(
        planted_task(),
        optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS[:3], base=0.4, each=0.15)),
            proposer=Scripted(write, name="proposer"),
        ),
        evaluator="generation",
        budget=Budget(evaluations=evaluations),
        store=home / "store.db",
        session=Session(watch=runs.append),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("masking", "marked"), [(Masking(), False), (Masking(most=1), True)])
def test_parts_are_measured_where_a_user_says_so_alone(tmp_path: Path, masking: Masking, marked: bool) -> None:
    requests: list[str] = []
    search(tmp_path, PMPO(mask=masking), requests, [], 300)
    assert any("<mask>" in request for request in requests) is marked


@pytest.mark.slow
def test_the_final_choice_begins_with_what_is_believed_best(tmp_path: Path) -> None:
    runs: list[Run] = []
    search(tmp_path, PMPO(iterations=5), [], runs, 400)
    (run,) = runs
    order = by_means(run.posterior([run.initial]))
    assert [estimate.prompt for estimate in run.ranked()][:3] == order[:3]
