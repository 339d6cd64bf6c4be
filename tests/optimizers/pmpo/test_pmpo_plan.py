"""What PMPO makes of a budget, by hand."""

from __future__ import annotations

import math

import pytest

from promptopt.optimizers.pmpo.plan import RewritingPlan, rewriting_plan
from promptopt.selection.depth import mean_depth, rounds_of
from promptopt.types import Room

OPEN = RewritingPlan(rounds=-1, examples=-1, parts=-1, hard=-1, samples=-1)
"""Nothing is set."""


def plan(cells: int, solutions: int = 0, **own: int) -> RewritingPlan:
    settings = {"rounds": -1, "examples": -1, "parts": -1, "hard": -1, "samples": -1, **own}
    return rewriting_plan(Room(cells, None, 1, 60, 40), RewritingPlan(**settings), solutions)  # type: ignore[arg-type]


def test_what_is_left_open_follows_the_budget() -> None:
    # 0.7 S^(1/3) = 7 rewrites, in two of four; one part is left out of about every other prompt.
    found = plan(1_000)
    assert (found.examples, found.parts, found.hard, found.samples, found.cells) == (60, 1, 2, 4, 1_000)
    assert found.depth == pytest.approx(0.8 * 1_000**0.25)
    assert found.arms == 1 + 1 + 2 * 4
    # log(4) / 1.2 * 1,000 / (depth * (10 + 1 / 2))
    assert found.rounds == round(math.log(4) / 1.2 * 1_000 / (found.depth * 10.5)) == 24


@pytest.mark.parametrize("value", [1, 2, 7])
def test_what_is_set_stays(value: int) -> None:
    for name in ("rounds", "examples", "parts", "hard", "samples"):
        assert getattr(plan(1_000, **{name: value}), name) == value
    assert plan(1_000, parts=0).parts == 0
    assert plan(1_000, rounds=0).rounds == 0
    # There are no more examples than the task has.
    assert plan(1_000, examples=99).examples == 60


def test_solutions_of_the_models_own_take_a_quarter_of_the_budget_and_are_for_three_examples_at_least() -> None:
    assert (plan(1_000, 5).examples, plan(1_000, 5).cells) == (50, 1_000 - 5 * 50)
    assert (plan(10_000, 5).examples, plan(10_000, 5).cells) == (60, 10_000 - 5 * 60)
    assert (plan(40, 5).examples, plan(40, 5).cells) == (3, 40 - 5 * 3)
    assert (plan(10, 5).examples, plan(10, 5).cells) == (3, 0)
    assert (plan(1_000, 5, examples=10).examples, plan(1_000, 5, examples=10).cells) == (10, 950)


def test_a_cap_on_calls_pays_for_the_proposer_too() -> None:
    found = rewriting_plan(Room(None, 1_000, 1, 60, 40), OPEN, 0)
    # An iteration sees (10 + 1 / 2) prompts on the mean depth, and asks for 8 rewrites and one marking.
    assert found.cells == int(1_000 / (1 + 9 / (mean_depth(1_000) * 10.5))) == 839
    assert found.rounds == rounds_of(839, 10.5 if found.samples == 4 else 0, found.depth)


@pytest.mark.parametrize(("cells", "lineage"), [(999, True), (1_000, False)])
def test_small_searches_go_by_all_relatives(cells: int, lineage: bool) -> None:
    assert plan(cells).lineage is lineage


def test_looks_grow_from_two_fifths_to_eight_fifths_of_the_mean() -> None:
    found = RewritingPlan(rounds=10, examples=60, parts=1, hard=2, samples=4, depth=5.0)
    assert [found.at(number) for number in (0, 5, 10)] == pytest.approx([2.0, 5.0, 8.0])
    assert found.describe() == "10 iterations of up to 8 rewrites, first looks of 2 to 8 examples"
    assert RewritingPlan(0, 1, 0, 1, 1, 5.0).at(0) == 2.0
    assert RewritingPlan(1, 1, 0, 1, 1).describe() == "1 iteration of up to 1 rewrite, all on the same 1 example"
