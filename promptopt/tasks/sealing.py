"""The task that a search is handed: everything but the test examples, which its owner keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from promptopt.protocols import Task

AnyTask = TypeVar("AnyTask", bound=Task)


def without_test(task: AnyTask) -> AnyTask:
    """`task` with no test examples, nor the pool they were cut from; so is the task it was made from, if there is one.

    It renders, scores and describes itself as before. Its fingerprint is the owner's to take first.
    """
    if is_dataclass(task) and not isinstance(task, type):
        origin = getattr(task, "origin", None)
        changes: dict[str, Any] = {"test": ()}
        if any(field.name == "pool" for field in fields(task)):
            changes["pool"] = None
        if origin is not None:
            changes["origin"] = without_test(cast("Task", origin))
        return cast("AnyTask", replace(cast("Any", task), **changes))
    return cast("AnyTask", _Untested(task))


@dataclass(frozen=True)
class _Untested:
    """A task of somebody else's making, seen without its test examples."""

    whole: Any

    test = ()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.whole, name)
        if name == "pool":
            return None
        return without_test(found) if name == "origin" and found is not None else found
