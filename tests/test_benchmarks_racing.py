"""The policy that racing is held against: it knows what it needs to, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.racing_contenders import believed, chosen, trial
from tests.selection.landscape import plant


def test_with_all_cells_the_best_of_all_is_chosen() -> None:
    for number in range(3):
        _, right = plant(np.random.default_rng(number), arms=6, examples=60)
        means = right.mean(axis=1)
        assert means[chosen(right.astype(float), right.size)] == means.max()


def test_unseen_cells_change_nothing() -> None:
    _, right = plant(np.random.default_rng(5), arms=5, examples=80)
    scores, seen = right.astype(float), np.array([20, 30, 40, 20, 80])
    other = np.where(np.arange(80)[None, :] < seen[:, None], scores, 1 - scores)
    assert believed(scores, seen).mean == pytest.approx(believed(other, seen).mean)


def test_what_is_wholly_seen_is_known_exactly() -> None:
    _, right = plant(np.random.default_rng(6), arms=4, examples=50)
    scores, seen = right.astype(float), np.full(4, 50)
    belief = believed(scores, seen)
    differences = belief.mean[:, None] - belief.mean[None, :]
    assert differences == pytest.approx(scores.mean(axis=1)[:, None] - scores.mean(axis=1)[None, :])
    assert belief.gap[int(np.argmax(belief.mean))] == math.inf


def test_a_trial_is_the_same_again() -> None:
    assert trial(10_000, 6, 0.8) == trial(10_000, 6, 0.8)
