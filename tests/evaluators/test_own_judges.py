"""Several tasks under one prompt, each with a `[judge]` of its own: who is asked what, and what is known of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from promptopt.api import optimize
from promptopt.binding.evaluator import bind_evaluator, rebound
from promptopt.binding.models import Models
from promptopt.binding.suite import several_tasks
from promptopt.errors import ConfigError
from promptopt.evaluation import evaluate
from promptopt.evaluators.own_judges import OwnJudges
from promptopt.evaluators.rubric import Rubric
from promptopt.judges import probe, scale_of
from promptopt.models.scripted import Scripted
from promptopt.outcome.judge_trust import remember, trust_in
from promptopt.protocols import Model, Role
from promptopt.run.budget import Budget
from promptopt.tasks import Splits, Task
from promptopt.tasks.sealing import without_test
from promptopt.trust.probes import PROBES
from promptopt.types import Example, Request

KIND: Mapping[str, Any] = {"evaluator": "rubric", "rubric": {"criteria": "Is it kind?", "score_by": "written"}}
SHORT: Mapping[str, Any] = {
    "evaluator": "rubric",
    "rubric": {"criteria": "Is it short?", "low": 1, "high": 3, "score_by": "written"},
}
LISTED: Mapping[str, Any] = {"evaluator": "checklist", "checklist": {"items": ("Is it green?", "Is it round?")}}
BESIDE: Mapping[str, Any] = {"evaluator": "versus", "versus": {"criteria": "Which is warmer?"}}
WORDS = {"Is it kind?": '{"score": 4}', "Is it short?": '{"score": 2}', "Which is warmer?": '{"better": "tie"}',
         "Is it green?": '{"1": "yes", "2": "no", "answers": ["yes", "no"]}'}  # fmt: skip


def task(name: str, judge: Mapping[str, Any]) -> Task:
    examples = [Example.of("yes", text=f"{name} {number}") for number in range(40)]
    made = Task.from_examples(examples, prompt=f"Do {name}.", name=name, splits=Splits(10, 10, 20))
    return replace(made, judge=judge)


def text_of(request: Request) -> str:
    assert not isinstance(request.content, str)
    return "\n".join(message.content for message in request.content)


def models() -> tuple[Models, Scripted]:
    def word(request: Request) -> str:
        return next(said for asked, said in WORDS.items() if asked in text_of(request))

    judge = Scripted(word, name="scripted/judge")
    answering = Scripted(lambda request: "yes" if "metric" in text_of(request) else "maybe", name="scripted/task")
    return Models(task=answering, judge=judge), judge


def test_each_task_is_scored_by_its_own_judge_or_its_metric() -> None:
    several = several_tasks([task("kind", KIND), task("short", SHORT), task("listed", LISTED), task("metric", {})])
    asked, judge = models()
    found = evaluate(several, several.initial, model=asked, split="test")
    means = {name: {score.value for example, score in zip(found.examples, found.scores, strict=True)
                    if example.slice == name} for name in several.members}  # fmt: skip

    assert means == {"kind": {0.8}, "short": {0.5}, "listed": {0.5}, "metric": {1.0}}
    assert judge.calls == 60
    assert found.evaluator == "own_judges"
    assert "kind by rubric, short by rubric, listed by checklist, metric by exact on scripted" in str(found)
    assert not any("[judge]" in said for said in several.warnings)


def test_what_it_takes_and_says_is_that_of_all_and_follows_the_task() -> None:
    panel = {"evaluator": "panel", "rubric": KIND["rubric"], "panel": {"size": 2}}
    several = several_tasks([task("kind", panel), task("short", SHORT), task("metric", {"evaluator": "generation"})])
    made = bind_evaluator(None, several)
    assert isinstance(made, OwnJudges)
    assert (made.judges, made.judge_calls, made.calls_per_cell) == (("judge", "judge_2"), 4, 5)
    assert made.questions == ("Is it kind?", "Is it short?")
    assert list(made.fingerprint()["tasks"]) == ["kind", "short", "metric"]
    other = several_tasks([task("kind", panel), task("short", KIND), task("metric", {"evaluator": "generation"})])
    assert bind_evaluator(None, other).fingerprint() != made.fingerprint()

    sealed = without_test(several)
    follows = rebound(made, several, sealed)
    assert isinstance(follows, OwnJudges)
    assert {cast("Any", each).task.test for each in follows.of.values()} == {()}


def test_an_evaluator_named_for_all_asks_each_by_what_its_own_task_says() -> None:
    several = several_tasks([task("kind", KIND), task("short", SHORT), task("listed", LISTED), task("metric", {})])
    made = bind_evaluator("rubric", several)
    assert isinstance(made, OwnJudges)
    asked = {name: (each.criteria, each.high) for name, each in made.of.items() if isinstance(each, Rubric)}
    assert asked == {"kind": ("Is it kind?", 5), "short": ("Is it short?", 3), "listed": ("", 5), "metric": ("", 5)}
    panel = bind_evaluator("panel", several)
    assert isinstance(panel, OwnJudges)
    assert {each.fingerprint()["size"] for each in replace(panel, size=2).of.values()} == {2}
    assert replace(panel, size=2).judges == ("judge", "judge_2")
    assert bind_evaluator("generation", several).fingerprint()["evaluator"] == "generation"


def test_the_trust_in_them_is_that_in_the_least_trusted() -> None:
    several = several_tasks([task("kind", KIND), task("short", SHORT), task("metric", {})])
    made = bind_evaluator(None, several)
    asked: dict[Role, Model] = {"judge": models()[1]}
    assert trust_in(made, asked) is None
    good = [{"name": each.name, "passed": True, "n": 20, "unread": 0} for each in PROBES]
    report = {"n": 80, "kappa": 0.8, "interval": [0.7, 0.9], "measure": "Cohen's kappa"}
    remember(bind_evaluator(None, task("kind", KIND)), asked, probes=good, report=report)
    known = trust_in(made, asked)
    assert known is not None
    assert known["status"] == "uncalibrated"

    bad = [{**each, "passed": at > 0} for at, each in enumerate(good)]
    remember(bind_evaluator(None, task("short", SHORT)), asked, probes=bad, report={**report, "kappa": 0.6})
    known = trust_in(made, asked)
    assert known is not None
    assert (known["status"], known["failed"], known["value"]) == ("weak", [PROBES[0].name], 0.6)


def test_they_are_held_to_the_test_one_by_one() -> None:
    several = several_tasks([task("kind", KIND), task("short", SHORT)])
    with pytest.raises(ConfigError, match="one after the other to the test, as --task kind"):
        probe(several, model=models()[0])
    with pytest.raises(ConfigError, match="people score on its scale"):
        scale_of(bind_evaluator(None, several), several)


def test_a_search_decides_nothing_by_them_and_its_winner_is_probed_on_what_they_grade() -> None:
    several = several_tasks([task("kind", KIND), task("beside", BESIDE), task("metric", {})])
    seen: list[str] = []

    def word(request: Request) -> str:
        text = text_of(request)
        if "Which is warmer?" in text:
            return '{"better": "tie"}'
        seen.append(text)
        said = text.rpartition("<<<reply ")[2]
        return json.dumps({"score": 5 if "warm" in said else 2})

    class Climb:
        def optimize(self, run: Any) -> None:
            run.evaluate([run.initial], run.dev)
            run.evaluate([run.initial.replace("instruction", "Be warm.")], run.dev)

        def fingerprint(self) -> dict[str, Any]:
            return {"climb": 1}

    def answer(request: Request) -> str:
        text = text_of(request)
        return f"{'warm' if 'Be warm.' in text else 'cold'} {text[-9:]}"

    asked = Models(task=Scripted(answer, name="scripted/task"), judge=Scripted(word, name="scripted/judge"))
    found = optimize(several, Climb(), model=asked, budget=Budget(calls=4000))
    assert (found.verdict, found.basis) == ("undecided", "judge")
    assert found.best.prompt["instruction"] == "Be warm."
    gains = {each.task: round(each.mean, 6) for each in found.members}
    assert gains == {"kind": 0.6, "beside": 0.0, "metric": 0.0}
    # Of `versus` and of a metric there is no reply to be planted.
    assert found.trust is not None
    assert len(found.trust["own"]) == 8
    assert {each["n"] for each in found.trust["own"]} == {20}
    assert all("Is it kind?" in text for text in seen)


@pytest.mark.parametrize("alike", [True, False])
def test_a_mix_with_a_metric_in_it_is_trusted_as_it_is_on_its_task_alone(alike: bool) -> None:
    mix = {"evaluator": "weighted", "rubric": KIND["rubric"], "weights": {"rubric": 2, "metric": 1}}
    one, other = task("kind", mix), replace(task("short", mix if alike else SHORT), metric="contains")
    several = several_tasks([one, other])
    made = bind_evaluator(None, several)
    asked: dict[Role, Model] = {"judge": models()[1]}
    for each in (one, other):
        good = [{"name": probe.name, "passed": True, "n": 20, "unread": 0} for probe in PROBES]
        report = {"n": 80, "kappa": 0.8, "interval": [0.7, 0.9], "measure": "Cohen's kappa"}
        remember(bind_evaluator(None, each), asked, probes=good, report=report)
    known = trust_in(made, asked)
    assert known is not None
    assert known["status"] == "calibrated"
    # And each reply is worth what it is worth there: 2/3 of the judge's 0.8, and a third of its own metric.
    found = evaluate(several, several.initial, model=models()[0], split="test")
    values = {example.slice: score.value for example, score in zip(found.examples, found.scores, strict=True)}
    assert values == pytest.approx({"kind": 1.6 / 3, "short": 1.6 / 3 if alike else 0.5})
