"""Examples that must pass, kept apart from those that means are over and that a search learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptopt.tasks.duplicates import nearly_same, same_input
from promptopt.tasks.task import Task
from promptopt.types import Example


def beside_test(task: Task) -> tuple[Example, ...]:
    """The examples that must pass and are none of the test."""
    test = frozenset(task.test)
    return tuple(example for example in task.gate.must_pass if example not in test)


def apart_from_must_pass(task: Task) -> tuple[Task, tuple[Example, ...]]:
    """The task without what says the same as an example that must pass and is none of its test; and those examples."""
    further = beside_test(task)
    if not further:
        return task, ()
    # An example of the same words or group elsewhere would let a search learn what must pass.
    taken = {key for example in further for key in (same_input(example), nearly_same(example))}
    groups = {example.group for example in further if example.group}

    def apart(examples: Sequence[Example]) -> tuple[Example, ...]:
        outside = (each for each in examples if each.group not in groups)
        return tuple(each for each in outside if taken.isdisjoint((same_input(each), nearly_same(each))))

    return replace(task, train=apart(task.train), dev=apart(task.dev), test=apart(task.test)), further
