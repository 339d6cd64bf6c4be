"""Where runs differ most, how programs are drawn, how many demonstrations go, and which winners are scored; by hand."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from promptopt.optimizers.simba.contrast import Bucket, buckets, dropped, percentile, poisson, positions, softmax_draw
from promptopt.types import Example, Score


def bucket(*values: float) -> Bucket:
    [found] = buckets(
        [Example.of("yes", question="so?")], [[Score(value, str(place)) for place, value in enumerate(values)]]
    )
    return found


def test_runs_stand_best_first_and_ties_to_the_earlier() -> None:
    assert [score.output for score in bucket(0.5, 1.0, 0.5, 0.0).runs] == ["1", "0", "2", "3"]


def test_a_bucket_is_ordered_by_its_gap_its_best_and_its_best_over_the_mean() -> None:
    assert bucket(0.0, 1.0, 0.5).key == (1.0, 1.0, 0.5)
    assert bucket(0.25, 0.75).key == (0.5, 0.75, 0.25)
    rows = [[0.5, 0.0], [1.0, 0.5], [1.0, 0.5, 0.5], [1.0, 0.0], [0.5, 0.0]]
    examples = [Example.of("yes", question=str(number)) for number in range(5)]
    found = buckets(examples, [[Score(value) for value in row] for row in rows])
    assert [each.example["question"] for each in found] == ["3", "2", "1", "0", "4"]


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ((3.0, 0.0, 2.0, 1.0), 0.1, 0.3), ((3.0, 0.0, 2.0, 1.0), 0.9, 2.7), ((0.0, 10.0), 0.5, 5.0), ((7.0,), 0.1, 7.0),
        ((0.0, 1.0, 2.0), 1.0, 2.0), ((0.0, 1.0, 2.0), 0.0, 0.0), ((0.0, 4.0, 8.0), 0.5, 4.0),
    ],
)  # fmt: skip
def test_a_percentile_lies_between_its_neighbours_in_proportion(
    values: tuple[float, ...], share: float, found: float
) -> None:
    assert percentile(values, share) == pytest.approx(found)


def test_a_program_is_drawn_as_often_as_the_exponent_of_its_mean_says() -> None:
    weighed: list[list[float]] = []

    class Watched(random.Random):
        def choices(self, population: Any, weights: Any = None, **_: Any) -> Any:
            weighed.append(list(weights))
            assert list(population) == [0, 1, 2]
            return [1]

    assert softmax_draw(Watched(0), [0.5, 0.7, 0.1], 0.2) == 1
    assert weighed[0] == pytest.approx([math.exp(-1.0), 1.0, math.exp(-3.0)])
    # No overflow, whatever the scale of the scores.
    assert softmax_draw(random.Random(0), [-1e6, 1e6], 0.001) == 1


class Drawn(random.Random):
    """Draws what it is told."""

    def __init__(self, *values: float) -> None:
        super().__init__(0)
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0)


def test_a_draw_of_poisson_counts_factors_until_their_product_is_below_the_limit() -> None:
    # exp(-1) = 0.3679: 0.3 is below at once; 0.9 * 0.5 is above, and times 0.5 below.
    assert poisson(Drawn(0.3), 1.0) == 0
    assert poisson(Drawn(0.9, 0.5, 0.5), 1.0) == 2
    rng = random.Random(0)
    draws = [poisson(rng, 0.5) for _ in range(4_000)]
    assert sum(draws) / 4_000 == pytest.approx(0.5, abs=0.04)


def test_demonstrations_go_by_chance_and_one_at_least_where_there_are_as_many_as_told() -> None:
    demos = [Example.of("yes", question=str(number)) for number in range(4)]
    rng = random.Random(0)
    left = [dropped(rng, demos, 4) for _ in range(300)]
    assert {len(each) for each in left} >= {1, 2, 3}
    assert max(map(len, left)) == 3
    assert all(each == [demo for demo in demos if demo in each] for each in left)
    assert {demo["question"] for each in left for demo in each} == {"0", "1", "2", "3"}
    # Below that number all may stay.
    assert max(len(dropped(rng, demos[:3], 4)) for _ in range(100)) == 3
    assert all(dropped(rng, [], 4) == [] for _ in range(9))
    # Where none are to be kept the code's three stand in.
    assert max(len(dropped(rng, demos[:3], 0)) for _ in range(100)) == 2
    assert max(len(dropped(rng, demos[:2], 0)) for _ in range(100)) == 2


@pytest.mark.parametrize(
    ("last", "count", "places"),
    [
        (8, 6, [0, 1, 3, 4, 5, 7, 8]),
        (4, 2, [0, 2, 4]),
        (2, 6, [0, 1, 2]),
        (1, 1, [0, 1]),
        (0, 3, [0]),
        (6, 6, [*range(7)]),
    ],
)
def test_winners_are_spread_evenly_from_the_start_to_the_last(last: int, count: int, places: list[int]) -> None:
    assert positions(last, count) == places
