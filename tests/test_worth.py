"""What candidates are worth by their lineage, and the final choice by all that is known of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.run.worth import pooled, worths
from promptopt.types import Prompt, Proposal

START, CHILD, GRANDCHILD = Prompt.of("Start."), Prompt.of("Child."), Prompt.of("Grandchild.")
LINEAGE = {
    START: Proposal(START),
    CHILD: Proposal(CHILD, (START,)),
    GRANDCHILD: Proposal(GRANDCHILD, (CHILD, START)),
}


def right(count: int, of: int, begin: int = 0) -> dict[str, float]:
    return {str(begin + number): float(number < count) for number in range(of)}


def test_every_step_down_the_lineage_is_shrunk() -> None:
    start = right(8, 20)
    child = {name: value for name, value in start.items() if int(name) < 10} | {"8": 1.0, "9": 1.0}
    grandchild = child | {"9": 0.0}
    found = worths([START, CHILD, GRANDCHILD], LINEAGE, {START: start, CHILD: child, GRANDCHILD: grandchild}, 0.4)
    assert [found[prompt] for prompt in (START, CHILD, GRANDCHILD)] == pytest.approx([0.40, 0.50, 0.45])


def test_without_shared_examples_a_mean_is_drawn_towards_the_parent() -> None:
    found = worths([START, CHILD], LINEAGE, {START: right(4, 10), CHILD: right(10, 10, begin=50)}, 0.4)
    assert found[CHILD] == pytest.approx((10 * 1.0 + 10 * 0.4) / 20)


def test_a_start_that_was_not_scored_has_the_worth_that_is_given() -> None:
    assert worths([START, CHILD], LINEAGE, {CHILD: right(10, 10)}, 0.5) == {START: 0.5, CHILD: 0.75}


def test_an_infinite_loss_is_worth_least_and_its_children_go_by_its_parent() -> None:
    known = {START: {"0": -1.0, "1": -1.0}, CHILD: {"0": -1.0, "1": -math.inf}, GRANDCHILD: {"0": -1.0, "1": -0.4}}
    found = worths([START, CHILD, GRANDCHILD], LINEAGE, known, -1.0)
    assert found[CHILD] == -math.inf
    assert found[GRANDCHILD] == pytest.approx(-1.0 + 0.6 / 12)


def test_prompts_that_are_each_others_parents_still_have_a_worth() -> None:
    loop = {START: Proposal(START), CHILD: Proposal(CHILD, (GRANDCHILD,)), GRANDCHILD: Proposal(GRANDCHILD, (CHILD,))}
    assert set(worths([START, CHILD, GRANDCHILD], loop, {}, 0.3).values()) == {0.3}


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=2, max_size=6))
def test_on_one_fixed_set_worth_orders_as_means_do(rows: list[list[bool]]) -> None:
    prompts = [Prompt.of(f"p{number}") for number in range(len(rows))]
    lineage = {
        prompt: Proposal(prompt, (prompts[max(0, place - 1)],) if place % 2 else ())
        for place, prompt in enumerate(prompts)
    }
    known = {
        prompt: {str(name): float(value) for name, value in enumerate(row)}
        for prompt, row in zip(prompts, rows, strict=True)
    }
    found = worths(prompts, lineage, known, 0.0)
    means = {prompt: sum(values.values()) for prompt, values in known.items()}
    for one in prompts[1:]:
        for other in prompts[1:]:
            assert found[one] <= found[other] + 1e-9 or means[one] > means[other]


def test_evidence_of_search_and_dev_is_pooled() -> None:
    assert pooled(15, 20, 0.62, 30) == pytest.approx(0.672)
    assert pooled(14, 20, 0.70, 60) == pytest.approx(0.700)
    assert pooled(14, 20, 0.5, 500) == pytest.approx((14 + 40) / 100)
    assert pooled(0, 0, 0.7, 0) == 0.7
    # What the search made impossible counts for as much as it was looked at: not at all, or all.
    assert pooled(3, 4, -math.inf, 0) == 0.75
    assert pooled(3, 4, -math.inf, 2) == -math.inf
