"""TAPruning: what it accepts, in which order, when it ends, and what it sees under a budget."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.tapruning import TAPruning, accepts
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Room
from tests.optimizers.promptquine.pruning_search import (
    LENGTH,
    Pruned,
    Scored,
    Worth,
    agreeing,
    labelled_task,
    texts,
    word_task,
)

ZERO = TAPruning(shots=0)


def prune(home: Path, optimizer: TAPruning, worth: Worth, *, task: Task | None = None, **settings: Any) -> Result:
    return optimize(
        word_task() if task is None else task,
        optimizer,
        model=settings.pop("model", Scripted([])),
        evaluator=Scored(worth, []),
        store=home / "store.db",
        **settings,
    )


def tried(result: Result) -> int:
    """Prompts that the score was asked for: the start, and all but the first of every pass."""
    return 1 + sum(len(step.pool) - 1 for step in result.steps[1:])


def kept_words(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"w(\d\d)", text)]


class TestContract(Pruned):
    optimizer = TAPruning(examples=12)
    budget = Budget(evaluations=1_500)


class Shuffled(Pruned):
    optimizer = TAPruning(examples=12, order="random", gene="word", shots=2)


@pytest.mark.slow
def test_an_order_at_random_keeps_the_contract_too(tmp_path: Path) -> None:
    Shuffled().test_replay_pays_nothing(tmp_path / "replay")
    Shuffled().test_raised_budget_continues(tmp_path / "raised")


SCATTERED = [0, 1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 38, 39]


@pytest.mark.parametrize("keep", [range(20), range(20, 40), range(0, 40, 2), SCATTERED])
def test_a_threshold_of_1_finds_any_mask(tmp_path: Path, keep) -> None:
    result = prune(tmp_path, replace(ZERO, threshold=1.0), agreeing(frozenset(keep)))
    assert tried(result) == 1 + 40 + 20
    found = result.steps[-1].kept[0]["instruction"]
    assert kept_words(found) == sorted(keep)
    assert result.best.text == found
    assert result.best.dev.score == 1.0


@pytest.mark.parametrize(
    ("keep", "evaluations", "best", "count", "end", "end_count"),
    [
        (range(20), 80, 1.0, 20, 0.975, 19),
        (range(20, 40), 60, 1.0, 20, 0.975, 19),
        (range(0, 40, 2), 50, 0.625, 5, 0.600, 4),
    ],
)
def test_the_walk_may_drift_and_the_best_of_it_is_returned(
    tmp_path: Path, keep, evaluations: int, best: float, count: int, end: float, end_count: int
) -> None:
    worth = agreeing(frozenset(keep))
    result = prune(tmp_path, ZERO, worth)
    assert tried(result) == evaluations
    assert worth(result.best.text, Example.of()) == pytest.approx(best)
    assert len(kept_words(result.best.text)) == count
    # The last pass began where the walk ended.
    last = result.steps[-1].pool[0]
    assert last.mean == pytest.approx(end)
    assert len(kept_words(last.prompt["instruction"])) == end_count


@pytest.mark.parametrize(
    ("best", "score", "accepted"),
    [
        (0.0, 0.0, True),
        (0.0, 0.1, True),
        (0.0, -0.1, False),
        (-10.0, -20.0, False),
        (-10.0, -10.3, True),
        (-10.0, -10.4, True),
        (-10.0, -10.41, False),
        (1.0, 0.96, True),
        (1.0, 0.95, False),
        (-math.inf, -math.inf, True),
        (-math.inf, -5.0, True),
        (-5.0, -math.inf, False),
    ],
)
def test_acceptance_is_safe_for_any_sign(best: float, score: float, accepted: bool) -> None:
    assert accepts(score, best, 0.96) is accepted


@pytest.mark.parametrize("value", [0.0, -2.0, -math.inf, 1.0])
def test_equal_scores_drop_everything_that_can_be(tmp_path: Path, value: float) -> None:
    result = prune(tmp_path, ZERO, lambda *_: value, task=word_task(8))
    assert result.status == "finished"
    assert result.steps[-1].kept[0]["instruction"] == "{question}"


def test_ties_go_to_the_last(tmp_path: Path) -> None:
    result = prune(tmp_path, ZERO, lambda text, _: min(1.0, len(kept_words(text)) / 5), task=word_task(8))
    assert len(kept_words(result.steps[-1].kept[0]["instruction"])) == 5
    assert len(kept_words(result.best.text)) == 5


def test_the_start_is_kept_where_every_deletion_harms(tmp_path: Path) -> None:
    result = prune(tmp_path, ZERO, lambda text, _: 1.0 if len(kept_words(text)) == LENGTH else 0.0)
    assert result.best.prompt == result.start.prompt
    assert tried(result) == 41


def test_a_prompt_of_one_token_ends(tmp_path: Path) -> None:
    rows = [Example.of("yes", question=f"question {number}") for number in range(24)]
    task = Task.from_examples(rows, prompt="a{question}", metric="exact", splits=Splits(4, 10, 10))
    result = prune(tmp_path, ZERO, lambda *_: 1.0, task=task)
    assert result.steps[-1].kept[0]["instruction"] == "{question}"


class Long(Scripted):
    """Its tokens are pairs of letters, and a text of four is one token."""

    def pieces(self, text: str) -> list[str]:
        return [text] if len(text) <= 4 else re.findall(r"..?", text)


def test_every_pass_cuts_the_text_anew(tmp_path: Path) -> None:
    def worth(text: str, _: Example) -> float:
        # Once "cd" is gone, "abef" is one token, and can go as a whole, but not in parts.
        return 1.0 if text in ("abcdef{question}", "abef{question}", "{question}") else 0.0

    task = word_task(text="abcdef", layout=Layout("text", text="{instruction}{question}"))
    result = prune(tmp_path, ZERO, worth, task=task, model=Long([]))
    assert result.steps[-1].kept[0]["instruction"] == "{question}"
    assert [len(step.pool) - 1 for step in result.steps] == [0, 3, 1, 0]


def test_orders_at_random_end_in_different_optima(tmp_path: Path) -> None:
    def worth(text: str, _: Example) -> float:
        # The first word counts while the second is there, and the other way round.
        left = kept_words(text)
        return 1.0 if len(left) >= 3 or left in ([0], [1]) else 0.0

    ends = {
        prune(tmp_path / str(seed), replace(ZERO, order="random"), worth, task=word_task(6), seed=seed)
        .steps[-1]
        .kept[0]
        for seed in range(6)
    }
    assert len(ends) > 1


def test_the_cap_on_prompts_is_told(tmp_path: Path) -> None:
    result = prune(tmp_path, replace(ZERO, most=10), agreeing(frozenset(range(20))))
    assert tried(result) == 10
    assert any("setting 'most'" in warning for warning in result.warnings)
    assert result.spent.evaluations <= replace(ZERO, most=10).upper_bounds(4).evaluations + 4 * 10 + 2 * 10


def test_a_budget_that_ends_it_leaves_the_best_so_far(tmp_path: Path) -> None:
    worth = agreeing(frozenset(range(20, 40)))
    result = prune(tmp_path, ZERO, worth, budget=Budget(evaluations=150))
    assert result.status == "budget"
    assert result.spent.evaluations <= 150
    assert len(texts([result.steps[0].pool[0]])[0]) > len(result.best.text)
    start = prune(tmp_path / "none", ZERO, worth, budget=Budget(evaluations=10))
    assert start.best.prompt == start.start.prompt


def test_settings_out_of_range_are_named() -> None:
    for settings, complaint in (
        ({"threshold": 1.01}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
        ({"shots": -1}, "shots"),
        ({"examples": 0}, "examples"),
        ({"most": 0}, "most"),
        ({"order": "sideways"}, "order"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            adjust(TAPruning(), settings, "tapruning")


def test_the_methods_own_choice_of_evaluator() -> None:
    assert TAPruning().evaluator_for(labelled_task()) == "labels"
    assert TAPruning().evaluator_for(word_task()) == "generation"


def room(evaluations: int | None) -> Room:
    return Room(evaluations, None, 1, 300, 40)


def test_examples_follow_the_budget_and_the_prompt() -> None:
    plan = TAPruning().plan(room(1_200))
    assert [plan.size(droppable) for droppable in (4, 18, 40, 400)] == [150, 41, 19, 16]
    assert TAPruning().plan(room(90_000)).size(40) == 200
    for paper in (TAPruning().plan(room(None)), TAPruning(preset="paper").plan(room(1_200))):
        assert paper.size(40) == 200
    assert TAPruning(examples=30).plan(room(1_200)).size(400) == 30
    assert TAPruning().least(room(1_200)) == 12 * 16


def test_under_a_budget_a_whole_pass_fits(tmp_path: Path) -> None:
    task = word_task(30, examples=200)
    worth = agreeing(frozenset(range(0, 30, 2)), 30)
    result = prune(tmp_path, ZERO, worth, task=task, budget=Budget(evaluations=1_200))
    assert result.steps[0].pool[0].count < 40
    assert len(result.steps) > 2
    assert worth(result.best.text, Example.of()) > worth(result.start.text, Example.of())


class TestByBudget(Pruned):
    optimizer = TAPruning()
    budget = Budget(evaluations=900)
