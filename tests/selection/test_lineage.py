"""Looks by the posterior over the lineage."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from promptopt.api import optimize
from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.selection.lineage import LineageBounds, TellingFirst
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Example, Prompt, Proposal, Score

Found = TypeVar("Found")


def selected(home: Path, choose: Callable[[Run], Found]) -> Found:
    """What `choose(run)` gives, in a run on the planted task."""
    found: list[Found] = []

    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            found.append(choose(run))

    model = planted_model(feature_accuracy(["carefully"], base=0.2, each=0.7))
    optimize(planted_task(), Once(), model=model, store=home / "store.db")
    return found[0]


def children(run: Run, count: int) -> list[Prompt]:
    """So many that are worth as little as the start, and last one that is worth much more."""
    texts = [*(f"Answer {number}." for number in range(count - 1)), "Answer carefully."]
    made = [run.initial.replace("instruction", text) for text in texts]
    return run.admit([Proposal(prompt, (run.initial,), "test") for prompt in made])


def test_the_best_is_found_seen_most_and_the_budget_is_kept(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[Prompt, Prompt, int, dict[Prompt, int]]:
        run.evaluate([run.initial], run.train[:10])
        arms = children(run, 10)
        before = run.spent.evaluations
        ranked = LineageBounds(60).select(run, arms, run.train, 2)
        counts = {arm: len(run.seen(arm)) for arm in arms}
        return ranked[0].prompt, arms[-1], run.spent.evaluations - before, counts

    first, best, spent, counts = selected(tmp_path, choose)
    assert first == best
    assert spent == 60
    assert min(counts.values()) >= 1
    assert counts[best] == max(counts.values()) > 60 / 10


def test_a_budget_below_one_look_each_is_kept_too(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[int, int]:
        ranked = LineageBounds(3).select(run, children(run, 10), run.train, 2)
        return len(ranked), run.spent.evaluations

    assert selected(tmp_path, choose) == (10, 3)


def test_those_that_are_known_get_no_first_look_and_known_cells_are_free(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[int, int]:
        arms = children(run, 4)
        run.evaluate(arms, run.train)
        before = run.spent.evaluations
        ranked = LineageBounds(50).select(run, arms, run.train, 1)
        return run.spent.evaluations - before, ranked[0].count

    spent, count = selected(tmp_path, choose)
    assert spent == 0
    assert count == len(planted_task().train)


def test_every_call_shuffles_anew_and_equal_ones_stay_as_they_came(tmp_path: Path) -> None:
    def choose(run: Run) -> tuple[set[str], set[str], list[Prompt], list[Prompt]]:
        arms = children(run, 3)[:2]
        first = {example.id for arm in arms for example, _ in run.seen(arm)}
        LineageBounds(2).select(run, arms, run.train, 1)
        first = {example.id for example, _ in run.seen(arms[0])}
        more = [run.initial.replace("instruction", f"Say {number}.") for number in range(2)]
        LineageBounds(2).select(run, more, run.train, 1)
        second = {example.id for example, _ in run.seen(more[0])}
        unseen = [run.initial.replace("instruction", f"Tell {number}.") for number in range(3)]
        ranked = LineageBounds(1).select(run, unseen[1:], run.train, 1)
        return first, second, [estimate.prompt for estimate in ranked if not estimate.count], unseen[2:]

    first, second, last, expected = selected(tmp_path, choose)
    assert first != second
    assert last == expected


@pytest.mark.parametrize(("rule", "first"), [(TellingFirst, True), (LineageBounds, False)])
def test_most_examples_that_tell_prompts_apart_come_first_where_that_is_asked(
    tmp_path: Path, rule: type[LineageBounds], first: bool
) -> None:
    def choose(run: Run) -> tuple[list[str], set[str]]:
        *_, best = known = children(run, 2)
        scores = run.evaluate([run.initial, *known], run.train)
        telling = {
            example.id for example, worse, better in zip(run.train, scores[run.initial], scores[best], strict=True)
            if worse.value != better.value
        }  # fmt: skip
        new = [run.initial.replace("instruction", f"Say {number}.") for number in range(2)]
        run.admit([Proposal(prompt, (run.initial,), "test") for prompt in new])
        rule(20).select(run, new, run.train, 1)
        return [example.id for example, _ in run.seen(new[0])], telling

    seen, telling = selected(tmp_path, choose)
    assert 20 <= len(telling) <= 50
    assert len(seen) == 10
    # Seven in ten of them come before all others; in any other order some of ten are none of them.
    assert (sum(name in telling for name in seen) == 10) == first


def test_three_in_ten_of_the_examples_that_tell_prompts_apart_wait_with_all_others() -> None:
    examples = [Example.of("t", text=str(at)) for at in range(400)]
    one, other = Prompt.of("one"), Prompt.of("other")
    # They differ on every second example, and the last hundred only one of them has seen.
    scores = {one: [1.0] * 400, other: [float(at % 2) for at in range(300)]}

    def seen(prompt: Prompt, order: Sequence[Example]) -> list[tuple[Example, Score]]:
        return [(each, Score(value)) for each, value in zip(order, scores[prompt], strict=False)]

    given: Any = SimpleNamespace(
        candidates=lambda: [SimpleNamespace(prompt=each) for each in (one, other)], seen=seen,
        rng=lambda name: random.Random(name),
    )  # fmt: skip
    order = TellingFirst(20)._telling_first(given, examples)
    places = [int(each["text"]) for each in order]
    # What stays behind stays in its order, and so does what comes first.
    first = next(at for at, (one_place, next_place) in enumerate(pairwise(places), 1) if next_place < one_place)
    assert 85 <= first <= 125
    assert all(place % 2 == 0 and place < 300 for place in places[:first])
    assert sorted(places[first:]) == places[first:]


def test_settings_and_data_that_cannot_be_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="budget is 0"):
        LineageBounds(0)
    with pytest.raises(ConfigError, match="at_once is 0"):
        LineageBounds(at_once=0)
    with pytest.raises(ConfigError, match="optimism"):
        LineageBounds(optimism=-1.0)

    def choose(run: Run) -> None:
        with pytest.raises(ConfigError, match="no examples"):
            LineageBounds().select(run, [run.initial], [], 1)
        with pytest.raises(ConfigError, match="keep is 0"):
            LineageBounds().select(run, [run.initial], run.train, 0)

    selected(tmp_path, choose)


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "spent"), [(150, 150), (500, 240)])
def test_a_budget_beyond_one_pass_is_spent_as_long_as_there_is_something_to_see(
    tmp_path: Path, budget: int, spent: int
) -> None:
    def choose(run: Run) -> int:
        LineageBounds(budget).select(run, children(run, 4), run.train, 1)
        return run.spent.evaluations

    assert selected(tmp_path, choose) == spent == min(budget, 4 * len(planted_task().train))
