"""What tells a task from another one that could score a prompt differently."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from promptopt.tasks.layouts import layout_of
from promptopt.types import digest

if TYPE_CHECKING:
    from promptopt.tasks.task import Task


def fingerprint_of(task: Task) -> Mapping[str, Any]:
    """As `protocols.Task.fingerprint`."""
    sampling = task.sampling
    origin = {} if task.origin is None else {"origin": digest(task.origin.fingerprint())}
    several = {"members": list(task.members), "objective": task.objective, "weights": list(task.weights)}
    return {
        **origin,
        **(several if task.members else {}),
        # What is the default was not said by earlier versions.
        **({} if task.weigh == "turn" else {"weigh": task.weigh}),
        # By which a search goes; by the others' it does not.
        **({"floors": {name: floor.margin for name, floor in task.floors.items()}} if task.floors else {}),
        "name": task.name,
        "description": task.description,
        "initial": task.initial.id,
        # One part is written as it always was; which of several is edited now is no part of what the task is.
        "editable": list(task.editables) if len(task.editables) > 1 else task.editable,
        "layout": digest(layout_of(task, task.initial).to_json(task.editables)),
        "labels": list(task.labels),
        "metric": _name_or_source(task.metric),
        "answer": _name_or_source(task.answer),
        "sampling": [sampling.temperature, sampling.top_p, sampling.max_tokens, list(sampling.stop)],
        "contract": digest(task.contract.to_json()),
        "examples": {
            name: digest([example.id for example in split])
            for name, split in (("train", task.train), ("dev", task.dev), ("test", task.test))
        },
    }


def _name_or_source(function: str | Callable[..., object]) -> str:
    """A name as it is; a function by where it is defined and by what its source says."""
    if isinstance(function, str):
        return function
    described = f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"
    try:
        return f"{described}@{digest(inspect.getsource(function))}"
    except (OSError, TypeError):
        return described
