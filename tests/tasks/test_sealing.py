"""A task without its test examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.protocols import Task
from promptopt.tasks.sealing import without_test
from promptopt.testing import examples_within, planted_task
from promptopt.types import Example


class Wrapped:
    """A task of somebody else's making: no dataclass, all else as the task inside it."""

    def __init__(self) -> None:
        self.inner = planted_task()
        self.origin = planted_task(seed=1)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


def test_a_task_that_is_no_dataclass_loses_its_pool_too() -> None:
    sealed = without_test(Wrapped())  # pyright: ignore[reportArgumentType]
    assert sealed.test == ()
    assert sealed.pool is None
    assert sealed.origin.test == ()
    assert sealed.origin.pool is None


@dataclass(frozen=True)
class Plain:
    """A dataclass of somebody else's making, which keeps all its examples in a field of its own too."""

    inner: Task
    everything: tuple[Example, ...]
    test: tuple[Example, ...]

    def __getattr__(self, name: str) -> object:
        return getattr(object.__getattribute__(self, "inner"), name)


class FromRows:
    """A task that makes its examples out of what it read, whenever it is asked for them."""

    def __init__(self) -> None:
        self.inner = planted_task()
        self.rows = {example.id: example for example in (*self.inner.train, *self.inner.dev, *self.inner.test)}
        self.metric = lambda answer, example: self.score(answer, example)

    @property
    def test(self) -> tuple[Example, ...]:
        return tuple(replace(example) for example in self.inner.test)

    def score(self, answer: str, example: Example) -> float:
        return float(answer == example.target)

    def everything(self) -> list[Example]:
        return list(self.rows.values())

    def labels_in_use(self) -> tuple[str, ...]:
        return self.inner.labels

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


def plain() -> Plain:
    inner = planted_task()
    return Plain(inner, (*inner.train, *inner.test), inner.test)


@pytest.mark.parametrize("made", [Wrapped, FromRows, plain])
def test_nothing_leads_from_a_sealed_task_to_its_test(made: Callable[[], Any]) -> None:
    task = made()
    sealed = without_test(task)
    hidden = {example.id for example in task.test}
    names = ("render", "broken_by", "fingerprint", "metric", "answer", "labels", "sampling", "initial", "train", "dev")
    for thing in (sealed, *(getattr(sealed, name) for name in names)):
        assert hidden.isdisjoint(example.id for example in examples_within(thing))
        assert getattr(thing, "__self__", sealed) is not task
    assert sealed.test == ()
    assert sealed.train == task.train
    assert sealed.render(task.initial, task.dev[0]) == task.render(task.initial, task.dev[0])
    assert sealed.fingerprint() == task.fingerprint()


def test_what_only_that_task_has_is_there_unless_it_shows_a_test_example() -> None:
    sealed: Any = without_test(FromRows())  # pyright: ignore
    right = sealed.train[0]
    assert sealed.metric(right.target, right) == 1.0
    assert sealed.labels_in_use() == sealed.labels
    for hidden in ("rows", "inner"):
        with pytest.raises(AttributeError, match=f"'{hidden}' of task 'planted' holds test examples"):
            getattr(sealed, hidden)
    with pytest.raises(ConfigError, match="everything of task 'planted' gives test examples"):
        sealed.everything()
    with pytest.raises(AttributeError):
        _ = sealed.nothing_of_the_kind
