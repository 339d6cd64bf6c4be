from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from landscape import Landscape

from promptopt.selection.rejects import SuccessiveRejects, phase_lengths


def test_the_published_lengths():
    # K = 3, B = 103: L = 1/2 + 1/2 + 1/3 = 4/3; n_1 = 100 / (4/3 · 3) = 25, n_2 = 100 / (4/3 · 2) = 37.5
    assert phase_lengths(3, 1, 103) == [25, 38]
    scale = 0.5 + sum(1 / i for i in range(2, 37))
    assert phase_lengths(36, 1, 2048) == [ceil(2012 / (scale * (37 - k))) for k in range(1, 36)]


@pytest.mark.parametrize("finalists", [1, 2, 4, 9])
@pytest.mark.parametrize("arms", [10, 36])
@pytest.mark.parametrize("budget", [40, 1000, 2048])
def test_a_plan_costs_the_budget_and_no_more(finalists, arms, budget):
    lengths = phase_lengths(arms, finalists, budget)
    assert len(lengths) == arms - finalists
    assert lengths == sorted(lengths)
    cost = sum(lengths) + finalists * lengths[-1]
    assert budget - arms <= cost <= budget


@pytest.mark.parametrize("planned_for", ["keep", "one"])
def test_eight_rejections_each_of_the_lowest_cumulative_mean(planned_for):
    scores = (np.random.default_rng(2).random((10, 600)) < np.linspace(0.55, 0.75, 10)[:, None]).astype(float)
    landscape = Landscape(scores)
    estimates = SuccessiveRejects(1000, planned_for).select(landscape, landscape.prompts, landscape.examples, 2)
    assert landscape.asked <= 1000
    order = [landscape.arm[estimate.prompt] for estimate in estimates]

    seen = []
    for phase, (arms, columns) in enumerate(landscape.log):
        assert set(arms) == set(order[: 10 - phase])
        seen.extend(columns)
        means = scores[:, seen].mean(axis=1)
        leaves = order[9 - phase]
        assert all(means[leaves] < means[arm] or (means[leaves] == means[arm] and leaves > arm)
                   for arm in arms if arm != leaves)  # fmt: skip
    assert len(landscape.log) == 8
    assert means[order[0]] >= means[order[1]]


def test_what_it_spends_in_the_reference_simulation():
    landscape = Landscape(np.random.default_rng(0).random((36, 400)))
    SuccessiveRejects(planned_for="one").select(landscape, landscape.prompts, landscape.examples, 4)
    assert landscape.asked == 1602
