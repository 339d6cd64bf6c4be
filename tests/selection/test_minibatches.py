"""What is known of prompts that were scored on minibatches, and which of them is scored in full next."""

from __future__ import annotations

import pytest

from promptopt.selection.minibatches import Minibatches
from promptopt.types import Estimate
from tests.selection.landscape import Landscape


def test_a_score_is_the_mean_of_the_minibatch_and_the_mean_that_of_all_examples_once_each() -> None:
    world = Landscape([[1.0, 0.0, 0.5, 0.0]])
    table = Minibatches(world, world.examples)  # pyright: ignore[reportArgumentType]
    (prompt,), (first, second, third, _) = world.prompts, world.examples
    assert table.score(prompt, [first, second]) == 0.5
    assert table.score(prompt, [first, third]) == 0.75
    assert table.mean(prompt) == pytest.approx((1.0 + 0.0 + 0.5) / 3)
    assert table.estimates() == [Estimate(prompt, table.mean(prompt), 3)]


def test_the_best_of_those_that_lack_examples_is_next_and_of_equals_the_earlier() -> None:
    world = Landscape([[0.2] * 3, [0.5] * 3, [0.5] * 3, [0.9] * 3])
    table = Minibatches(world, world.examples)  # pyright: ignore[reportArgumentType]
    worst, first, second, whole = world.prompts
    assert table.best_of_the_rest() is None
    for prompt in (whole, worst, first, second):
        table.score(prompt, world.examples if prompt == whole else world.examples[:2])
    assert table.best_of_the_rest() == first
    table.score(first, world.examples)
    assert table.best_of_the_rest() == second
    # Those scored in full come first, whatever the others are worth.
    assert [each.prompt for each in table.estimates()] == [whole, first, second, worst]
    table.score(worst, world.examples)
    assert [each.prompt for each in table.estimates()] == [whole, first, worst, second]
    table.score(second, world.examples)
    assert table.best_of_the_rest() is None
