"""An interrupt that comes by itself: what ends a rehearsal that takes too long."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def interrupted_after(minutes: float | None) -> Generator[threading.Event]:
    """An event that is set when so many minutes are over; None: never."""
    interrupt = threading.Event()
    if minutes is None:
        yield interrupt
        return
    timer = threading.Timer(60 * minutes, interrupt.set)
    timer.start()
    try:
        yield interrupt
    finally:
        timer.cancel()
