"""Looks by the value of information: which prompt, which examples, and when no more."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from landscape import Landscape, plant

from promptopt.run import Run
from promptopt.selection.arms import Arms
from promptopt.selection.item_response import CellTable, ItemResponse
from promptopt.selection.racing import Racing


def select(landscape: Landscape, budget: int, keep: int = 1, **settings: int) -> list[int]:
    """The arms, best first."""
    chosen = ItemResponse(budget, **settings).select(cast(Run, landscape), landscape.prompts, landscape.examples, keep)
    return [landscape.arm[estimate.prompt] for estimate in chosen]


def test_a_prompt_sees_first_what_divided_the_others() -> None:
    scores = np.ones((5, 60))
    # Half of the examples all get right, the others every second prompt.
    scores[::2, 1::2] = 0.0
    landscape = Landscape(scores)
    run = cast(Run, landscape)
    arms = Arms(run, landscape.prompts, landscape.examples, 300, 1)
    arms.pull(range(5), 6)
    table = CellTable(run, arms, 6)
    for row in range(4):
        table.score(row, range(6, 60))
    order = table.dividing(table.believed(None), 4)
    columns = [landscape.examples.index(arms.sample[at]) for at in order]
    assert len(columns) == 54
    divided = [column % 2 == 1 for column in columns]
    assert divided == sorted(divided, reverse=True)


def test_all_see_the_first_examples_together_and_then_one_prompt_a_look() -> None:
    landscape = Landscape(plant(np.random.default_rng(4), arms=8, examples=120)[1])
    select(landscape, 400, first=10, step=5)
    arms, columns = landscape.log[0]
    assert (arms, len(columns)) == (tuple(range(8)), 10)
    assert all(len(arms) == 1 and 1 <= len(columns) <= 5 for arms, columns in landscape.log[1:])
    assert landscape.asked <= 400


def test_what_is_settled_is_not_looked_at_any_more() -> None:
    scores = np.zeros((6, 200))
    scores[3] = 1.0
    landscape = Landscape(scores)
    assert select(landscape, 1200)[0] == 3
    assert landscape.asked < 400


@pytest.mark.parametrize("keep", [1, 2])
def test_an_impossible_score_after_the_first_look_is_last(keep: int) -> None:
    for seed in range(8):
        scores = np.random.default_rng(seed).integers(0, 2, (4, 12)).astype(float)
        scores[2] = 1.0
        scores[2, 7] = -np.inf
        landscape = Landscape(scores)
        order = select(landscape, 48, keep, first=2, step=12)
        if 7 in landscape.columns_of(2):
            assert order[-1] == 2


def test_those_that_are_kept_are_looked_at_against_those_that_are_not() -> None:
    """Of three that are far ahead two are wanted: who of them leaves is the question, not who is first."""
    generator = np.random.default_rng(2)
    shares = np.array([0.1, 0.1, 0.1, 0.75, 0.8, 0.85])
    landscape = Landscape(generator.random((6, 300)) < shares[:, None])
    select(landscape, 700, keep=2)
    counts = [len(landscape.columns_of(arm)) for arm in range(6)]
    assert min(counts[3:]) > max(counts[:3])


def test_a_graded_score_makes_it_a_race_on_the_same_first_look() -> None:
    scores = np.random.default_rng(5).random((7, 90))
    landscape, raced = Landscape(scores), Landscape(scores)
    order = select(landscape, 300)
    race = Racing(300, 300 // (4 * 7)).select(cast(Run, raced), raced.prompts, raced.examples, 1)
    assert order == [raced.arm[estimate.prompt] for estimate in race]
    assert landscape.log == raced.log


@pytest.mark.parametrize("late", [float("-inf"), 0.5, 7.0, -3.0])
def test_another_score_after_the_first_look_ends_in_an_order(late: float) -> None:
    scores = (np.random.default_rng(6).random((5, 80)) < 0.6).astype(float)
    landscape = Landscape(scores)
    first = Landscape(scores)
    select(first, 300, first=5)
    # Where the first look does not go.
    for column in set(range(80)) - set(first.log[0][1]):
        scores[2, column] = late
    landscape = Landscape(scores)
    order = select(landscape, 300, first=5)
    assert sorted(order) == list(range(5))
    if late < 0.0:
        assert order[0] != 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_finds_the_best_more_often_than_a_race_for_the_same() -> None:
    found = {"race": 0, "item response": 0}
    for trial in range(700, 730):
        right = plant(np.random.default_rng(trial), arms=16)[1]
        budget, means = right.size // 3, right.mean(axis=1)
        landscape, raced = Landscape(right, seed=trial), Landscape(right, seed=trial)
        best = select(landscape, budget, step=20)[0]
        race = Racing(budget).select(cast(Run, raced), raced.prompts, raced.examples, 1)[0]
        found["item response"] += int(means[best] == means.max())
        found["race"] += int(means[raced.arm[race.prompt]] == means.max())
        assert landscape.asked <= budget
    assert found["item response"] > found["race"], found
