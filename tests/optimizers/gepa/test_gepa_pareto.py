"""Fronts, who survives on them, and how often each is drawn; all by hand."""

from __future__ import annotations

import math
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.optimizers.gepa.frontier import Frontier, front_row
from promptopt.optimizers.gepa.method import Acceptance
from promptopt.optimizers.gepa.pareto import Parents, draw_parent, fronts, survivors
from promptopt.optimizers.gepa.pool import CandidatePool
from promptopt.run import Run
from promptopt.types import Example, Prompt, Score


def on(*rows: tuple[float, ...]) -> tuple[dict[str, tuple[int, ...]], list[float]]:
    """Fronts and means of candidates that scored so on examples 0, 1, ..."""
    found = fronts([{str(place): value for place, value in enumerate(row)} for row in rows])
    return dict(found), [sum(row) / len(row) for row in rows]


def drawn(rule: Parents, *rows: tuple[float, ...], draws: int = 10_000) -> Counter[int]:
    found, means = on(*rows)
    rng = random.Random(0)
    return Counter(draw_parent(rule, found, means, rng) for _ in range(draws))


A, B, C, D = (1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (0.0, 1.0, 0.0), (1.0, 1.0, 1.0)


def test_a_front_holds_all_who_are_best_and_a_better_score_replaces_them() -> None:
    assert on(A, B, C)[0] == {"0": (0,), "1": (1, 2), "2": (1,)}
    assert on((0.5,), (0.5,), (0.7,))[0] == {"0": (2,)}
    assert on((0.7,), (0.5,), (0.7,))[0] == {"0": (0, 2)}


def test_graded_scores_tie_within_a_millionth() -> None:
    assert on((0.5,), (0.5 + 1e-8,), (0.5 - 1e-8,))[0] == {"0": (0, 1, 2)}
    assert on((0.5,), (0.50001,))[0] == {"0": (1,)}
    # By the best of all: a score that ties with one that ties with the best does not tie for that.
    assert on((0.5,), (0.5 - 8e-7,), (0.5 - 16e-7,))[0] == {"0": (0, 1)}


def test_who_shares_all_fronts_is_dominated_and_weights_are_the_number_of_fronts() -> None:
    assert survivors(*on(A, B, C)) == {0: 1, 1: 2}
    assert survivors(*on(A, B, C, D)) == {3: 3}


def test_domination_is_by_the_cover_of_the_others_and_not_by_vectors() -> None:
    rows = (1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0), (1.0, 0.0, 1.0, 0.0)
    assert survivors(*on(*rows)) == {0: 2, 1: 2}


def test_of_equal_candidates_the_younger_survives() -> None:
    assert survivors(*on(B, B, A)) == {1: 2, 2: 1}


def test_survivors_are_drawn_by_the_number_of_their_fronts() -> None:
    counts = drawn(Parents(), A, B, C)
    assert set(counts) == {0, 1}
    expected, error = 10_000 / 3, math.sqrt(10_000 * (1 / 3) * (2 / 3))
    assert abs(counts[0] - expected) < 3 * error


def test_the_best_is_the_oldest_of_the_highest_mean() -> None:
    assert set(drawn(Parents(rule="best"), A, B, B, draws=50)) == {1}


def test_epsilon_0_is_the_best_and_epsilon_1_is_anyone_the_dominated_too() -> None:
    assert set(drawn(Parents(rule="epsilon", epsilon=0.0), A, B, C, draws=50)) == {1}
    counts = drawn(Parents(rule="epsilon", epsilon=1.0), A, B, C)
    error = math.sqrt(10_000 * (1 / 3) * (2 / 3))
    assert all(abs(counts[each] - 10_000 / 3) < 4 * error for each in range(3))


def test_top_1_is_the_best_and_top_k_leaves_out_the_fronts_of_the_others() -> None:
    assert set(drawn(Parents(rule="top-k", top=1), A, B, C, draws=50)) == {1}
    # A, the sole holder of its front, has one of the two lowest means.
    rows = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, 0.0, 1.0, 1.0)
    assert set(drawn(Parents(rule="top-k", top=2), *rows, draws=200)) == {1, 2}
    # Nobody among the best k holds a front: the best mean is drawn.
    assert set(drawn(Parents(rule="top-k", top=1), (0.9, 0.9), (1.0, 0.0), (0.0, 1.0), draws=50)) == {0}


rows_of = st.integers(1, 6).flatmap(
    lambda width: st.lists(st.tuples(*[st.sampled_from((0.0, 0.5, 1.0))] * width), min_size=1, max_size=12)
)


@pytest.mark.slow
@given(rows_of)
def test_every_front_keeps_a_survivor_and_every_survivor_holds_one_alone(rows: list[tuple[float, ...]]) -> None:
    found, means = on(*rows)
    alive = survivors(found, means)
    assert all(any(each in alive for each in holders) for holders in found.values())
    for number, weight in alive.items():
        own = [holders for holders in found.values() if number in holders]
        assert weight == len(own)
        assert any(not any(other in holders for other in alive if other != number) for holders in own)


