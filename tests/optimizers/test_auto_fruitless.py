"""A proposer that writes nothing new is found out soon, and the search goes on without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from promptopt.optimizers.auto.fruitless import IN_VAIN, Fruitless
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


def test_a_second_row_of_replies_in_vain_is_counted_anew_from_where_the_search_began_again() -> None:
    said: list[tuple[str, bool]] = []
    count = Fruitless(cast("Run", SimpleNamespace(warn=lambda message, ends: said.append((message, ends)))))

    def states(operator: str, times: int, *, new: bool = False) -> tuple[bool, bool]:
        for _ in range(times):
            count.note(operator, new)
        return count.full, count.over

    assert states("rewrite", IN_VAIN - 1) == (False, False)
    # What needs no call counts for neither side.
    assert states("demo", 5) == states("prune", 5, new=True) == (False, False)
    assert states("rewrite", 1) == (True, False)
    count.begin_again()
    assert states("critic", IN_VAIN - 1) == (False, False)
    assert states("critic", 1, new=True) == states("critic", IN_VAIN - 1) == (False, False)
    assert (count.left(["critic", "demo"]), said) == (["critic", "demo"], [])
    assert states("critic", 1) == (True, True)
    assert count.left(["critic", "demo"]) == ["demo"]
    assert [ends for _, ends in said] == [False]
