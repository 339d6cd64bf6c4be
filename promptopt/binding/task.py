"""A task by name or file, complete enough for a search; and the task that a search is handed."""

from __future__ import annotations

from pathlib import Path

from promptopt.errors import ConfigError
from promptopt.protocols import Task
from promptopt.tasks.layout import USER_PROMPT
from promptopt.tasks.parts import shown_to
from promptopt.types import Prompt


def bind_task(task: str | Path | Task, seed: int, *, own_user: bool = False) -> Task:
    """A task by name or file, or the one given. Raises ConfigError where a split is empty.

    `own_user`: whether the caller names who plays users (`tasks.catalogue.load_task`).
    """
    task = _named_task(task, seed, own_user=own_user)
    for split in ("train", "dev", "test"):
        if not getattr(task, split):
            raise ConfigError(
                f"task {task.name!r} has no {split} examples: a search needs train and dev, and a verdict needs test; "
                f"give it more data, or other split sizes"
            )
    return task


def _named_task(task: str | Path | Task, seed: int, *, own_user: bool) -> Task:
    if isinstance(task, str | Path):
        from promptopt.tasks.catalogue import load_task
        from promptopt.tasks.splits import Splits

        return load_task(task, splits=Splits(seed=seed), own_user=own_user)
    if isinstance(task, type) or not callable(getattr(task, "render", None)):
        raise ConfigError(
            f"{type(task).__name__} {str(task)[:60]!r} is not a task: pass a name, a task file, or a Task, as "
            f"`Task.from_examples` makes it"
        )
    return task


def prompt_or_start(task: Task, prompt: Prompt | None) -> Prompt:
    """The prompt given, or the task's start. Raises ConfigError where its parts are not the task's."""
    if prompt is None:
        return task.initial
    beside = [part for part in prompt.parts if part not in task.initial.parts and not shown_to(task, part)]
    if beside or any(part not in prompt.parts for part in task.initial.parts):
        users = [part for part in beside if part.startswith(USER_PROMPT)]
        if users and len(users) == len(beside):
            raise ConfigError(
                f"the prompt holds the {', '.join(users)}, and task {task.name!r} has no place for it; score it on all "
                f"tasks that it was searched on (--task A,B), or on one behind the system prompt (--system FILE)"
            )
        raise ConfigError(
            f"the prompt has the parts {', '.join(prompt.parts)}, and task {task.name!r} lays out "
            f"{', '.join(task.initial.parts)}; make it from the task's own, as "
            f"task.initial.replace({task.editable!r}, 'the text')"
        )
    return prompt
