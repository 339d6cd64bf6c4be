"""What every selector keeps to, whatever its way of spending."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from landscape import Landscape

from promptopt.errors import BudgetSpent, ConfigError
from promptopt.selection.bandits import UCB, UCBE
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving
from promptopt.selection.item_response import ItemResponse
from promptopt.selection.racing import Racing
from promptopt.selection.rejects import SuccessiveRejects

MAKERS = {
    "exhaustive": Exhaustive,
    "ucb": UCB,
    "ucb as published": lambda budget: UCB(budget, exploration=1.0, examples_per_pull=32),
    "ucb one by one": lambda budget: UCB(budget, arms_per_round=1, examples_per_pull=1),
    "ucb-e": UCBE,
    "racing": Racing,
    "item-response": ItemResponse,
    "racing until the budget ends": lambda budget: Racing(budget, short="stop"),
    "successive-rejects": SuccessiveRejects,
    "successive-rejects as published": lambda budget: SuccessiveRejects(budget, planned_for="one"),
    "successive-halving": SuccessiveHalving,
    "successive-halving as published": lambda budget: SuccessiveHalving(budget, planned_for="one"),
}
every_selector = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def select(make, landscape, *, budget, keep):
    return make(budget).select(landscape, landscape.prompts, landscape.examples, keep)


@pytest.mark.slow
@every_selector
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_laws(make, data):
    arms, columns = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 30))
    budget, keep = data.draw(st.integers(0, 250)), data.draw(st.integers(1, 6))
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    scores = generator.choice(
        data.draw(st.sampled_from([(0, 1), (-3.5, -0.25), (0.5,), (-2, 0.1, 0.7)])), (arms, columns)
    )
    landscape = Landscape(scores)

    estimates = select(make, landscape, budget=budget, keep=keep)

    order = [landscape.arm[estimate.prompt] for estimate in estimates]
    assert sorted(order) == list(range(arms))
    assert landscape.asked <= budget
    for arm, estimate in zip(order, estimates, strict=True):
        seen = landscape.columns_of(arm)
        assert estimate.count == len(seen) == len(set(seen))
        if seen:
            assert estimate.mean == pytest.approx(scores[arm, seen].mean(), abs=1e-9)
        else:
            assert math.isnan(estimate.mean)
    counts = [estimate.count for estimate in estimates]
    evaluated = sum(count > 0 for count in counts)
    assert evaluated >= min(arms, budget)
    assert 0 not in counts[:evaluated]
    if make is ItemResponse and set(np.unique(scores)) <= {0, 1}:
        # It chooses the examples of each look, and ranks by what it expects of the others.
        return
    kept = [estimate.mean for estimate in estimates[: min(keep, evaluated)]]
    assert kept == sorted(kept, reverse=True)
    longest = max((landscape.columns_of(arm) for arm in order), key=len)
    assert all(landscape.columns_of(arm) == longest[: len(landscape.columns_of(arm))] for arm in order)


@pytest.mark.slow
@every_selector
@given(
    values=st.lists(st.integers(-20, 20), min_size=1, max_size=14, unique=True),
    columns=st.integers(1, 20),
    spare=st.integers(0, 200),
    keep=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_without_noise_the_best_are_kept_in_order(make, values, columns, spare, keep):
    landscape = Landscape(np.repeat(np.array(values)[:, None], columns, axis=1))
    estimates = select(make, landscape, budget=len(values) + spare, keep=keep)
    assert [estimate.mean for estimate in estimates[:keep]] == sorted(values, reverse=True)[:keep]


@every_selector
def test_negative_scores_never_lose_to_unevaluated_prompts(make):
    landscape = Landscape(np.full((9, 40), -1.0) - np.arange(9)[::-1, None])
    estimates = select(make, landscape, budget=5, keep=2)
    assert [estimate.mean for estimate in estimates[:5]] == [-5, -6, -7, -8, -9]
    assert [landscape.arm[estimate.prompt] for estimate in estimates] == [4, 3, 2, 1, 0, 5, 6, 7, 8]
    assert [estimate.count for estimate in estimates] == [1] * 5 + [0] * 4


@every_selector
@pytest.mark.parametrize("value", [1.0, 0.7, 0.1])
def test_equal_prompts_stay_in_the_order_given(make, value):
    landscape = Landscape(np.full((11, 50), value))
    estimates = select(make, landscape, budget=300, keep=4)
    assert [landscape.arm[estimate.prompt] for estimate in estimates[:4]] == [0, 1, 2, 3]


@every_selector
def test_nothing_to_decide_still_measures(make):
    landscape = Landscape(np.ones((3, 50)))
    estimates = select(make, landscape, budget=90, keep=3)
    assert [estimate.count for estimate in estimates] == [30, 30, 30]


@every_selector
def test_a_lone_prompt_is_measured_on_all_the_budget_allows(make):
    assert select(make, Landscape(np.ones((1, 50))), budget=20, keep=4)[0].count == 20
    assert select(make, Landscape(np.ones((1, 50))), budget=2000, keep=1)[0].count == 50


@every_selector
def test_without_budget_nothing_is_asked(make):
    landscape = Landscape(np.ones((4, 10)))
    estimates = select(make, landscape, budget=0, keep=2)
    assert [estimate.prompt for estimate in estimates] == list(landscape.prompts)
    assert [estimate.count for estimate in estimates] == [0, 0, 0, 0]
    assert landscape.log == []


@every_selector
def test_little_data_makes_every_kept_mean_exact(make):
    scores = np.random.default_rng(3).random((6, 5))
    estimates = select(make, landscape := Landscape(scores), budget=2048, keep=2)
    exact = np.sort(scores.mean(axis=1))[::-1][:2]
    assert [estimate.mean for estimate in estimates[:2]] == pytest.approx(exact.tolist())
    assert landscape.asked <= scores.size


@every_selector
def test_repeated_prompts_and_examples_count_once(make):
    landscape = Landscape([[1, 1, 1, 1], [0, 0, 0, 0]])
    first, second = landscape.prompts
    estimates = make(100).select(landscape, [first, second, first], landscape.examples * 2, 1)
    assert [estimate.prompt for estimate in estimates] == [first, second]
    assert estimates[0].count == 4


@every_selector
def test_a_stop_of_the_run_passes_through(make):
    with pytest.raises(BudgetSpent):
        select(make, Landscape(np.ones((6, 40)), limit=50), budget=200, keep=2)


@every_selector
def test_no_prompts_no_estimates(make):
    landscape = Landscape(np.ones((1, 4)))
    assert make(100).select(landscape, [], landscape.examples, 2) == []


@every_selector
def test_unusable_settings_are_refused(make):
    landscape = Landscape(np.ones((2, 4)))
    with pytest.raises(ConfigError, match="no examples"):
        make(100).select(landscape, landscape.prompts, [], 1)
    with pytest.raises(ConfigError, match="keep is 0"):
        select(make, landscape, budget=100, keep=0)
    with pytest.raises(ConfigError, match="budget is -1"):
        make(-1)


@every_selector
def test_one_seed_one_course_and_a_new_order_every_call(make):
    scores = np.random.default_rng(0).random((9, 60))

    def course(seed):
        landscape = Landscape(scores, seed=seed)
        estimates = [select(make, landscape, budget=120, keep=3) for _ in range(2)]
        return estimates, landscape.log

    assert course(1) == course(1)
    assert course(1) != course(2)
    log = course(1)[1]
    second_call = next(at for at in range(1, len(log)) if 0 in log[at][0] and len(log[at][0]) == 9 and at > 0)
    assert log[0][1] != log[second_call][1]
