"""What Bootstrap plans in a room, and what it expects to cost at most, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.bootstrap.method import Bootstrap
from promptopt.types import Room, UpperBounds


def room(cells: int | None, train: int = 120) -> Room:
    return Room(cells, None, 1, train, 40)


@pytest.mark.parametrize(
    ("share", "train", "shown"), [(0.5, 40, 20), (0.3, 40, 12), (1.0, 40, 39), (0.0, 40, 1), (0.5, 2, 1), (0.9, 1, 1)]
)
def test_a_share_is_shown_one_at_least_and_one_is_left_to_score_on(share: float, train: int, shown: int) -> None:
    assert Bootstrap(share=share).plan(room(None, train)).shown == shown


@pytest.mark.parametrize(("cells", "shown"), [(60, 8), (90, 9), (400, 40), (900, 60)])
def test_under_a_budget_a_tenth_of_it_is_shown_or_what_fills_two_sets(cells: int, shown: int) -> None:
    assert Bootstrap().plan(room(cells)).shown == shown


def test_the_code_s_rule_stands_by_name_by_a_number_of_sets_and_without_a_cap() -> None:
    for method, where in (
        (Bootstrap("paper"), room(300)), (Bootstrap(sets=16), room(300)), (Bootstrap(), room(None)),
    ):  # fmt: skip
        plan = method.plan(where)
        assert (plan.fresh, plan.rounds, plan.sets, plan.shown) == (None, 1, 16, 60)
    assert Bootstrap().plan(room(300)).fresh is not None


def test_what_demonstrations_cost_is_not_there_for_generations() -> None:
    for tries in (1, 3):
        plan = Bootstrap(teach=Teaching(tries=tries)).plan(room(400))
        assert plan.fresh is not None
        assert plan.fresh.evaluations == 400 - 40 * tries
        # A set asks nothing of the proposer.
        called = Bootstrap(teach=Teaching(tries=tries)).plan(Room(None, 400, 1, 120, 40))
        assert called.fresh == plan.fresh
        assert plan.sets == plan.rounds * plan.fresh.children


def test_bounds_count_the_tries_and_every_candidate_on_what_is_not_shown() -> None:
    method = Bootstrap(sets=3, teach=Teaching(tries=2))
    # The start, none, labelled, one in order, and three shuffled sets, on 20 of 40 each.
    assert method.upper_bounds(40) == UpperBounds(20 * 2 + 7 * 20, 0, 0)
    assert method.least(room(500, 40)) == 20 * 2 + 7 * 20
    assert replace(method, sets=0).upper_bounds(40).evaluations == 20 * 2 + 4 * 20
    # The proposer is asked where it is the teacher, and nobody else.
    for teacher, calls in (("proposer", 40), ("task", 0), ("teacher", 0)):
        taught = replace(method, teach=Teaching(tries=2, teacher=teacher))  # type: ignore[arg-type]
        assert taught.upper_bounds(40).proposer_calls == calls
    assert method.upper_bounds_in(room(100, 40)).evaluations == 100


def test_the_least_of_a_budget_is_two_sets_tries_and_all_and_two_generations() -> None:
    # A generation of four and two that went on, on three examples each.
    assert Bootstrap().least(room(500)) == 2 * 4 + 2 * 18
    assert Bootstrap(teach=Teaching(bootstrapped=2, tries=3)).least(room(500)) == 2 * 2 * 3 + 2 * 18
