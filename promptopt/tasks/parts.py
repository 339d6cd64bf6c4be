"""The prompt parts that a search may edit, where there are several, and the one that it edits now."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from promptopt.errors import ConfigError
from promptopt.protocols import SeveralParts, Task
from promptopt.tasks.layout import Layout, UserPrompt
from promptopt.tasks.spelling import as_spelt
from promptopt.text import normalise
from promptopt.types import Content, Example, Prompt

AnyTask = TypeVar("AnyTask", bound=Task)


def editables_of(task: Task) -> tuple[str, ...]:
    """The names of all editable parts, in the task's order; of a task that names one only, that one."""
    return task.editables if isinstance(task, SeveralParts) else (task.editable,)


def shown_to(task: Task, part: str) -> str:
    """The name of the one of several tasks whose examples alone show a prompt part; empty where all examples do."""
    return next((name for name, user in _users_of(task).items() if user.part == part), "")


def _users_of(task: Task) -> Mapping[str, UserPrompt]:
    layout: object = getattr(task, "layout", None)
    return layout.users if isinstance(layout, Layout) else {}


def counts_of(task: Task) -> tuple[int, int, int]:
    """(tasks that this one is made of, prompt parts that may be edited, those of them that one task alone shows)."""
    members: tuple[str, ...] = getattr(task, "members", ())
    parts = editables_of(task)
    return max(1, len(members)), len(parts), sum(bool(shown_to(task, part)) for part in parts)


def with_user_prompts(task: AnyTask) -> AnyTask:
    """Several tasks under one system prompt with the user prompt of each as an editable part of its own.

    Any other task as it is; one of several that has no user prompt (conversations) keeps what it asks.
    """
    from promptopt.tasks.task import Task as OwnTask

    users = tuple(_users_of(task).values())
    if not isinstance(task, OwnTask) or not users or users[0].part in task.initial.parts:
        return task
    initial = task.initial
    for user in users:
        initial = initial.replace(user.part, user.start)
    clauses = replace(task.contract, parts=tuple((user.part, user.contract) for user in users))
    several: Any = (task.editable, *(user.part for user in users))
    parted = replace(task, initial=initial, editable=several, editables=(), contract=clauses)
    return cast("AnyTask", parted)


def focused(task: Task, part: str) -> Task:
    """The task as a search sees it that edits `part` now; the task itself, where it names that one already."""
    if task.editable == part:
        return task
    from promptopt.tasks.task import Task as OwnTask

    if isinstance(task, OwnTask):
        # Not `replace`, which would look through all examples again: nothing but the name changes.
        view = copy.copy(task)
        object.__setattr__(view, "editable", part)
        return view
    # A view of the whole and never of another view: turns go on as long as the search does.
    return cast("Task", Focused(task.whole if isinstance(task, Focused) else task, part))


class Focused:
    """A task of somebody else's making, with another of its editable parts named."""

    def __init__(self, whole: Task, editable: str) -> None:
        """`whole`: the task as it was given to the run."""
        self.whole, self.editable = whole, editable

    def render(self, prompt: Prompt, example: Example) -> tuple[Content, int]:
        """As the task."""
        return self.whole.render(prompt, example)

    def broken_by(self, prompt: Prompt, count_tokens: Callable[[str], int]) -> str | None:
        """As the task."""
        return self.whole.broken_by(prompt, count_tokens)

    def fingerprint(self) -> Mapping[str, Any]:
        """As the task."""
        return self.whole.fingerprint()

    def __getattr__(self, name: str) -> Any:
        # Before `whole` is set, as in a copy or an unpickled one, this would ask itself without end.
        if name == "whole" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.whole, name)


def named_parts(name: str, editable: str | Sequence[str], known: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The part that is edited first, and all that are; `known`: those named before, which hold on to `editable`.

    Raises ConfigError where none is named.
    """
    if isinstance(editable, str):
        # `replace` on a task hands both on: the part edited now, and all those it was made with.
        return editable, tuple(known) if editable in known else (editable,)
    parts = tuple(editable)
    if not parts:
        raise ConfigError(f"task {name!r}: editable names no prompt part; name one or more, such as 'instruction'")
    return parts[0], parts


def check_editables(name: str, editables: Sequence[str], frozen: Collection[str]) -> None:
    """Raise ConfigError where a part is named twice, or is to be edited and frozen at once."""
    twice = next((part for part in editables if editables.count(part) > 1), None)
    if twice is not None:
        raise ConfigError(f"task {name!r}: editable names the prompt part {twice!r} twice; name each part once")
    both = next((part for part in editables if part in frozen), None)
    if both is not None:
        raise ConfigError(
            f"task {name!r}: the prompt part {both!r} is editable and frozen at once; take it out of `editable`, or "
            f"out of the contract's frozen parts (task.editing({both!r}) does that)"
        )


def edited_text(task: Task, prompt: Prompt) -> str:
    """What of a prompt is edited, for a person: the text, or where there are several parts each below its name.

    Slots are spelt as the task's own prompt spells them.
    """
    parts = editables_of(task)
    marks: Sequence[tuple[str, str]] = getattr(task, "marks", ())
    if len(parts) == 1:
        return as_spelt(prompt[parts[0]], marks)
    return "\n\n".join(f"[{part}]\n{as_spelt(prompt[part], marks)}" for part in parts)


def wording(task: Task, prompt: Prompt, plain: Callable[[str], str] = normalise) -> str:
    """The texts of all editable parts as one key that tells prompts apart; `plain` takes away what makes no difference.

    Of a task with one editable part it is the plain text of that part.
    """
    # No part may hold this character (`Contract`), so texts cannot run into one another.
    return "\0".join(plain(prompt[part]) for part in editables_of(task))
