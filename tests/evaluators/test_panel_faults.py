"""A panel of which several judges fail, each in its own way: what is told of each, and what no failure ever is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt import Budget, Example, Models, Prompt, Task, optimize
from promptopt.errors import ConfigError
from promptopt.evaluation import Evaluation, evaluate
from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.panel import Panel
from promptopt.evaluators.rubric import Rubric
from promptopt.models.scripted import Scripted
from promptopt.types import Request

TASK = Task.from_examples(
    [Example((("question", f"number {number} ?"),)) for number in range(120)], prompt="Answer.\n\n{question}"
)
SAID = {
    "prose": "I would say that this is a rather nice reply.",
    "constant": json.dumps({"reason": "ok", "score": 3}),
    "german": json.dumps({"Begründung": "höflich", "Urteil": "gut"}),
    "silent": "",
}


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else content[-1].content


def answer(request: Request) -> str:
    number = int(text_of(request).rpartition("number ")[2].split()[0])
    return f"{'Please, here' if number % 4 == 0 else 'Here'} is {number}"


def good(request: Request) -> str:
    return json.dumps({"score": 5 if "Please" in text_of(request).rpartition("<<<reply")[2] else 1})


def scored(folder: Path, *judges: str) -> Evaluation:
    named = [
        Scripted(good if each == "good" else lambda _, said=each: SAID[said], name=f"scripted/{each}{place}")
        for place, each in enumerate(judges)
    ]
    panel = Panel(TASK, Rubric(TASK), Checklist(TASK, ("Is it polite?",)), size=len(named))
    models = Models(Scripted(answer, name="scripted/task"), judge=tuple(named))
    return evaluate(TASK, Prompt.of("Answer."), model=models, evaluator=panel, store=folder / "store.db")


def test_each_judge_of_a_panel_that_is_of_no_use_is_told_of_by_its_place(tmp_path: Path) -> None:
    found = scored(tmp_path, "good", "constant", "prose")
    warned = "\n".join(found.warnings)
    assert "judge 2 of the panel said 3 of 5 of each of the first 20" in warned
    assert "20 of the first 20 replies of judge 3 of the panel could not be read" in warned
    assert "judge 1" not in warned
    # Two are more than half, and what cannot be read is no score.
    assert {score.value for score in found.scores} == {0.4, 0.8}
    assert all(dict(score.parts).keys() == {"judge", "judge_2"} for score in found.scores)


def test_two_judges_that_say_the_same_of_all_are_both_told_of(tmp_path: Path) -> None:
    warned = "\n".join(scored(tmp_path, "constant", "constant", "good").warnings)
    assert "judge 1 of the panel said" in warned
    assert "judge 2 of the panel said" in warned


@pytest.mark.parametrize("judges", [("constant", "prose", "german"), ("silent", "prose", "good"), ("good", "german")])
def test_where_half_of_a_panel_or_less_can_be_read_nothing_is_a_score_and_each_is_quoted(
    judges: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"only 1 of {len(judges)} judges could be read") as failure:
        scored(tmp_path, *judges)
    told = str(failure.value)
    assert ("judge_2: it said 'I would say" in told) == (judges[1] == "prose")
    assert ("judge: it said nothing" in told) == (judges[0] == "silent")


def test_a_list_of_judges_is_a_panel(tmp_path: Path) -> None:
    judges = [Scripted(good, name=f"scripted/{place}") for place in "ab"]
    panel = Panel(TASK, Rubric(TASK), Checklist(TASK, ("Is it polite?",)), size=2)
    models = Models(Scripted(answer, name="scripted/task"), judge=judges)  # type: ignore[arg-type]
    found = evaluate(TASK, Prompt.of("Answer."), model=models, evaluator=panel, store=tmp_path / "store.db")
    assert all(score.answer.endswith("2 of 2 judges") for score in found.scores)


def test_a_judge_needs_no_right_answers_and_a_metric_is_told_that_it_has_none(tmp_path: Path) -> None:
    def judged_by(evaluator: Rubric | None) -> str:
        models = Models(
            Scripted(answer, name="scripted/task"),
            proposer=Scripted(lambda _: "Be polite.", name="scripted/proposer"),
            judge=Scripted(good, name="scripted/judge"),
        )
        store = tmp_path / f"{evaluator is None}.db"
        found = optimize(TASK, optimizer="random", evaluator=evaluator, model=models, budget=Budget(100), store=store)
        return "\n".join(found.warnings)

    assert "no example has a right answer" not in judged_by(Rubric(TASK))
    assert "no example has a right answer" in judged_by(None)


@pytest.mark.parametrize(("second", "told"), [("good", False), ("dislikes", True), ("constant", True)])
def test_judges_that_disagree_on_the_winner_are_told_of(tmp_path: Path, second: str, told: bool) -> None:
    def dislikes(request: Request) -> str:
        return json.dumps({"score": 0 if "Please" in text_of(request).rpartition("<<<reply")[2] else 3})

    def kind(request: Request) -> str:
        return f"Please, {answer(request)}" if "Be kind." in text_of(request) else answer(request)

    class Climb:
        def optimize(self, run: Any) -> None:
            run.evaluate([run.initial, run.initial.replace("instruction", "Answer. Be kind.")], run.dev)

        def fingerprint(self) -> dict[str, Any]:
            return {"climb": 1}

    other = {"good": good, "dislikes": dislikes, "constant": lambda _: SAID["constant"]}[second]
    judges = Scripted(good, name="scripted/a"), Scripted(other, name="scripted/b")
    panel = Panel(TASK, Rubric(TASK), Checklist(TASK, ("Is it polite?",)), size=2)
    models = Models(Scripted(kind, name="scripted/task"), judge=judges)
    found = optimize(TASK, Climb(), model=models, evaluator=panel, budget=Budget(calls=3_000), store=tmp_path / "s.db")
    said = [each for each in found.warnings if "the judges of the panel disagree" in each]

    assert found.best.prompt["instruction"] == "Answer. Be kind."
    assert bool(said) is told
    if told:
        assert "judge 1: +0." in said[0]
        assert ("judge 2: -0." if second == "dislikes" else "judge 2: +0.000") in said[0]
