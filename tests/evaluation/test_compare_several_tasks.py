"""Prompts over several tasks are compared by what these are worth: the mean, the worst of them, or within floors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.suite import several_tasks
from promptopt.evaluation import Asked, Evaluation, compare, evaluate_together, paired
from promptopt.models.scripted import Scripted
from promptopt.tasks.task import Task
from promptopt.types import Example, Request


def one_task(name: str, count: int = 120) -> Task:
    examples = [Example.of("yes", text=f"{name} number {at}") for at in range(count)]
    return Task.from_examples(examples, prompt="Answer.\n\n{text}", metric="exact", answer="text", name=name)


def answering(gained: str, lost: str) -> Scripted:
    """Right on half of each task; under "New" on nearly all of `gained`, and on a third of `lost`."""

    def reply(request: Request) -> str:
        text = "\n".join(message.content for message in request.content if not isinstance(message, str))
        number = int(text.rpartition("number ")[2].split()[0])
        right = number % 2 == 0
        if "New" in text:
            right = number % 10 > 0 if f"{gained} number" in text else number % 3 == 0 if f"{lost} " in text else right
        return "yes" if right else "no"

    return Scripted(reply, name="m")


def compared(store: Path, model: Scripted, **objective: Any) -> tuple[Evaluation, Evaluation]:
    whole = several_tasks([one_task("inn"), one_task("ferry")], **objective)
    old, new = whole.starting_from("Old."), whole.starting_from("New.")
    first, second = evaluate_together([Asked(whole, each, model) for each in (old, new)], split="test", store=store)
    return first, second


def test_by_the_worst_task_a_prompt_that_gives_one_up_is_not_better(tmp_path: Path) -> None:
    model = answering("inn", "ferry")
    mean = compare(*compared(tmp_path / "a.db", model))
    worst = compare(*compared(tmp_path / "b.db", model, objective="worst"))
    assert (mean.verdict, mean.smallest) == ("better", None)
    assert worst.smallest is not None
    assert (worst.smallest.task, worst.smallest.tasks) == ("ferry", 2)
    assert worst.smallest.mean < 0.0
    assert worst.verdict == worst.smallest.verdict != "better"
    assert "the smallest gain of 2 tasks is -0." in str(worst)
    assert ", on ferry (95 % interval" in str(worst)
    assert worst.to_json()["smallest_gain"]["task"] == "ferry"
    assert "smallest_gain" not in mean.to_json()


def test_by_the_worst_task_a_prompt_that_gains_on_all_is_better(tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        text = "\n".join(message.content for message in request.content if not isinstance(message, str))
        return "yes" if "New" in text or int(text.rpartition("number ")[2].split()[0]) % 2 else "no"

    found = compare(*compared(tmp_path / "t.db", Scripted(reply, name="m"), objective="worst"))
    assert found.verdict == "better"


def test_the_worst_of_two_is_what_a_prompt_is_ranked_by(tmp_path: Path) -> None:
    _, new = compared(tmp_path / "a.db", answering("inn", "ferry"), objective="worst")
    assert new.by_member.keys() == {"inn", "ferry"}
    assert new.worth == min(new.by_member.values()) < new.measured.score
    assert new.figures()["by_member"] == new.by_member
    assert f"The mean on each task: inn {new.by_member['inn']:.3f}, ferry {new.by_member['ferry']:.3f}." in str(new)
    _, by_mean = compared(tmp_path / "b.db", answering("inn", "ferry"))
    assert by_mean.worth == by_mean.measured.score


def test_by_floors_a_gain_in_the_mean_is_not_better_where_a_floor_is_not_held(tmp_path: Path) -> None:
    found = compare(*compared(tmp_path / "s.db", answering("inn", "ferry"), objective="floors", floor=0.15))
    assert found.gain.mean > 0.0
    assert found.verdict == "no_evidence"
    assert ", but the floor of ferry (15 points) is " in str(found)
    # A floor that is reported and is no objective takes no verdict away.
    beside = compare(*compared(tmp_path / "t.db", answering("inn", "ferry"), floor=0.15))
    assert (beside.verdict, beside.unheld) == ("better", "")


@pytest.mark.parametrize("fewer", [0, 1])
def test_prompts_are_held_against_each_other_on_what_both_have_scored(fewer: int, tmp_path: Path) -> None:
    both = list(compared(tmp_path / "s.db", answering("inn", "ferry")))
    both[fewer] = replace(both[fewer], examples=both[fewer].examples[3:], scores=both[fewer].scores[3:])
    found = paired(*both)
    assert [each.example for each in found] == list(both[fewer].examples)
    assert [each.after for each in found] == list(both[1].scores)[-len(found) :]
    assert compare(*both).gain.n == len(found)
