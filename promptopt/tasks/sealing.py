"""The task that a search is handed: everything but the test examples, which its owner keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from promptopt.errors import ConfigError
from promptopt.protocols import Task
from promptopt.tasks.reach import reached
from promptopt.tasks.task import Task as OwnTask
from promptopt.types import Content, Example, Prompt

AnyTask = TypeVar("AnyTask", bound=Task)


def without_test(task: AnyTask) -> AnyTask:
    """`task` with no test examples, nor the pool they were cut from; so is the task it was made from, if there is one.

    It renders, scores and describes itself as before. Its fingerprint is the owner's to take first. A task of somebody
    else's making is seen through a `SealedTask` where it holds its test in another place too.
    """
    if is_dataclass(task) and not isinstance(task, type) and any(field.name == "test" for field in fields(task)):
        origin = getattr(task, "origin", None)
        changes: dict[str, Any] = {"test": ()}
        # The pool holds the rows of the test too.
        if any(field.name == "pool" for field in fields(task)):
            changes["pool"] = None
        if origin is not None:
            changes["origin"] = without_test(cast("Task", origin))
        sealed = replace(cast("Any", task), **changes)
        # Our own task holds its test nowhere else.
        if isinstance(task, OwnTask) or not _shows(sealed, task):
            return cast("AnyTask", sealed)
    return cast("AnyTask", SealedTask(task))


def test_alone(task: Task) -> frozenset[str]:
    """The ids of the test examples that stand in no other split."""
    return frozenset(each.id for each in task.test).difference(each.id for each in (*task.train, *task.dev))


class SealedTask:
    """A task of somebody else's making, seen without its test examples.

    The task itself stands in `_TASK_OF_SEALED`, and nothing in here leads to it. Methods and attributes that only
    that task has are there too, but for those that show a test example.
    """

    test: tuple[Example, ...] = ()
    pool = None

    def __init__(self, task: Task) -> None:
        """`task`: as its owner has it."""
        self.train, self.dev = tuple(task.train), tuple(task.dev)
        _TASK_OF_SEALED[self] = task

    def render(self, prompt: Prompt, example: Example) -> tuple[Content, int]:
        """As the task."""
        return _TASK_OF_SEALED[self].render(prompt, example)

    def broken_by(self, prompt: Prompt, count_tokens: Callable[[str], int]) -> str | None:
        """As the task."""
        return _TASK_OF_SEALED[self].broken_by(prompt, count_tokens)

    def fingerprint(self) -> Mapping[str, Any]:
        """As the task, whose test examples it has digests of."""
        return _TASK_OF_SEALED[self].fingerprint()

    def __getattr__(self, name: str) -> Any:
        whole = _TASK_OF_SEALED.get(self)
        if whole is None or name.startswith("__"):
            raise AttributeError(name)
        found: Any = getattr(whole, name)
        if name == "origin":
            return None if found is None else without_test(found)
        if not _shows(found, whole):
            return found
        if callable(found):
            return _Behind(self, name)
        raise AttributeError(f"{name!r} of task {whole.name!r} holds test examples, which a search is not shown")


@dataclass(frozen=True, slots=True)
class _Behind:
    """A method of a sealed task, such as its metric."""

    task: SealedTask
    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        whole = _TASK_OF_SEALED[self.task]
        given = getattr(whole, self.name)(*args, **kwargs)
        if _shows(given, whole):
            raise ConfigError(
                f"{self.name} of task {whole.name!r} gives test examples, which a search is not shown; use train or dev"
            )
        return given


_TASK_OF_SEALED: WeakKeyDictionary[SealedTask, Any] = WeakKeyDictionary()
"""The tasks behind the sealed ones. Kept here and not in them: what looks around in a run does not come upon it."""


def _shows(thing: object, whole: Task) -> bool:
    """Whether a test example of `whole`, or that task itself, is reached from `thing`."""
    sealed = frozenset(whole.test)
    return any(part is whole or (isinstance(part, Example) and part in sealed) for part in (thing, *reached(thing)))
