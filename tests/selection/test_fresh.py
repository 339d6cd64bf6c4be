"""Successive rejects on a fresh draw, and the arithmetic of a planned search."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.selection.depth import depth_at, generation_size, mean_depth
from promptopt.selection.fresh import FreshRejects, evaluations_of, looks
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Estimate, Example, Prompt, Score, ScoreMatrix


@pytest.mark.parametrize(
    ("arms", "budget", "expected", "evaluations"),
    [
        (10, 98, [4, 4, 5, 5, 6, 8, 10, 13], 81),
        (10, 49, [2, 2, 2, 2, 3, 4, 5, 6], 38),
        (6, 18, [1, 1, 2, 3], 13),
    ],
)
def test_first_looks_are_short_and_the_last_are_longest(arms, budget, expected, evaluations) -> None:
    found = looks(arms, 2, budget)
    assert found == expected
    cost = sum(
        (late - early) * (arms - place) for place, (early, late) in enumerate(zip([0, *found], found, strict=False))
    )
    assert cost == evaluations


def selected(home: Path, choose) -> list:
    """What `choose(run)` gives, in a run on the planted task."""
    found: list = []

    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            found.append(choose(run))

    model = planted_model(feature_accuracy(["carefully"], base=0.2, each=0.7))
    optimize(planted_task(), Once(), model=model, store=home / "store.db")
    return found[0]


def prompts(run: Run, count: int) -> list[Prompt]:
    return [run.initial.replace("instruction", f"Answer {number}.") for number in range(count)]


def test_the_best_of_many_is_found_and_the_cost_is_as_planned(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[list[Estimate], int, Prompt]:
        good = run.initial.replace("instruction", "Answer carefully.")
        ranked = FreshRejects(98).select(run, [*prompts(run, 9), good], run.train, 2)
        return ranked, run.spent.evaluations, good

    ranked, spent, good = selected(tmp_path, choose)
    assert ranked[0].prompt == good
    assert [estimate.count for estimate in ranked] == [13, 13, 13, 10, 8, 6, 5, 5, 4, 4]
    assert spent == 81


def test_two_calls_look_at_different_examples_and_older_scores_decide_nothing(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[list[Estimate], list[Estimate], Run]:
        arms = prompts(run, 6)
        first = FreshRejects(18).select(run, arms, run.train, 2)
        return first, FreshRejects(18).select(run, arms, run.train, 2), run

    first, second, run = selected(tmp_path, choose)
    assert [estimate.count for estimate in second] == [estimate.count for estimate in first] == [3, 3, 3, 2, 1, 1]
    seen = [run.estimate(estimate.prompt, run.train).count for estimate in second]
    assert max(seen) > 3


def test_of_equal_arms_the_later_leave_first(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[list[Prompt], list[Estimate]]:
        arms = [Prompt.of(f"Answer carefully, carefully {number}.") for number in range(5)]
        return arms, FreshRejects(5).select(run, arms, [Example.of("no", question="never right?")], 2)

    arms, ranked = selected(tmp_path, choose)
    assert len({estimate.mean for estimate in ranked}) == 1
    assert [estimate.prompt for estimate in ranked] == arms


def test_few_arms_all_see_their_share(tmp_path: Path) -> None:
    ranked = selected(tmp_path, lambda run: FreshRejects(12).select(run, prompts(run, 2), run.train, 2))
    assert [estimate.count for estimate in ranked] == [6, 6]


def test_a_look_that_is_whole_but_for_rounding_is_whole() -> None:
    # 125 / ((1 + 1/2 + 1/3 + 1/4) * 4) is 15, and 125 / ((25 / 12) * 2) is 30: in floats a hair less.
    assert looks(4, 1, 125) == [15, 20, 30]
    assert looks(4, 1, 124) == [14, 19, 29]
    assert looks(4, 4, 125) == []
    # All four see the first 15, three of them five more, and two the last ten.
    assert evaluations_of(4, [15, 20, 30]) == 4 * 15 + 3 * 5 + 2 * 10
    assert evaluations_of(4, []) == 0


def test_where_nobody_has_to_leave_everyone_is_looked_at_once_at_least(tmp_path: Path) -> None:
    ranked = selected(tmp_path, lambda run: FreshRejects(1).select(run, prompts(run, 2), run.train, 2))
    assert [estimate.count for estimate in ranked] == [1, 1]
    assert selected(tmp_path / "none", lambda run: FreshRejects(1).select(run, [], run.train, 2)) == []


def test_nothing_to_look_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no examples"):
        selected(tmp_path, lambda run: FreshRejects().select(run, prompts(run, 3), [], 2))
    with pytest.raises(ConfigError, match="budget"):
        FreshRejects(0)


@pytest.mark.parametrize(
    ("evaluations", "size", "depth"),
    [(109, 4, 3.0), (273, 5, 3.3), (550, 6, 3.9), (1_400, 8, 4.9), (4_100, 11, 6.4), (19_100, 19, 9.4)],
)
def test_generations_and_looks_grow_with_what_the_search_is_granted(evaluations, size, depth) -> None:
    assert generation_size(evaluations) == size
    assert mean_depth(evaluations) == pytest.approx(depth, abs=0.06)


def test_looks_deepen_over_the_search() -> None:
    assert depth_at(3.3, 0.0) == pytest.approx(0.4 * 3.3)
    assert depth_at(3.3, 1.0) == depth_at(3.3, 1.2) == pytest.approx(1.6 * 3.3)


@pytest.mark.parametrize("keep", [1, 2])
def test_of_equal_answers_the_right_labels_share_says_who_is_better(keep: int) -> None:
    likely = {Prompt.of("Unsure."): 0.4, Prompt.of("Sure."): 0.9}

    def evaluate(prompts: list[Prompt], examples: list[Example]) -> ScoreMatrix:
        return ScoreMatrix(examples, {each: [Score(1.0, probability=likely[each])] * len(examples) for each in prompts})

    run: Any = SimpleNamespace(evaluate=evaluate, rng=random.Random)
    ranked = FreshRejects(12).select(run, list(likely), planted_task().train, keep)
    assert [each.prompt["instruction"] for each in ranked] == ["Sure.", "Unsure."]
    # What is told is the share of right answers.
    assert [each.mean for each in ranked] == [1.0, 1.0]
