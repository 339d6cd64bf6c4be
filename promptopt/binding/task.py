"""A task by name or file, complete enough for a search; and the task that a search is handed."""

from __future__ import annotations

from pathlib import Path

from promptopt.errors import ConfigError
from promptopt.protocols import Task


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
