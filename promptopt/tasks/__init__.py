"""Tasks: examples, a starting prompt, layouts, and what a right answer is. Names are imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptopt.tasks.catalogue import load_task, task_names
    from promptopt.tasks.contract import Contract
    from promptopt.tasks.guess import guess_task
    from promptopt.tasks.layout import Layout
    from promptopt.tasks.reading.columns import Columns
    from promptopt.tasks.reading.scenarios import scenario
    from promptopt.tasks.splits import Splits
    from promptopt.tasks.task import Task
    from promptopt.tasks.task_file import load_task_file

_HOMES = {
    "Columns": "reading.columns",
    "Contract": "contract",
    "Layout": "layout",
    "Splits": "splits",
    "Task": "task",
    "guess_task": "guess",
    "load_task": "catalogue",
    "load_task_file": "task_file",
    "scenario": "reading.scenarios",
    "task_names": "catalogue",
}

__all__ = [
    "Columns",
    "Contract",
    "Layout",
    "Splits",
    "Task",
    "guess_task",
    "load_task",
    "load_task_file",
    "scenario",
    "task_names",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'promptopt.tasks' has no attribute {name!r}")
    return getattr(import_module(f"promptopt.tasks.{_HOMES[name]}"), name)
