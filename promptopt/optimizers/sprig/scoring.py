"""What both searches share: a prompt of components, the examples of a step, and what a prompt is worth on them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import cast

from promptopt.optimizers.sprig.edits import Parts, text_of_parts
from promptopt.protocols import SeveralTasks, Task
from promptopt.run import Run
from promptopt.text import strip_fence
from promptopt.thoughts import spoken
from promptopt.types import Example, Prompt


def prompt_with_components(run: Run, parts: Parts) -> Prompt:
    """The start with these components behind it."""
    start = run.initial[run.task.editable]
    if not parts:
        return run.initial
    # To a start of several lines the components are one more paragraph.
    between = "\n\n" if "\n" in start else " "
    return run.initial.replace(run.task.editable, f"{start}{between}{text_of_parts(parts)}")


def step_examples(run: Run, count: int, *, shared: bool) -> list[Example]:
    """The examples of a step: as many of each task, `count` each or, `shared`, together."""
    rng = run.rng("examples")
    train = run.train
    task = run.task
    groups: dict[str, list[Example]] = {}
    for example in train:
        groups.setdefault(task.member_of(example) if isinstance(task, SeveralTasks) else "", []).append(example)
    # As many of each: the objective is over tasks, however many examples they have.
    each = max(1, count // len(groups)) if shared else count
    return [example for group in groups.values() for example in rng.sample(group, min(each, len(group)))]


def worth_of(task: Task, examples: Sequence[Example], values: Sequence[float]) -> float:
    """What a prompt is worth: the mean, or what the tasks' objective makes of their means."""
    if not isinstance(task, SeveralTasks):
        return math.fsum(values) / len(values)
    by_task: dict[str, list[float]] = {}
    for example, value in zip(examples, values, strict=True):
        by_task.setdefault(task.member_of(example), []).append(value)
    return task.worth({name: math.fsum(own) / len(own) for name, own in by_task.items()})


def texts_in_list(reply: str) -> list[str]:
    """The texts of the JSON list in a reply, from its first to its last bracket; none where there is no such list."""
    said = spoken(reply)
    text = strip_fence("" if said is None else said)
    # Models write a sentence before the list, or one after it.
    begin, end = text.find("["), text.rfind("]")
    try:
        found: object = json.loads(text[begin : end + 1]) if 0 <= begin < end else None
    except (ValueError, RecursionError):
        return []
    entries = cast("list[object]", found) if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, str)]
