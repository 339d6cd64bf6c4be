"""Randomness by name: each stream of a run has a generator of its own."""

from __future__ import annotations

import random


class RandomStreams:
    """The generators of one seed, each made when it is first asked for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.generators: dict[str, random.Random] = {}
        """Those that were asked for so far, by name."""

    def rng(self, stream: str) -> random.Random:
        """The generator of that name, the same one each time."""
        if stream not in self.generators:
            # A text as seed is hashed by sha512, unlike by `hash`: the same numbers in every process.
            self.generators[stream] = random.Random(f"{self._seed}/{stream}")
        return self.generators[stream]
