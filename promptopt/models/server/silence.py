"""A server that takes requests and sends nothing: when to say so, as minutes of it look like a program that hangs."""

from __future__ import annotations

FIRST_S = 5.0
"""Silence of a server that never answered, after which a word is said: its address may be another program's. Ours."""
LATER_S = 30.0
"""The same of one that has answered before: it is slow. Ours."""


def silence_ends(timeout_s: float, total_s: float) -> str:
    """When a server that stays silent is given up, as the end of a sentence; arguments as in `RetryPolicy`."""
    return f"; each try lasts {timeout_s:g} s at most, and none begins after {total_s:g} s"


class Silence:
    """How long nothing has come from a server, in seconds of any clock; words about it come at doubling distances."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._told_s = 0.0

    def broken(self, now: float) -> None:
        """Something came, be it a failure."""
        self._since, self._told_s = now, 0.0

    def lasts_s(self, now: float) -> float:
        """Seconds since something came."""
        return now - self._since

    def to_tell_s(self, now: float, answered: bool) -> float | None:
        """The length of the silence where it is time for a word about it. `answered`: the server has before."""
        due_s = 2 * self._told_s if self._told_s else LATER_S if answered else FIRST_S
        lasts_s = self.lasts_s(now)
        if lasts_s < due_s:
            return None
        self._told_s = lasts_s
        return lasts_s
