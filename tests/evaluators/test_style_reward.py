"""The best of many outputs, in groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.evaluation import Evaluation, evaluate
from promptopt.evaluators.style_reward import StylePick, StyleReward, maxima, maxima_of
from promptopt.evaluators.style_transfer import Joint
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
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


@pytest.mark.parametrize("nothing", ["", "  ", '"', '" and more'])
def test_an_output_of_nothing_is_shown_to_no_scorer(nothing: str) -> None:
    def never(_: str, __: str) -> float:
        raise AssertionError

    assert StyleReward(task(), never, never).worth(nothing, task().train[0]) == 0.0


def test_a_task_that_does_not_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="answered at temperature 0, so 128 draws would be one"):
        StyleReward(task(0.0), keeps, kind)
    with pytest.raises(ConfigError, match="10 draws are not 4 groups"):
        StyleReward(task(), keeps, kind, draws=10)


def test_the_verdict_is_by_the_metric() -> None:
    assert StyleReward(task(), keeps, kind).verdict_by().fingerprint()["evaluator"] == "generation"


def classed(rewritten: str, target: str) -> bool:
    """Another judge of style than the search has: it does not fall for "kind of"."""
    return target in rewritten and "kind of" not in rewritten


JUDGE = Joint(keeps, classed, lambda _: True)


def judged(answers: list[str], tmp_path: Path, reward: StyleReward) -> tuple[Evaluation, Scripted]:
    model = Scripted(lambda request: answers[(model.calls - 1) % len(answers)], name="drawer")
    verdict = reward.verdict_by()
    return evaluate(task(), model=model, evaluator=verdict, split="dev", store=tmp_path / "store.db"), model


def test_the_verdict_is_the_second_judges_word_on_the_output_that_the_first_finds_best(tmp_path: Path) -> None:
    reward = StyleReward(task(), keeps, kind, groups=1, draws=4, judge=JUDGE, picked=2)
    found, model = judged(["bad"] * 10 + ['the food is kind. And"'] * 10, tmp_path, reward)
    assert isinstance(reward.verdict_by(), StylePick)
    assert model.calls == 2 * 10
    assert {(score.value, score.output) for score in found.scores} == {(1.0, 'the food is kind. And"')}
    # The first judge is fooled, and the second is not.
    fooled, _ = judged(["the food is kind of bad"] * 10 + [""] * 10, tmp_path / "fooled", reward)
    assert {score.value for score in fooled.scores} == {0.0}
    assert "the style is not kind" in fooled.scores[0].feedback
    empty, _ = judged(["", '"'], tmp_path / "empty", reward)
    assert {(score.value, score.parsed) for score in empty.scores} == {(0.0, False)}


def test_what_is_picked_from_was_not_seen_by_the_search(tmp_path: Path) -> None:
    model = Scripted(lambda request: "the food is kind", name="drawer")
    reward = StyleReward(task(), keeps, kind, groups=1, draws=4, judge=JUDGE, picked=2)
    result = optimize(
        task(), "random", model=Models(model, Scripted(lambda _: "Say it kindly")), evaluator=reward,
        budget=Budget(evaluations=60), store=tmp_path / "store.db",
    )  # fmt: skip
    assert result.evaluator != "generation"
    seeds = [(request.content, request.seed) for request in model.log if isinstance(request, Request)]
    assert len(seeds) == len(set(seeds))


def test_a_judge_that_is_the_searchs_own_is_refused() -> None:
    with pytest.raises(ConfigError, match="give the judge another classifier"):
        StyleReward(task(), keeps, kind, judge=Joint(keeps, kind, lambda _: True))


@pytest.mark.parametrize(("content", "style"), [(1.2, 0.5), (float("nan"), 0.5), (0.5, -0.2), (0.5, float("nan"))])
def test_a_scorer_off_its_scale_is_told_what_was_expected(content: float, style: float) -> None:
    reward = StyleReward(task(), lambda *_: content, lambda *_: style)
    with pytest.raises(ConfigError, match="expected a number of at most 1, and a probability"):
        reward.worth("the food", task().train[0])
