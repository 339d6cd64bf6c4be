"""A judge that leans is believed by nobody who has labels: the simulation behind `benchmarks/results/judges.md`."""

from __future__ import annotations

import pytest

from benchmarks.judges import CASES, simulate
from benchmarks.judges_looks import WORLDS
from benchmarks.judges_looks import simulate as simulate_looks

LEANS = next(case for case in CASES if case.lean and case.levels == 2)


@pytest.mark.parametrize(
    ("trials", "least", "most"), [(40, 0.89, 1.0), pytest.param(2000, 0.93, 0.97, marks=pytest.mark.slow)]
)
def test_labels_and_a_judge_that_leans_cover_the_truth_and_the_judge_alone_does_not(
    trials: int, least: float, most: float
) -> None:
    found = simulate(LEANS, 50, trials)
    assert least <= found["PPI++ t"].covered / trials <= most
    assert least <= found["as shipped"].covered / trials <= most
    assert found["judge alone"].covered / trials < 0.05
    assert found["judge alone"].better / trials > 0.95
    assert found["as shipped"].better / trials < 0.06


@pytest.mark.slow
def test_a_good_judge_makes_the_interval_narrower() -> None:
    found = simulate(CASES[0], 50, 60)
    assert found["as shipped"].width < 0.97 * found["people alone"].width


@pytest.mark.slow
def test_many_looks_at_a_test_of_a_fixed_size_call_too_much_and_a_sequential_one_does_not() -> None:
    world = WORLDS[0]
    often, seldom = (simulate_looks(world, rule, 100) for rule in ("fixed, at every look", "sequential"))
    assert world.gain == 0.0
    assert often.called > 0.1
    assert seldom.called <= 0.05
    gained = simulate_looks(WORLDS[2], "sequential", 40)
    assert gained.held > 0.95
    assert gained.held_items < 150