@pytest.mark.parametrize("wrong", [{"epsilon": 1.5}, {"top": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Parents(**wrong)  # type: ignore[arg-type]


def graded(frontier: Frontier, *rows: tuple[tuple[float, float, float], ...]) -> set[int]:
    """Who can be drawn, of candidates with (value, first part, second part) on each example."""
    examples = [Example.of("yes", question=str(number)) for number in range(len(rows[0]))]
    scored = [[Score(value, parts=(("one", one), ("two", two))) for value, one, two in row] for row in rows]
    found = fronts([front_row(frontier, examples, scores) for scores in scored])
    means = [sum(value for value, _, _ in row) / len(row) for row in rows]
    return set(survivors(found, means))


# The second candidate is best at nothing but the mean of the second part.
SUB = ((1.0, 1.0, 0.2), (1.0, 1.0, 0.2)), ((0.5, 0.1, 0.9), (0.5, 0.1, 0.0))


def test_who_is_best_at_a_part_alone_is_drawn_by_the_fronts_of_parts() -> None:
    assert graded("instance", *SUB) == {0}
    assert graded("objective", *SUB) == {0, 1}
    assert graded("hybrid", *SUB) == {0, 1}
    assert graded("cartesian", *SUB) == {0, 1}
    level = SUB[0], ((0.5, 0.1, 0.9), (0.5, 0.1, -0.6))
    assert graded("objective", *level) == {0}
    assert graded("cartesian", *level) == {0, 1}


@pytest.mark.parametrize(
    ("accept", "gain", "joins"),
    [
        # Sums of equal scores may differ by rounding, which decides nothing.
        (Acceptance(), 1e-10, False), (Acceptance(), 1e-8, True), (Acceptance(), 0.0, False),
        (Acceptance("as-good"), -1e-10, True), (Acceptance("as-good"), -1e-8, False),
        (Acceptance("as-good"), 0.0, True),
        (Acceptance(margin=0.5), 0.5 - 1e-10, True), (Acceptance(margin=0.5), 0.5 - 1e-8, False),
        (Acceptance("as-good", margin=0.5), 0.0, False),
    ],
)  # fmt: skip
def test_a_gain_joins_by_the_rule_or_from_the_margin_on(accept: Acceptance, gain: float, joins: bool) -> None:
    assert accept.admits(gain) is joins


ROWS = {
    "start": (0, 0, 0, 0, 0, 0), "three": (1, 1, 1, 0, 0, 0), "two": (0, 0, 0, 0.9, 0.9, 0),
    "best": (0.9, 0.9, 0.9, 0.8, 0.8, 0), "one": (0, 0, 0, 0, 0, 1),
}  # fmt: skip


def test_the_final_choice_begins_with_the_best_mean_and_the_two_others_on_most_fronts() -> None:
    ranked: list[list[str]] = []

    def evaluate(prompts: Any, examples: Any) -> Any:
        return {prompt: [Score(value) for value in ROWS[prompt["instruction"]]] for prompt in prompts}

    def rank_by(examples: Any, prompts: Any, *, others: bool) -> None:
        assert not others
        ranked.append([prompt["instruction"] for prompt in prompts])

    run = SimpleNamespace(initial=Prompt.of("start"), evaluate=evaluate, rank_by=rank_by)
    pool = CandidatePool(cast(Run, run), [Example.of("x", question=str(n)) for n in range(6)])
    for name in ("three", "two", "best", "one"):
        pool.join(Prompt.of(name), (0,))
    assert ranked[0] == ["start"]
    # Their fronts are three, two, none and one; the best by its mean is on none.
    assert ranked[-1] == ["best", "three", "two"]
    assert [each.prompt["instruction"] for each in pool.estimates()] == ["best", "three", "two", "one", "start"]
    assert pool.estimates()[0].mean == pytest.approx(4.3 / 6)
    assert pool.estimates()[0].count == 6


def test_a_merged_prompt_goes_on_where_the_further_of_its_parents_stood() -> None:
    run = SimpleNamespace(
        initial=Prompt.of("start"), evaluate=lambda prompts, examples: {prompts[0]: [Score(0.5)]},
        rank_by=lambda *_, **__: None,
    )  # fmt: skip
    pool = CandidatePool(cast(Run, run), [Example.of("x", question="0")])
    pool.join(Prompt.of("a"), (0,))
    assert pool.pointers == [0, 0]
    pool.pointers[0], pool.pointers[1] = 2, 1
    pool.join(Prompt.of("b"), (0, 1))
    pool.join(Prompt.of("c"), (1,))
    assert pool.pointers == [2, 1, 2, 1]
