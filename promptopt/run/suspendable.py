"""What an engine is asked outside of its batches, such as what it can do: beside, so that no interrupt has to wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from promptopt.errors import Suspended

CHECK_S = 0.1
"""How often it is seen whether the run is stopping. Ours."""

_Found = TypeVar("_Found")


def suspendable(compute: Callable[[], _Found], stopping: Callable[[], str | None]) -> _Found:
    """`compute()`, in a thread of its own, which is left to itself where the run stops first.

    Raises what `compute` raises, and Suspended where `stopping` gives a reason.
    """
    outcome: queue.SimpleQueue[tuple[list[_Found], Exception | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(([compute()], None))
        except Exception as failed:  # noqa: BLE001 - whoever asked is told
            outcome.put(([], failed))

    # A daemon: a server that never answers keeps no process alive.
    threading.Thread(target=work, daemon=True, name="promptopt-suspendable").start()
    while True:
        try:
            found, failed = outcome.get(timeout=CHECK_S)
        except queue.Empty:
            reason = stopping()
            if reason is not None:
                # The thread is left behind: nothing can stop a call that waits for a socket, and what it finds nobody
                # reads.
                raise Suspended(reason) from None
            continue
        if failed is not None:
            raise failed
        return found[0]
