"""What SPRIG's population plans on its budget, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.optimizers.sprig.method import Sprig, _Search
from promptopt.optimizers.sprig.plan import SprigPlan
from promptopt.optimizers.sprig.population_plan import PopulationPlan, planned_population
from promptopt.selection.generations import Preset
from promptopt.types import Room


def plan(cells: int, train: int = 500, examples: int | None = None, steps: int | None = None) -> PopulationPlan:
    return planned_population(Room(cells, None, 1, train, 20), cells, examples, steps, writes=True)


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        # (steps, prompts for the surrogate, by chance, best, examples): fewer than 5 * 12 * 24 cells halve the
        # examples, again and again while there are more than four. 1,440 / 24 prompts less the start: 0.4 of 59 for
        # the surrogate, two steps of 35 / 2 less the start, a third of them the best.
        (1_440, (2, 24, 11, 5, 24)),
        (1_439, (5, 47, 9, 4, 12)),
        (1_000, (3, 33, 10, 5, 12)),
        (719, (5, 47, 9, 4, 6)),
        (359, (5, 47, 9, 4, 3)),
        # 25 steps at most.
        (100_000, (25, 1_666, 66, 32, 24)),
        # And next to nothing: a prompt for the surrogate, and a step of one.
        (4, (1, 1, 0, 1, 3)),
    ],
)
def test_a_budget_pays_for_examples_then_for_the_surrogate_then_for_steps(
    cells: int, wanted: tuple[int, int, int, int, int]
) -> None:
    found = plan(cells)
    assert (found.steps, found.data, found.tried, found.best, found.examples) == wanted
    assert (found.population, found.written, found.evaluations) == (1_000, found.best, cells)
    assert found.rounds == found.steps


def test_what_is_set_stays_and_there_are_no_more_examples_than_the_task_has() -> None:
    found = plan(1_000, examples=6, steps=3)
    assert (found.steps, found.data, found.tried, found.best, found.examples) == (3, 66, 22, 10, 6)
    assert plan(1_000, train=5).examples == 5
    assert plan(100, train=9, examples=8).examples == 8


def test_without_a_cap_the_proposer_writes_its_share_of_the_lower_half_or_nothing() -> None:
    room = Room(None, None, 1, 7, 20)
    assert planned_population(room, None, None, None, writes=True) == PopulationPlan(
        25, 9_000, 10_000, 100, 10, 7, 382, None
    )
    assert planned_population(room, None, 5, 4, writes=False) == PopulationPlan(4, 9_000, 10_000, 100, 10, 5, 0, None)


@pytest.mark.parametrize(
    ("preset", "cells", "wanted"),
    [("budget", 500, (4, 12, 3)), ("paper", 500, (10, 60, 10)), ("budget", None, (10, 60, 10))],
)
def test_a_beam_is_small_under_a_budget_alone(preset: Preset, cells: int | None, wanted: tuple[int, int, int]) -> None:
    found = Sprig(search="beam", preset=preset).plan(Room(cells, None, 1, 100, 20))
    assert isinstance(found, SprigPlan)
    assert (found.beam, found.pool, found.rephrasings) == wanted
    own = Sprig(search="beam", beam=7, pool=9, rephrasings=0, preset=preset).plan(Room(cells, None, 1, 100, 20))
    assert isinstance(own, SprigPlan)
    assert (own.beam, own.pool, own.rephrasings) == (7, 9, 0)


def test_a_plan_in_half_a_sentence() -> None:
    assert PopulationPlan(1, 1_000, 1, 3, 1, 1, 0, 9).describe() == (
        "1 prompt for the surrogate, then 1 step of 4 of a population of 1,000, 1 example each"
    )


def test_an_addition_is_credited_with_the_change_a_deletion_with_its_negative_and_a_swap_not_at_all() -> None:
    noted: list[tuple[str, float]] = []
    search: Any = SimpleNamespace(_credits=SimpleNamespace(add=lambda family, change: noted.append((family, change))))
    edits: Any = {"new": [SimpleNamespace(kind=kind, family=kind, parent=()) for kind in ("add", "delete", "swap")]}
    _Search._credit(search, edits, {"new": 0.75, "": 0.5}, ["new"])
    assert noted == [("add", 0.25), ("delete", -0.25)]
