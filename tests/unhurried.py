"""A scripted model whose replies are in the file before it is asked again, so that a kill loses the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from promptopt.models.scripted import Scripted
from promptopt.store.runs import Store
from promptopt.types import Reply, Request


class Unhurried(Scripted):
    """Waits for `store` behind each reply: how many are on their way to the file else depends on the machine."""

    store: Store

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Answer in order."""
        for each in super().generate(requests, stopping):
            yield each
            self.store.cache.flush()


def unhurried(model: Scripted, store: Store) -> Scripted:
    """The model, which waits for `store` from now on."""
    model.__class__ = Unhurried
    model.store = store  # type: ignore[attr-defined]
    return model
