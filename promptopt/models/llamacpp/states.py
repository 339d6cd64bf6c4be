"""Saved states of prefixes, and the steps in which a prompt can be evaluated without a bit of it changing."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

STATE_BYTES = 256 << 20
"""How much saved prefix state is kept on disk; the least recently used goes first. One prefix is 1 to 10 MB."""
ROWS = 4
"""Tokens that llama.cpp's kernels for repacked weights take at once; those left over go another way."""


def whole_steps(step: int, count: int) -> int:
    """The longest part of a step of `step` tokens, out of `count`, that gives the bits of one step for all of them.

    It ends where the kernels end a group of rows, and leaves more than one token, for one alone is summed up otherwise.
    """
    step -= step % ROWS
    return step if count - step > 1 else max(0, step - ROWS)


class PrefixStates:
    """The saved states of one model's prefixes, shared by its engines: files named by their tokens."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists and belongs to this process alone."""
        self.folder = folder
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def name(prefix: Sequence[int], before: Sequence[int] = ()) -> str:
        """The file name of a prefix. `before`: where steps ended within it, which moves its last bits."""
        # -1 is no token, so no other prefix is written like this.
        return hashlib.sha256(array("q", [*prefix, -1, *before] if before else prefix).tobytes()).hexdigest()

    def has(self, name: str) -> bool:
        """Whether the state is there; counts as a use."""
        with self._lock:
            if name in self._sizes:
                self._sizes.move_to_end(name)
                return True
            return False

    def add(self, written: str, name: str) -> None:
        """Take over the file `written` as the state `name`, and drop the oldest beyond `STATE_BYTES`."""
        with self._lock, contextlib.suppress(OSError):  # a state that cannot be kept is evaluated again
            self._sizes[name] = (self.folder / written).replace(self.folder / name).stat().st_size
            while sum(self._sizes.values()) > STATE_BYTES:
                oldest, _ = self._sizes.popitem(last=False)
                (self.folder / oldest).unlink(missing_ok=True)
