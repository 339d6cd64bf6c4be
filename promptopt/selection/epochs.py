"""Minibatches by epochs: every example comes up before one comes up again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from promptopt.types import Example


class Epochs:
    """Minibatches of a shuffled order, shuffled anew for each epoch (`EpochShuffledBatchSampler` of the code)."""

    def __init__(self, examples: Sequence[Example], size: int, rng: random.Random) -> None:
        """`size`: examples of a minibatch; as many as there are, where that is fewer."""
        self._examples, self._rng = tuple(examples), rng
        self._size = min(size, len(self._examples))
        self._used: Counter[str] = Counter()
        self._epoch: list[tuple[Example, ...]] = []
        self._place = 0

    @property
    def count(self) -> int:
        """Minibatches of an epoch."""
        return -(-len(self._examples) // self._size)

    def take(self, wanted: int = 1) -> list[tuple[Example, ...]]:
        """The next minibatches, all of one epoch and no two the same: fewer, where an epoch has fewer."""
        if self._place >= len(self._epoch):
            self._epoch, self._place = self._shuffled(), 0
        places = range(self._place, self._place + min(wanted, self.count))
        self._place += len(places)
        # As in the code: what goes beyond the epoch begins at its head again.
        return [self._epoch[place % self.count] for place in places]

    def _shuffled(self) -> list[tuple[Example, ...]]:
        order = self._rng.sample(self._examples, len(self._examples))
        self._used.update(example.id for example in order)
        # The last minibatch is filled up with those used least that it does not hold; of equals the earliest.
        while len(order) % self._size:
            held = order[-(len(order) % self._size) :]
            others = [example for example in order[: len(self._examples)] if example not in held]
            least = min(others, key=lambda example: self._used[example.id])
            self._used[least.id] += 1
            order.append(least)
        return [tuple(order[begin : begin + self._size]) for begin in range(0, len(order), self._size)]
