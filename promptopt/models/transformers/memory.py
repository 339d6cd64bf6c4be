"""How many tokens are evaluated at once: as many as memory has room for, and no more than make it faster."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from promptopt.errors import BackendError
from promptopt.models.files.checkpoints import require

SHARE = 0.25
"""Of the memory that is free, how much a batch may take by the estimate, which leaves out what libraries keep. Ours."""
UNKNOWN_BYTES = 4 << 30
"""Counted on where the system does not say how much memory is free. Ours."""
LEAST_TOKENS = 64
"""Tokens at once, however little memory seems free: estimates err."""

Item = TypeVar("Item")
Value = TypeVar("Value")


class BatchMemory:
    """The room for batches on one device; it shrinks when a batch did not fit."""

    def __init__(self, config: Any, device: str, item_bytes: int) -> None:
        """`config`: the model's. `item_bytes`: of one number of the model, 4 for float32."""
        text = config.get_text_config()
        hidden, layers = text.hidden_size, text.num_hidden_layers
        inner = getattr(text, "intermediate_size", None)
        widest = 4 * hidden if not isinstance(inner, int) else inner
        # Keys and values of every layer, counted as if no heads shared them; one layer's work; the output row twice,
        # once in float32.
        self._kept_bytes = 2 * layers * hidden * item_bytes
        self._token_bytes = self._kept_bytes + (12 * hidden + 4 * widest) * item_bytes
        self._row_bytes = text.vocab_size * (item_bytes + 4)
        self._device, self._shrunk = device, 1.0

    def scored(self, fastest: int, beside: float = 0.0) -> int:
        """Tokens at once when all of their outputs may be wanted; at least 1, at most `fastest`.

        `beside`: how many tokens of a prefix each of them has of its own in memory.
        """
        return self._fit(self._token_bytes + self._row_bytes + int(beside * self._kept_bytes), fastest)

    def generated(self, fastest: int) -> int:
        """Tokens at once, read and written, when one output a text is wanted."""
        return self._fit(self._token_bytes, fastest)

    def in_parts(self, items: Sequence[Item], run: Callable[[Sequence[Item]], list[Value]]) -> list[Value]:
        """`run(items)`; where memory runs out, in halves, and everything after this in smaller batches.

        Raises BackendError where a single item is too much, or torch fails otherwise.
        """
        try:
            return run(items)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, and the CPU's allocator has no class of its own
            if not ran_out(error):
                raise failed(error) from error
        # Out of the handler: the error's frames held the tensors that have to go first.
        release(self._device)
        if len(items) == 1:
            raise BackendError(
                f"one text alone needs more memory than is free on {self._device!r}; use a smaller model or a "
                f"shorter prompt, or free some, and run the same command again to go on"
            )
        self._shrunk /= 2
        half = len(items) // 2
        return self.in_parts(items[:half], run) + self.in_parts(items[half:], run)

    def _fit(self, each_bytes: int, fastest: int) -> int:
        fits = int(SHARE * free_bytes(self._device) / each_bytes)
        return max(1, int(min(max(fits, LEAST_TOKENS), fastest) * self._shrunk))


def ran_out(error: RuntimeError) -> bool:
    """Whether this is torch's way to say that memory ran out, on a GPU or on the CPU."""
    torch = require("torch")
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def failed(error: RuntimeError) -> BackendError:
    """What torch said, as an error of ours."""
    return BackendError(f"torch failed ({error}); run the same command again to go on")


def release(device: str) -> None:
    """Give memory back that nothing uses."""
    gc.collect()
    if device.startswith("cuda"):
        require("torch").cuda.empty_cache()


def free_bytes(device: str) -> int:
    """Bytes that are free on the device: of a GPU, or of this machine (and container, where there is one)."""
    if device.startswith("cuda"):
        cuda = require("torch").cuda
        free, _ = cuda.mem_get_info(device)
        # What torch keeps back without using it is free to torch.
        return free + cuda.memory_reserved(device) - cuda.memory_allocated(device)
    free = _numbers(Path("/proc/meminfo")).get("MemAvailable", UNKNOWN_BYTES >> 10) << 10
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text("ascii"))
        used = int((group / "memory.current").read_text("ascii"))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return free
    # Files that were read stay in memory until something else needs it.
    return min(free, max(0, limit - used + _numbers(group / "memory.stat").get("inactive_file", 0)))


def _numbers(file: Path) -> dict[str, int]:
    """The lines "name: number ..." of a file of the system; none where there is no such file."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text("ascii").splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
