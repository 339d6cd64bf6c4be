"""Forward passes side by side on a CPU: one lane a core, each with one thread.

With several threads torch stops at every operation until the last thread is done with it. That costs a fifth of the
speed on two idle cores, and nine tenths of it where one of them is busy with something else. (SmolLM2-135M, packs of
256 tokens: 24 and 1.4 examples a second, against 30 and 15 in lanes.) Batches do not depend on each other, so nothing
has to wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from promptopt.models.cores import usable_cores
from promptopt.models.files.checkpoints import require

Value = TypeVar("Value")


class Lanes:
    """Threads in which torch uses no further threads; elsewhere in the process it does as before."""

    def __init__(self, device: str) -> None:
        """On a GPU there is one lane: the caller's own thread. So there is where torch was told to use one thread."""
        self.count = min(require("torch").get_num_threads(), usable_cores()) if device == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None

    def run(self, parts: Sequence[Callable[[], Value]]) -> list[Value]:
        """What the parts return, in order, evaluated side by side; a single part has all of torch's threads.

        Raises what the first part that failed raised, once all have ended.
        """
        if len(parts) == 1 or self.count == 1:
            return [part() for part in parts]
        if self._pool is None:
            self._pool = self._open()
        running = [self._pool.submit(part) for part in parts]
        # All of them first: a part that still runs would use memory that the error's retry counts on.
        for each in running:
            each.exception()
        return [each.result() for each in running]

    def close(self) -> None:
        """End the threads; a later `run` starts others."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _open(self) -> ThreadPoolExecutor:
        torch = require("torch")
        own = torch.get_num_threads()
        pool, started = ThreadPoolExecutor(self.count, thread_name_prefix="transformers"), threading.Barrier(self.count)

        def begin() -> None:
            torch.get_num_threads()  # a thread takes over the process's number when it first asks, and not again
            torch.set_num_threads(1)
            started.wait()

        for each in [pool.submit(begin) for _ in range(self.count)]:
            each.result()
        # The number is a thread's own, but the last one set is also what threads that come later begin with.
        torch.set_num_threads(own)
        return pool
