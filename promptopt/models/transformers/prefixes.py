"""The keys and values of prefixes that many texts begin with: each computed once, and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from promptopt.models.files.checkpoints import require

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""
Prefix = tuple[int, ...]
States = list[tuple[Tensor, Tensor]]
"""Keys and values of every layer, each of shape (1, heads, tokens, width)."""

PREFIX_BYTES = 512 << 20
"""How many keys and values of prefixes are kept; the least recently used go first. Ours."""


class PrefixStates:
    """What attention needs of each prefix. Not for several threads at once."""

    def __init__(self, compute: Callable[[Prefix], States]) -> None:
        """`compute`: a forward pass over a prefix that is not kept."""
        self._compute = compute
        self._kept: OrderedDict[Prefix, States] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def states(self, prefix: Prefix) -> States:
        """Keys and values of a prefix, computed on their own, as any text that begins with it finds them."""
        found = self._kept.get(prefix)
        if found is None:
            found = self._kept[prefix] = self._compute(prefix)
            # The newest stays, however large it is: it is about to be used.
            while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > PREFIX_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(prefix)
        return found

    def cache(self, prefix: Prefix, rows: int) -> Any:
        """A transformers cache that holds the prefix for so many rows; what is added to it touches no other."""
        transformers = require("transformers")
        cache = transformers.DynamicCache()
        for keys, values in self.states(prefix):
            layer = transformers.cache_utils.DynamicLayer()
            layer.lazy_initialization(keys, values)
            # Views: the prefix stands in memory once for all rows.
            layer.keys, layer.values = keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)
            cache.layers.append(layer)
        return cache

    def forget(self, prefix: Prefix) -> None:
        """Let go of one prefix; of one that is not kept nothing is done."""
        self._kept.pop(prefix, None)

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()


def _bytes(states: States) -> int:
    return sum(part.numel() * part.element_size() for keys_values in states for part in keys_values)
