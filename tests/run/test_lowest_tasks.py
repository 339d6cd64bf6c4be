"""The objective `worst`: what ranks candidates and chooses among them, whatever the method, goes by the worst task."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.suite import several_tasks
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.outcome.sentence import verdict_line
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.lowest import lowest_tasks_of
from promptopt.stats import level
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Proposal, Request, Score

EVEN, UNEVEN = "Be even.", "Be uneven."
SHARES = {EVEN: {"a": 7, "b": 7}, UNEVEN: {"a": 10, "b": 5}}
"""Of ten examples, how many each prompt is right on, by task; the start on six and five."""


def task(name: str, metric: str = "exact") -> Task:
    examples = [Example.of("yes", text=f"{name} {number}.") for number in range(400)]
    return Task.from_examples(examples, prompt=f"Do {name}.", name=name, metric=metric, splits=Splits(60, 100, 240))


def suite(objective: str = "worst", metric: str = "exact") -> Task:
    return several_tasks([task("a", metric), task("b", metric)], objective=objective)


def answer(request: Request) -> str:
    content = request.content
    assert not isinstance(content, str)
    number = int(content[1].content.partition("Text: ")[2].split()[1].rstrip("."))
    of = "a" if "Do a." in content[1].content else "b"
    share = SHARES.get(content[0].content, {"a": 6, "b": 5})[of]
    # A graded metric gives half of what is wrong.
    return "yes" if number * 7 % 10 < share else "yes no no"


class Tries:
    """Scores the start and both candidates on train, and leaves the choice to the run."""

    def __init__(self) -> None:
        self.told = dict[str, Any]()

    def optimize(self, run: Run) -> None:
        prompts = run.admit([Proposal(run.initial.replace("instruction", text)) for text in (UNEVEN, EVEN)])
        matrix = run.evaluate([run.initial, *prompts], run.train)
        belief, worth = run.posterior(prompts).mean, run.worths(run.train)
        for prompt in (run.initial, *prompts):
            self.told[prompt["instruction"]] = matrix.means()[prompt], belief[prompt], worth[prompt]
        self.told["ranked"] = [each.prompt["instruction"] for each in run.ranked()]


def searched(method: Any, whole: Task, folder: Path) -> Result:
    model = Scripted(answer, name="scripted/one")
    return optimize(whole, method, model=model, budget=Budget(evaluations=2000), store=folder / "s.db")


@pytest.mark.parametrize("metric", ["exact", "f1"])
def test_the_final_choice_and_every_ranking_go_by_the_worst_task(tmp_path: Path, metric: str) -> None:
    worst, mean = Tries(), Tries()
    assert searched(worst, suite("worst", metric), tmp_path).best.prompt["instruction"] == EVEN
    assert searched(mean, suite("mean", metric), tmp_path).best.prompt["instruction"] == UNEVEN

    assert worst.told["ranked"][0] == EVEN
    assert mean.told["ranked"][0] == UNEVEN
    # Scores are shown as they are: what makes the worst of them itself, as sprig does, would count it twice.
    assert worst.told[UNEVEN][0] == mean.told[UNEVEN][0]
    for place in (1, 2):
        assert worst.told[EVEN][place] > worst.told[UNEVEN][place]
        assert mean.told[EVEN][place] < mean.told[UNEVEN][place]


def cells(whole: Task, **values: list[float]) -> dict[str, Score]:
    own = {name: [each for each in whole.train if each.slice == name] for name in values}
    return {own[name][place].id: Score(value) for name, each in values.items() for place, value in enumerate(each)}


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ([1.0, 1.0], [0.0, 1.0], 0.5),
        ([1.0, 1.0], [1.0, 1.0], 1.0),
        ([0.0, 0.0], [0.5, 1.0], 0.0),
        ([0.25, 0.75], [0.5, 0.5], 0.5),
        ([0.0], [1.0], 0.0),
    ],
)
def test_the_mean_of_what_is_shown_is_that_of_the_worst_task(a: list[float], b: list[float], value: float) -> None:
    whole = suite()
    lowest = lowest_tasks_of(whole, whole.train)
    assert lowest is not None
    held = cells(whole, a=a, b=b)
    shown = lowest.shown(held, held)
    assert math.fsum(each.value for each in shown.values()) / len(held) == pytest.approx(value)
    # What was right stays right.
    assert all(shown[cell].value == 1.0 for cell, score in held.items() if score.value == 1.0)


def test_other_objectives_are_left_as_they_are() -> None:
    whole = suite("mean")
    assert lowest_tasks_of(whole, whole.train) is None
    assert lowest_tasks_of(task("a"), task("a").train) is None


def test_the_verdict_is_on_the_smallest_gain_and_every_report_says_so(tmp_path: Path) -> None:
    # The winner gains one example in ten on a, and two on b.
    found = searched(Tries(), suite(), tmp_path)
    told = found.to_json()
    smallest = told["smallest_gain"]

    assert found.verdict == "better"
    assert (smallest["task"], smallest["tasks"], smallest["n"]) == ("a", 2, 160)
    assert smallest["mean"] == min(each.mean for each in found.members) < found.gain.mean  # type: ignore[union-attr]
    said = f"Better on each of 2 tasks: the smallest gain is {smallest['mean']:+.3f}, on a ("
    assert verdict_line(told).startswith(said)
    assert said in found.report().replace("\n", " ")
    assert found.look is not None
    assert smallest["alpha"] == found.look.alpha
    loaded = Result.load(found.save(tmp_path / "result.json"))
    assert loaded.smallest == found.smallest
    assert verdict_line(loaded.to_json()) == verdict_line(told)


class TriesUneven(Tries):
    """Scores one candidate, which gains on a alone."""

    def optimize(self, run: Run) -> None:
        prompts = run.admit([Proposal(run.initial.replace("instruction", UNEVEN))])
        run.evaluate([run.initial, *prompts], run.train)


NOT_SURE = "Keep your prompt: no evidence that the best one found is better on each of 2 tasks: "


@pytest.mark.parametrize(
    ("start", "verdict", "said"),
    [({"a": 6, "b": 4}, "better", "Better on each of 2 tasks: "), ({"a": 6, "b": 5}, "no_evidence", NOT_SURE)],
)
def test_a_gain_in_the_mean_is_none_where_a_task_has_none(
    tmp_path: Path, start: dict[str, int], verdict: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHARES, "You are a helpful assistant.", start)
    found = searched(TriesUneven(), suite(), tmp_path)
    assert found.verdict == verdict
    assert verdict_line(found.to_json()).startswith(said)
    # In the mean it gains for sure either way.
    assert found.gain is not None
    assert found.gain.interval[0] > 0.1


def test_at_a_further_look_the_smallest_gain_has_the_level_of_that_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHARES, "You are a helpful assistant.", {"a": 6, "b": 4})
    first, second = (searched(method, suite(), tmp_path) for method in (Tries(), TriesUneven()))
    for found, number in ((first, 1), (second, 2)):
        assert found.look is not None
        assert found.smallest is not None
        assert (found.look.number, found.smallest.alpha) == (number, level(number))


def test_other_objectives_have_no_such_gain(tmp_path: Path) -> None:
    found = searched(Tries(), suite("mean"), tmp_path)
    assert "smallest_gain" not in found.to_json()
    assert verdict_line(found.to_json()).startswith("Better: ")
