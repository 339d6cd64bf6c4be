"""One prompt for several models: each cell is asked of the model of its example, and a cut loses none that was paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from promptopt.errors import BudgetSpent, CutShort
from promptopt.protocols import Ask
from promptopt.run.answering import scored_by_each
from promptopt.types import Cell, Example, Prompt, Score

CELLS = [
    Cell(Prompt.of("Say."), replace(Example.of("a", text=f"item {n}"), answered_by="task_2" if n % 2 else ""))
    for n in range(6)
]


class Asked:
    """An `Ask` that says which role it was asked by."""

    def __init__(self, cut: str = "") -> None:
        self.roles: list[str] = []
        self.cut = cut

    def __call__(self, requests: Sequence[Any], *, role: str = "task", repetition: int = 0) -> list[Any]:
        self.roles.append(role)
        if role == self.cut:
            raise BudgetSpent("9 calls are spent")
        return [role] * len(requests)


def scored(cells: Sequence[Cell], ask: Ask) -> list[Score]:
    """Asks the task model, and a judge beside it."""
    replies = cast("list[str]", ask(cast("Any", cells)))
    ask(cast("Any", cells), role="judge")
    return [
        Score(1.0, output=f"{reply} {cell.example.fields[0][1]}") for cell, reply in zip(cells, replies, strict=True)
    ]


def test_each_cell_is_asked_of_its_own_model_and_the_judge_stays_who_it_is() -> None:
    asked = Asked()
    found = scored_by_each(scored, CELLS, cast("Ask", asked))
    assert [score.output for score in found] == [f"{('task', 'task_2')[n % 2]} item {n}" for n in range(6)]
    assert asked.roles == ["task", "judge", "task_2", "judge"]


def test_what_one_model_answered_before_a_cap_cut_the_other_is_kept() -> None:
    with pytest.raises(CutShort, match="9 calls are spent") as cut:
        scored_by_each(scored, CELLS, cast("Ask", Asked("task_2")))
    assert list(cut.value.scores) == [0, 2, 4]
    with pytest.raises(BudgetSpent) as first:
        scored_by_each(scored, CELLS, cast("Ask", Asked("task")))
    assert not isinstance(first.value, CutShort)


def test_an_example_that_another_model_answers_is_another_one_and_all_others_keep_their_ids() -> None:
    plain = Example.of("a", text="item 1")
    assert replace(plain, answered_by="task_2").id != plain.id
    assert replace(plain, answered_by="").id == plain.id
