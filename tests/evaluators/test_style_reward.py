"""The best of many outputs, in groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluation import evaluate
from promptopt.evaluators.style_reward import StyleReward, maxima, maxima_of
from promptopt.models.scripted import Scripted
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request, Sampling


def test_the_best_of_each_group_is_averaged() -> None:
    assert maxima([1, 5, 2, 3, 9, 4, 0, 7], 2) == [5, 9]
    with pytest.raises(ConfigError, match="8 outputs cannot be divided into 3 groups"):
        maxima([1, 5, 2, 3, 9, 4, 0, 7], 3)


def task(temperature: float = 1.0) -> Task:
    examples = [Example.of("kind", text=f"the food {number} was bad") for number in range(30)]
    made = Task.from_examples(
        examples, prompt="Rewrite kindly:", layout=Layout("text", text='{instruction} "{text}" "'),
        metric=lambda answer, _: float("kind" in answer), answer="text", splits=Splits(10, 10, 10),
    )  # fmt: skip
    return replace(made, sampling=Sampling(temperature=temperature, max_tokens=20))


def keeps(rewritten: str, source: str) -> float:
    return 1.0 if "food" in rewritten else -0.5


def kind(rewritten: str, target: str) -> float:
    return 0.6 if target in rewritten else 0.0


def test_every_draw_is_its_own_and_an_empty_one_is_worth_nothing(tmp_path: Path) -> None:
    said = ['the food is kind. And"', '"', "it is kind", "the food"]
    model = Scripted(lambda request: said[model.calls % 4], name="drawer")
    reward = StyleReward(task(), keeps, kind, groups=2, draws=4)
    found = evaluate(task(), model=model, evaluator=reward, split="dev", store=tmp_path / "store.db")
    assert model.calls == 40
    assert reward.calls_per_cell == 4
    # Two draws in turn for each sentence: 80 and 30, or 50 and nothing.
    assert {score.value for score in found.scores} == {80.0, 50.0}
    assert {tuple(maxima_of(score)) for score in found.scores} == {(80.0, 80.0), (50.0, 50.0)}
    seeds = {request.seed for request in model.log if isinstance(request, Request)}
    assert len(seeds) == 40


def test_a_task_that_does_not_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="answered at temperature 0, so 128 draws would be one"):
        StyleReward(task(0.0), keeps, kind)
    with pytest.raises(ConfigError, match="10 draws are not 4 groups"):
        StyleReward(task(), keeps, kind, draws=10)


def test_the_verdict_is_by_the_metric() -> None:
    assert StyleReward(task(), keeps, kind).verdict_by().fingerprint()["evaluator"] == "generation"
