"""Floors of several tasks that a test of this size cannot hold, refused before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.errors import ConfigError
from promptopt.protocols import Task
from promptopt.stats import paired_gain
from promptopt.tasks.task import Task as OwnTask
from promptopt.text import counted
from promptopt.types import Example, Weigh


def least_floors(task: Task, examples: Sequence[Example]) -> dict[str, float]:
    """By each task that has a floor, the least one that its own of `examples` hold if both prompts give equal replies.

    Empty for one task, and where no floor is asked for.
    """
    if not isinstance(task, OwnTask):
        return {}
    own = {name: [each for each in examples if each.slice == name] for name in task.members}
    return {name: _least(held, task.weigh) for name, held in own.items() if task.floor_of(name) is not None}


def _least(examples: Sequence[Example], weigh: Weigh) -> float:
    scores, groups = [0.0 for _ in examples], [example.group for example in examples]
    # One-sided at 5 %, as floors are decided.
    return -paired_gain(scores, scores, alpha=0.1, groups=groups, weigh=weigh).interval[0]


def check_floors(task: Task, examples: Sequence[Example]) -> None:
    """Raise ConfigError where `examples` cannot hold the floor of a task, whatever the prompt."""
    unheld = {
        name: least
        for name, least in least_floors(task, examples).items()
        if isinstance(task, OwnTask) and (task.floor_of(name) or 0.0) <= least
    }
    if unheld:
        of = {name: sum(example.slice == name for example in examples) for name in unheld}
        said = ", ".join(
            f"{counted(of[name], 'test example')} of {name} hold {100 * least:.1f} points at best"
            for name, least in unheld.items()
        )
        # Rounded up, so that what is named can be held.
        enough = math.ceil(1000 * max(unheld.values()) + 1e-6) / 1000
        raise ConfigError(
            f"the floor cannot be held, whatever the prompt: where nothing changes, {said}; give more test examples, "
            f"a higher cap, or --floor {enough:g} (--margin, where one prompt is for several models)"
        )
