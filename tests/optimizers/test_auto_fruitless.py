"""A proposer that writes nothing new is found out soon, and the search goes on without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptopt.optimizers.auto.fruitless import IN_VAIN
from promptopt.optimizers.auto.search import Auto
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.types import Request
from tests.optimizers.test_auto import said, search


def echo(request: Request) -> str:
    return f"<prompt>{[*said(request.content).split(chr(34) * 3), 'Answer.', ''][1].strip() or 'Answer.'}</prompt>"


def silent(_: Request) -> str:
    return ""


def parrot(request: Request) -> str:
    return said(request.content)


@pytest.mark.parametrize(("proposer", "each"), [(echo, 1), (parrot, 2), (silent, 2)])
def test_it_is_asked_no_more_and_the_rest_goes_to_what_needs_no_proposer(
    tmp_path: Path, proposer: Callable[[Request], str], each: int
) -> None:
    runs = list[Run]()
    result = search(tmp_path, proposer=proposer, budget=Budget(evaluations=400), runs=runs)
    # Replies off their form are asked for twice; what is on its way by then is still read.
    assert result.spent.proposer_calls <= each * 2 * (IN_VAIN + 16)
    assert len([warning for warning in result.warnings if "asked no more" in warning]) == 1
    assert any("the search goes on with deletions and demonstrations" in warning for warning in result.warnings)
    assert any(prompt.demos for step in runs[0].steps for prompt in (estimate.prompt for estimate in step.pool))


def test_where_nothing_else_is_left_it_ends_with_one_sentence(tmp_path: Path) -> None:
    result = search(tmp_path, Auto(demos=0, layouts=False), proposer=echo, budget=Budget(evaluations=400))
    assert result.status == "finished"
    [why] = [warning for warning in result.warnings if "search" in warning and "proposer" in warning]
    assert why.endswith("the search ends before its budget, as nothing else is left")
    assert not any("generations in a row" in warning for warning in result.warnings)
