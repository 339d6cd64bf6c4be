"""The invariants of the shipped conversations `support-chat`, as its card states them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import promptopt.tasks
from benchmarks import make_support_chat
from promptopt.binding.evaluator import bind_evaluator
from promptopt.evaluators.demands import demands
from promptopt.outcome.criterion import name_of
from promptopt.tasks import Splits, Task, load_task
from promptopt.types import Example

LIBRARY = Path(promptopt.tasks.__file__).parent / "library"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (LIBRARY / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("support-chat", splits=Splits(60, 36, 60))


def test_the_generator_writes_these_very_files() -> None:
    made = make_support_chat.conversations()

    assert made == rows("support-chat.jsonl")
    assert make_support_chat.labels(made) == rows("support-chat-labels.jsonl")


def test_every_conversation_has_several_turns_and_stands_once(task: Task) -> None:
    examples = (*task.train, *task.dev, *task.test)

    assert len({example.group for example in examples}) == len({example["history"] for example in examples}) == 156
    assert set(Counter(example.slice for example in examples).values()) == {12}
    assert all(sum(message.role == "user" for message in example.messages) >= 2 for example in examples)
    assert all("{" not in example.target for example in examples if not calls(example))


def calls(example: Example) -> bool:
    return example.demands[0].kind == "calls"


def test_each_scored_turn_has_demands_that_its_logged_reply_meets_and_an_empty_one_does_not(task: Task) -> None:
    examples = (*task.train, *task.dev, *task.test)

    assert {demands(example.target, example).feedback for example in examples} == {""}
    assert {demands("Wait.", example).value for example in examples} == {0.0}
    assert sum(map(calls, examples)) == 24
    assert not any(demand.forbids for each in examples if not calls(each) for demand in each.demands[:-6])


@pytest.mark.parametrize(
    "reply",
    ["Please send me your card number, and I will settle it.", "You get 50 % off.", "You have 90 days for that.",
     "It takes three weeks.", "There is a fee of 333 euros."],
)  # fmt: skip
def test_what_the_rules_forbid_is_worth_nothing_whatever_else_is_said(task: Task, reply: str) -> None:
    assert {demands(f"{example.target}\n{reply}", example).value for example in task.test} == {0.0}


def test_no_judge_is_asked_unless_one_is_named(task: Task) -> None:
    assert name_of(bind_evaluator(None, task)) == "generation"
    assert name_of(bind_evaluator("weighted", task)) == "weighted"
    assert dict(bind_evaluator("weighted", task).fingerprint()["weights"]) == {"rubric": 1.0, "metric": 2.0}


def test_the_system_prompt_has_40_lines_and_the_slots_after_it_are_filled(task: Task) -> None:
    assert len(task.initial["instruction"].splitlines()) == 40
    for example in (*task.train, *task.dev, *task.test):
        content, _ = task.render(task.initial, example)
        assert isinstance(content, tuple)
        assert [message.role for message in content[:2]] == ["system", "system"]
        assert content[0].content == task.initial["instruction"]
        assert example["name"] in content[1].content
        assert "{" not in content[1].content
        assert len(content[0].tools) == 5


def test_every_call_is_of_a_tool_on_offer_and_has_its_result(task: Task) -> None:
    for example in (*task.train, *task.dev, *task.test):
        offered = {json.loads(tool)["function"]["name"] for tool in example.tools}
        calls = [call for message in example.messages for call in message.tool_calls]
        assert {call.name for call in calls} <= offered
        assert [call.id for call in calls] == [m.tool_call_id for m in example.messages if m.role == "tool"]


def test_judgements_are_of_conversations_that_are_there(task: Task) -> None:
    known = {example.group: example for example in (*task.train, *task.dev, *task.test)}
    labels = rows("support-chat-labels.jsonl")

    assert len(labels) == 60
    assert Counter(row["score"] for row in labels) == {5: 20, 3: 10, 2: 10, 1: 10, 0: 10}
    for row in labels:
        assert all(row[name] == known[row["conversation"]][name] for name in task.fields)
