"""How many requests a server is sent at once, and in a minute, at most."""

from __future__ import annotations

import math
import threading
import time

from promptopt.errors import ConfigError


class Pace:
    """Turns in even steps, so that no minute has more than so many; shared by all that ask one server."""

    def __init__(self, per_minute: float | None) -> None:
        """`per_minute`: None for no limit. Raises ConfigError for one that lets nothing through."""
        if per_minute is not None and not 0 < per_minute < math.inf:
            raise ConfigError(f"{per_minute:g} requests a minute let nothing through; give a number above 0")
        self._step_s = 0.0 if per_minute is None else 60 / per_minute
        self._next = 0.0
        self._taking = threading.Lock()
        self.most_at_once = 1 << 20 if per_minute is None else max(1, int(per_minute / 2))
        """Requests whose turns come within half a minute: more in flight would only wait here."""

    def turn(self) -> float:
        """Take the next turn: the seconds until it comes."""
        if not self._step_s:
            return 0.0
        with self._taking:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self._step_s
            return begin - now


UNPACED = Pace(None)


class Window:
    """How many requests may be in flight: the cap at first, half on overload, then one more for each full window.

    A single request goes first, until it is answered or a second has passed: a wrong key is found by one try. Starting
    at the cap instead of growing towards it keeps short batches fast; a server that has to refuse some of the first
    requests says so, and they are retried.
    """

    def __init__(self, cap: int) -> None:
        """`cap`: the most requests in flight, at least 1."""
        self.cap, self.limit = cap, 1.0
        self._shrunk_at = float("-inf")
        self.opened = False

    def open(self) -> None:
        """The first request has been answered, or nearly so."""
        self.opened, self.limit = True, float(self.cap)

    def shrink(self, began: float, now: float) -> None:
        """Halve, once for all requests that were already under way when it was last halved."""
        if began > self._shrunk_at:
            self.limit, self._shrunk_at = max(1.0, self.limit / 2), now

    def grow(self) -> None:
        """A reply came: a full window of these makes it one wider."""
        self.limit = min(float(self.cap), self.limit + 1 / self.limit)
