"""How many requests a minute a server is sent at most."""

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
