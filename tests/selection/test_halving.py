from __future__ import annotations

import numpy as np
import pytest
from landscape import Landscape

from promptopt.selection.halving import SuccessiveHalving


def batches(landscape: Landscape) -> list[tuple[int, int]]:
    return [(len(arms), len(columns)) for arms, columns in landscape.log]


def run(selector: SuccessiveHalving, arms: int, keep: int, columns: int = 400) -> Landscape:
    landscape = Landscape(np.random.default_rng(1).random((arms, columns)))
    selector.select(landscape, landscape.prompts, landscape.examples, keep)
    return landscape


def test_shares_and_survivors():
    # 36 -> 18 -> 9 -> 5 -> 4: four phases of 2048 / 4 = 512 evaluations
    assert batches(run(SuccessiveHalving(), 36, 4)) == [(36, 14), (18, 28), (9, 56), (5, 102)]


def test_the_published_plan_halves_down_to_one():
    # ceil(log2 36) = 6 phases of 341, the last with nobody left to drop
    expected = [(36, 9), (18, 18), (9, 37), (5, 68), (4, 85), (4, 85)]
    assert batches(run(SuccessiveHalving(planned_for="one"), 36, 4)) == expected


def test_both_plans_are_one_for_a_beam_of_one():
    plans = [run(SuccessiveHalving(planned_for=plan), 36, 1).log for plan in ("keep", "one")]
    assert plans[0] == plans[1]
    assert batches(run(SuccessiveHalving(), 8, 1)) == [(8, 85), (4, 170), (2, 145)]


def test_a_share_below_one_example_still_gives_one():
    assert batches(run(SuccessiveHalving(budget=40), 36, 1)) == [(36, 1), (3, 1)]


@pytest.mark.parametrize("seed", range(4))
def test_ties_go_to_the_earlier_arm_whoever_led_before(seed):
    landscape = Landscape([[0, 1], [1, 0], [0, 0], [0, 0]], seed=seed)
    estimates = SuccessiveHalving(8).select(landscape, landscape.prompts, landscape.examples, 1)
    assert [estimate.mean for estimate in estimates[:2]] == [0.5, 0.5]
    assert estimates[0].prompt == landscape.prompts[0]


@pytest.mark.parametrize("planned_for", ["keep", "one"])
def test_the_dropped_stand_in_the_order_they_held_out(planned_for):
    landscape = Landscape(np.random.default_rng(7).random((12, 100)))
    estimates = SuccessiveHalving(300, planned_for).select(landscape, landscape.prompts, landscape.examples, 3)
    counts = [estimate.count for estimate in estimates]
    assert counts == sorted(counts, reverse=True)
    for count in set(counts):
        means = [estimate.mean for estimate in estimates if estimate.count == count]
        assert means == sorted(means, reverse=True)
