"""A task without its test examples."""

from __future__ import annotations

from promptopt.tasks.sealing import without_test
from promptopt.testing import planted_task


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
