"""Replies that people scored, read from rows and held against the demands of the task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import DataError
from promptopt.judges import calibrate, labelled_rows
from promptopt.models.scripted import Scripted
from promptopt.tasks import Task
from promptopt.tasks.demands import demands_of
from promptopt.types import Example, Message

SPOKEN = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]


def chats() -> Task:
    def one(number: int) -> Example:
        said = [Message("user", "hi"), Message("assistant", "Hello."), Message("user", f"Where is {number}?")]
        return replace(Example.chat(said, "", str(number), ()), demands=demands_of([f"At {number}"], "here"))

    return Task.from_examples([one(number) for number in range(20)], prompt="Be kind.", metric="demands")


def rows(first: int) -> list[tuple[str, dict[str, object]]]:
    asked = [[*SPOKEN, {"role": "user", "content": f"Where is {first + n}?"}] for n in range(10)]
    return [
        (f"row {n}", {"history": each, "reply": (f"At {n}.", "No.")[n % 2], "score": 1 - n % 2})
        for n, each in enumerate(asked)
    ]


def test_a_history_of_messages_is_the_conversation_of_the_task(tmp_path: Path) -> None:
    task, model = chats(), Scripted(lambda _: "x", name="scripted/x")
    labelled = labelled_rows(task, rows(0), (0, 1))
    found = calibrate(task, labelled, model=model, evaluator="generation", store=tmp_path / "store.db")

    assert labelled[0].example["history"] == "user: hi\n\nassistant: Hello.\n\nuser: Where is 0?"
    assert found.report is not None
    assert found.report.agreement == 1.0


def test_replies_to_inputs_that_the_task_lacks_are_said_to_have_no_demands(tmp_path: Path) -> None:
    task, model = chats(), Scripted(lambda _: "x", name="scripted/x")
    labelled = labelled_rows(task, rows(5), (0, 1)) + labelled_rows(task, rows(100), (0, 1))[:3]

    with pytest.raises(DataError, match="3 labelled replies are to inputs that no example of the task has"):
        calibrate(task, labelled, model=model, evaluator="generation", store=tmp_path / "store.db")
