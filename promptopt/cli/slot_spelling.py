"""How a prompt spells its slots in the file or the text that a user gave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptopt.cli.given_texts import given_text
from promptopt.tasks.spelling import as_spelt, respelt

if TYPE_CHECKING:
    from promptopt.tasks.task import Task


def as_given(task: Task, text: str, given: str | None) -> str:
    """The text with the slots as the user's own file has them, or as the task does where none was given."""
    return as_spelt(text, task.marks if given is None else respelt((given_text(given),), task.fields).marks)


def _marks(task: Task, given: str | None) -> dict[str, str]:
    """How each slot is spelt in the user's own text or file, or in the task where none was given; empty for exports."""
    if given is None:
        text, marks = "\n".join(task.initial[part] for part in task.editables), task.marks
    elif Path(given).suffix == ".json":
        return {}
    else:
        read = respelt((given_text(given),), task.fields)
        (text,), marks = read.texts, read.marks
    own = dict(marks)
    return {name: own.get(name, f"{{{name}}}") for name in task.fields if f"{{{name}}}" in text}


def misspelt_slot(task: Task, given: tuple[str | None, str]) -> str:
    """Half a sentence where the new prompt marks a slot in another way than the one in use; else empty.

    Both are filled here. What fills the prompt in use knows one way.
    """
    old, new = (_marks(task, each) for each in given)
    for name, mark in new.items():
        # `{{ name }}` and `{{name}}` are one mark to whatever fills it.
        if name in old and "".join(old[name].split()) != "".join(mark.split()):
            return f"writes {mark} where the prompt in use has {old[name]}"
    return ""
