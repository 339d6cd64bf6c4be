"""A synthetic check: 36 arms, 400 examples of shared difficulty, 2,048 evaluations, a beam of four."""

from __future__ import annotations

import numpy as np
import pytest
from landscape import Landscape, plant

from promptopt.selection.bandits import UCB, UCBE
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving
from promptopt.selection.racing import Racing
from promptopt.selection.rejects import SuccessiveRejects

TRIALS = 200


def found(selector) -> tuple[float, float]:
    """How often the best arm is in the beam, and the beam's mean accuracy above that of all arms."""
    hits, gains = [], []
    for trial in range(TRIALS):
        _, right = plant(np.random.default_rng(trial))
        landscape = Landscape(right, seed=trial)
        estimates = selector.select(landscape, landscape.prompts, landscape.examples, 4)
        accuracy = right.mean(axis=1)
        beam = [landscape.arm[estimate.prompt] for estimate in estimates[:4]]
        assert landscape.asked <= selector.budget
        hits.append(accuracy.argmax() in beam)
        gains.append(accuracy[beam].mean() - accuracy.mean())
    return float(np.mean(hits)), float(np.mean(gains))


@pytest.fixture(scope="module")
def uniform() -> tuple[float, float]:
    return found(Exhaustive())


@pytest.mark.parametrize(
    "selector",
    [UCB(), UCB(exploration=1.0, examples_per_pull=32), UCBE(), SuccessiveRejects(),
     SuccessiveRejects(planned_for="one"), SuccessiveHalving(), Racing()],
    ids=str,
)  # fmt: skip
def test_finds_the_best_arm_at_least_as_often_as_uniform_allocation(selector, uniform):
    hits, gain = found(selector)
    assert hits >= uniform[0]
    assert gain > uniform[1]
