"""What counts once in the mean scores of a task."""

from __future__ import annotations

from promptopt.protocols import Task, WeighedTask
from promptopt.types import Weigh


def weigh_of(task: Task) -> Weigh:
    """Turns, where the task does not say."""
    return task.weigh if isinstance(task, WeighedTask) else "turn"
