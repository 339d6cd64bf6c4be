"""How often `auto` has a child written before it is scored: by its plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.auto.plan import CALLING, TWICE
from promptopt.optimizers.auto.search import Auto
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.lineage import TellingFirst
from promptopt.types import Example, Room
from tests.optimizers.test_auto import search


@pytest.mark.parametrize(
    ("evaluations", "calls", "writings"),
    [
        (None, 100, 2), (None, 220, 2), (None, 274, 2), (None, 330, 2), (None, 360, 1), (None, 800, 1), (150, None, 1),
        (None, None, 1),
        # Two writings would leave 29 evaluations for the looks.
        (None, 40, 2), (None, 39, 1), (None, 9, 1),
    ],
)  # fmt: skip
def test_a_small_search_has_each_child_written_twice_where_calls_are_capped(
    evaluations: int | None, calls: int | None, writings: int
) -> None:
    assert Auto().plan(Room(evaluations, calls, 1, 200, 100)).writings == writings


def test_a_dear_call_is_not_made_twice() -> None:
    room = Room(None, 200, 1, 200, 100)
    assert (Auto(call_cost=5.0).plan(room).writings, Auto(call_cost=6.0).plan(room).writings) == (2, 1)


@given(st.integers(60, 2_000))
def test_a_cap_on_calls_pays_for_every_writing(calls: int) -> None:
    plan = Auto().plan(Room(None, calls, 1, 200, 100))
    each = plan.writings * CALLING * plan.children / (plan.depth * (plan.children + plan.keep))
    assert plan.evaluations * (1 + each) == pytest.approx(calls, rel=0.05, abs=5)
    assert plan.writings == 1 or plan.evaluations < TWICE


@pytest.mark.parametrize("calls", [12, 15, 20, 30, pytest.param(60, marks=pytest.mark.slow)])
def test_a_search_of_few_calls_asks_for_no_more_children_than_it_can_look_at(tmp_path: Path, calls: int) -> None:
    # Below 30 calls all went to the proposer once, and nothing that it wrote was scored.
    runs: list[Run] = []
    result = search(tmp_path, budget=Budget(calls=calls), runs=runs)
    children = [each.prompt for each in result.lineage if each.prompt != runs[0].initial]
    assert children
    assert all(runs[0].seen(child) for child in children)


@pytest.mark.parametrize(("budget", "first"), [(Budget(calls=160), True), (Budget(evaluations=160), False)])
def test_examples_that_tell_prompts_apart_come_first_where_children_are_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: Budget, first: bool
) -> None:
    asked: list[int] = []

    def as_they_come(self: TellingFirst, run: Run, order: list[Example]) -> list[Example]:
        asked.append(len(order))
        return order

    monkeypatch.setattr(TellingFirst, "_telling_first", as_they_come)
    search(tmp_path, budget=budget)
    assert bool(asked) == first
