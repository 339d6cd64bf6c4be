from __future__ import annotations

import math

import numpy as np
import pytest
from landscape import Landscape

from promptopt.errors import ConfigError
from promptopt.selection.bandits import UCB, UCBE, ucb_e_index, ucb_index


def test_indices_on_a_hand_made_state():
    # ln 1152 = 7 ln 2 + 2 ln 3 = 7.0492548412558…; divided by 32: 0.22028921378924…; its root: 0.46934977…
    bonus = ((7 * 0.6931471805599453 + 2 * 1.0986122886681098) / 32) ** 0.5
    assert ucb_index(0.6, 32, 1152, 1.0) == pytest.approx(0.6 + bonus, abs=1e-9)
    assert ucb_index(-2.0, 32, 1152, 0.25) == pytest.approx(-2.0 + bonus / 4, abs=1e-9)
    assert ucb_index(0.6, 7, 1, 1.0) == 0.6
    assert ucb_e_index(0.6, 16, 1.0) == pytest.approx(0.85, abs=1e-9)
    assert ucb_e_index(0.6, 16, 0.25) == pytest.approx(0.725, abs=1e-9)


RULES = {
    "ucb": (UCB, lambda mean, count, total, c: mean + c * math.sqrt(math.log(total) / count)),
    "ucb-e": (UCBE, lambda mean, count, total, a: mean + math.sqrt(a / count)),
}


@pytest.mark.parametrize(("selector", "rule"), RULES.values(), ids=RULES)
@pytest.mark.parametrize("columns", [400, 30])
def test_every_round_pulls_the_largest_indices(selector, rule, columns):
    scores = (np.random.default_rng(5).random((10, columns)) < 0.7).astype(float)
    landscape = Landscape(scores)
    selector(budget=600, exploration=0.4, arms_per_round=3, examples_per_pull=4).select(
        landscape, landscape.prompts, landscape.examples, 2
    )

    assert landscape.log[0][0] == tuple(range(10))
    seen = {arm: list(landscape.log[0][1]) for arm in range(10)}
    pulls = [(arm, columns) for arms, columns in landscape.log[1:] for arm in arms]
    rounds = 0
    while pulls:
        total = sum(map(len, seen.values()))
        index = {
            arm: scores[arm, got].mean() if len(got) == columns else rule(scores[arm, got].mean(), len(got), total, 0.4)
            for arm, got in seen.items()
        }
        largest = sorted(index, key=lambda arm: (-index[arm], arm))[:3]
        expected = {arm for arm in largest if len(seen[arm]) < columns}
        affordable = expected if 600 - total >= 12 else set()
        batch, pulls = pulls[: len(expected)], pulls[len(expected) :]
        assert {arm for arm, _ in batch} <= expected
        assert {arm for arm, _ in batch} >= affordable
        for arm, got in batch:
            seen[arm].extend(got)
        rounds += 1
    assert rounds > 10


@pytest.mark.parametrize("selector", [UCB, UCBE])
def test_every_arm_is_pulled_before_any_a_second_time_and_rounds_differ(selector):
    landscape = Landscape(np.full((6, 100), 0.5))
    selector(budget=100, arms_per_round=2, examples_per_pull=5).select(
        landscape, landscape.prompts, landscape.examples, 1
    )
    assert landscape.log[0] == (tuple(range(6)), landscape.log[0][1])
    assert [arms for arms, _ in landscape.log[1:4]] == [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize("selector", [UCB, UCBE])
def test_stops_when_the_leaders_have_seen_all_the_data(selector):
    landscape = Landscape(np.repeat(np.linspace(1, 0, 20)[:, None], 40, axis=1))
    estimates = selector(exploration=0.0, examples_per_pull=10).select(
        landscape, landscape.prompts, landscape.examples, 4
    )
    assert [estimate.count for estimate in estimates] == [40] * 8 + [10] * 12


@pytest.mark.parametrize("selector", [UCB, UCBE])
def test_a_wide_beam_is_measured_beyond_one_round_of_arms(selector):
    landscape = Landscape(np.repeat(np.linspace(1, 0, 9)[:, None], 40, axis=1))
    estimates = selector(exploration=0.0, arms_per_round=2, examples_per_pull=10).select(
        landscape, landscape.prompts, landscape.examples, 5
    )
    assert [estimate.count for estimate in estimates] == [40] * 5 + [10] * 4
    assert [len(arms) for arms, _ in landscape.log[:3]] == [9, 2, 2]


def test_a_small_budget_keeps_half_for_adapting():
    landscape = Landscape(np.ones((10, 100)))
    UCB(budget=200).select(landscape, landscape.prompts, landscape.examples, 2)
    assert len(landscape.log[0][1]) == 10
    assert landscape.asked == 200


def test_the_last_round_takes_what_is_left():
    landscape = Landscape(np.full((4, 100), 0.5))
    UCB(budget=47, arms_per_round=2, examples_per_pull=5).select(landscape, landscape.prompts, landscape.examples, 1)
    assert landscape.asked == 47


@pytest.mark.parametrize("selector", [UCB, UCBE])
@pytest.mark.parametrize(
    ("setting", "value"),
    [("exploration", -0.1), ("exploration", math.nan), ("arms_per_round", 0), ("examples_per_pull", 0)],
)
def test_unusable_settings_are_refused(selector, setting, value):
    with pytest.raises(ConfigError, match=setting):
        selector(**{setting: value})
