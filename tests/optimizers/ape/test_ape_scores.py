"""APE on any scale of scores, with a selector, and what it is expected to cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.ape.method import APE, Filtering, Proposing
from promptopt.run.budget import Budget
from promptopt.selection.bandits import UCB
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Content, Example, Room, UpperBounds
from tests.optimizers.ape.ape_searches import (
    SMALL,
    START,
    author,
    inventive,
    search,
)


def nats(value: Callable[[str], float]) -> Callable[[Content, str], list[float]]:
    """A word of the answer has the log-probability that `value` gives the prompt."""

    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [value(read)] * len(text.split())

    return scores


@pytest.mark.parametrize("selector", [None, UCB(budget=2)])
def test_negative_scores_outrank_none_at_all(tmp_path: Path, selector) -> None:
    task = planted_task()
    model = Scripted(lambda _: "yes", scores=nats(lambda read: -5.0 - 0.1 * (len(read) % 7)))
    settings = replace(SMALL, selector=selector)
    result = search(tmp_path, settings, task=task, model=model, evaluator=Loss(task, ends=False))
    scored = {each.prompt for step in result.steps for each in step.pool if each.count}
    unscored = {each.prompt for step in result.steps for each in step.pool} - scored
    assert {prompt for step in result.steps for prompt in step.kept} <= scored
    assert result.prompt in scored
    warned = [warning for warning in result.warnings if "never scored" in warning]
    if selector is None:
        assert len(scored) == 13
        assert unscored == set()
        assert warned == []
    else:
        # The start and one more; nobody else becomes a finalist, though there is room for two.
        assert len(scored) == 2
        assert warned[0].startswith("11 of 13 prompts were never scored")


@pytest.mark.parametrize(("reduction", "value"), [("token_mean", -2.0), ("sum", -4.0)])
def test_the_log_probability_of_a_two_token_answer(tmp_path: Path, reduction, value: float) -> None:
    examples = [Example.of("two tokens", question=f"question {number}") for number in range(90)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", splits=Splits(30, 30, 30))

    def scores(content: Content, text: str) -> list[float]:
        assert text == "two tokens"
        return [-1.0, -3.0]

    evaluator = Loss(task, reduction=reduction, ends=False)
    result = search(tmp_path, SMALL, task=task, model=Scripted(lambda _: "x", scores=scores), evaluator=evaluator)
    assert len({estimate.prompt for step in result.steps for estimate in step.pool}) == 13
    assert {estimate.mean for step in result.steps for estimate in step.pool} == {value}


def test_a_model_without_log_probabilities_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    model, proposer = Scripted(lambda _: "yes"), Scripted(inventive)
    task = planted_task()
    with pytest.raises(ConfigError, match="generation"):
        search(tmp_path, SMALL, task=task, model=model, proposer=proposer, evaluator=Loss(task))
    assert model.calls == proposer.calls == 0


@pytest.mark.slow
@pytest.mark.parametrize("value", [lambda _: -3.0, lambda _: -math.inf, lambda read: -math.inf if "e" in read else -9])
def test_scores_all_equal_all_negative_or_impossible(tmp_path: Path, value) -> None:
    task = planted_task()
    model = Scripted(lambda _: "yes", scores=nats(value))
    settings = replace(SMALL, resampling=1)
    result = search(tmp_path, settings, task=task, model=model, evaluator=Loss(task, ends=False), proposer=author)
    assert result.status == "finished"
    final = result.steps[-1].pool
    assert [each.mean for each in final] == sorted((each.mean for each in final), reverse=True)


def test_a_selector_takes_the_place_of_the_filter(tmp_path: Path) -> None:
    settings = replace(SMALL, selector=UCB(budget=150, examples_per_pull=5))
    result = search(tmp_path, settings, proposer=author)
    picked, final = result.steps
    assert len(picked.pool) == 13
    assert {each.count for each in final.pool} == {30}
    assert set(picked.kept) | {result.start.prompt} == {each.prompt for each in final.pool}
    assert final.spent.evaluations <= settings.upper_bounds(60).evaluations


@pytest.mark.slow
@pytest.mark.parametrize("selector", [None, UCB(budget=100)])
@pytest.mark.parametrize("proposer", [inventive, lambda _: "???"])
def test_expected_bounds_what_is_spent(tmp_path: Path, proposer, selector) -> None:
    settings = replace(SMALL, preset="paper", resampling=2, selector=selector)
    spent = search(tmp_path, settings, proposer=proposer, budget=Budget(evaluations=5_000)).spent
    bound = settings.upper_bounds(60)
    assert spent.evaluations - 4 * 40 - 2 * 60 <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls


def test_expected_is_the_cost_model() -> None:
    # The start; 50, 25, 13 and 7 candidates on ten examples each; four finalists.
    assert APE().upper_bounds(400).evaluations == 200 + 10 * (50 + 25 + 13 + 7) + 4 * 200
    assert APE(selector=UCB(budget=2048)).upper_bounds(400).evaluations == 200 + 2048 + 4 * 200
    assert APE().upper_bounds(400).proposer_calls == 4 * 50


def test_each_round_of_paraphrases_adds_its_share_of_the_best_and_of_the_start_and_is_filtered_anew() -> None:
    settings = APE(preset="paper", propose=Proposing(candidates=12), filter=Filtering(subset=10), resampling=2)
    # 30 of 60 are scored on: the start, 12 and 6 candidates on ten each, four finalists.
    first = 30 + 10 * (12 + 6) + 4 * 30
    # Half of the 12 and the start, rounded up, are paraphrased and stay: 14 and 7; then half of 15: 16 and 8.
    later = [10 * (14 + 7) + 4 * 30, 10 * (16 + 8) + 4 * 30]
    assert settings.upper_bounds(60) == UpperBounds(first + sum(later), 4 * 12 + 2 * (7 + 8), 512 * (4 * 12 + 2 * 15))
    # Under a cap the least of the paper's rule is all of it; by the budget four generations on three examples.
    assert settings.least(Room(50, None, 1, 60, 40)) == first + sum(later)
    assert APE().least(Room(500, None, 1, 60, 40)) == 4 * 3 * (4 + 2)
    once = replace(settings, resampling=0)
    assert once.upper_bounds(60).evaluations == first
    # The last subset is what is left of 15; fewer candidates than finalists are scored in full at once.
    assert once.upper_bounds(30).evaluations == 15 + 12 * 10 + 6 * 5 + 4 * 15
    assert replace(once, propose=Proposing(candidates=3)).upper_bounds(60).evaluations == 30 + 3 * 30
    assert replace(once, filter=Filtering(subset=10, examples=8)).upper_bounds(60).evaluations == 8 + 12 * 8 + 4 * 8


@given(train=st.integers(2, 400), candidates=st.integers(1, 60), subset=st.integers(1, 30), keep=st.floats(0.0, 1.0))
def test_the_parts_of_the_data_are_never_empty(train: int, candidates: int, subset: int, keep: float) -> None:
    settings = APE(propose=Proposing(candidates=candidates), filter=Filtering(subset=subset, keep=keep), resampling=1)
    assert 1 <= settings._proposing(train) <= min(train - 1, 100)
    bound = settings.upper_bounds(train).evaluations
    assert 0 < bound <= (3 * candidates + 6) * train * 2


def test_settings_from_the_command_line() -> None:
    settings = {"propose.candidates": "20", "filter.keep": "0.3", "selector": "ucb", "selector.budget": "99"}
    assert adjust(APE(), settings, "ape") == APE(
        propose=Proposing(candidates=20), filter=Filtering(keep=0.3), selector=UCB(budget=99)
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Proposing, "candidates", 0),
        (Proposing, "pairs", 0),
        (Proposing, "share", 1.5),
        (Filtering, "subset", 0),
        (Filtering, "keep", -0.1),
        (Filtering, "finalists", 0),
        (APE, "resampling", -1),
    ],
)
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
