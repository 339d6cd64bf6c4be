"""Which of its task's layouts a prompt is read in, and which of them the model could tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptopt.errors import UnknownName
from promptopt.tasks.layout import Layout
from promptopt.types import Content, Prompt, digest

if TYPE_CHECKING:
    from promptopt import protocols
    from promptopt.tasks.task import Task


def in_use(task: Task) -> Layout:
    """The task's own layout: the one chosen, else the first that it ships."""
    return task.layouts[0] if task.layout is None else task.layout


def layout_of(task: Task, prompt: Prompt) -> Layout:
    """The layout that `prompt` is read in: the one it names, else the task's own. Raises UnknownName."""
    if not prompt.layout:
        return in_use(task)
    for layout in task.layouts:
        if layout.name == prompt.layout:
            return layout
    raise UnknownName("layout", prompt.layout, (layout.name for layout in task.layouts))


def read_apart(task: Task, prompt: Prompt) -> Mapping[str, str]:
    """For each layout, by name, the first in which the model reads `prompt` as it does in that one; the own one first.

    Without demonstrations a prompt reads the same in some. A layout that cannot show its demonstrations is left out.
    """
    read: dict[Content, str] = {}
    found: dict[str, str] = {}
    for layout in (in_use(task), *task.layouts):
        if prompt.demos and not layout.shows_demos:
            continue
        # One example shows it: layouts differ in what stands around an input, and not by input.
        rendered, _ = layout.compile(prompt, task.fields, task.placeholders)(task.train[0])
        found.setdefault(layout.name, read.setdefault(rendered, layout.name))
    return found


def named_layout(prompt: Prompt) -> dict[str, str]:
    """JSON: the layout that a prompt names; empty where it is read in the task's own."""
    return {"layout": prompt.layout} if prompt.layout else {}


def layouts_said(task: protocols.Task) -> Mapping[str, str]:
    """JSON, a digest by name, that changes whenever one of the task's layouts does."""
    from promptopt.tasks.task import Task

    if not isinstance(task, Task):
        return {}
    return {layout.name: digest(layout.to_json(task.editables)) for layout in task.layouts}
