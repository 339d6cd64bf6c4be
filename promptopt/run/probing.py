"""Probes: extra requests that find out whether a model which refused one answers others. They are paid for, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Probes:
    """The probes of one batch. Each is stored with the reply that settles next, so that a replay charges it again."""

    def __init__(self, room: int | None, stored: int) -> None:
        """`room`: calls that a cap leaves beside the batch, None for any number; `stored`: probes of stored replies."""
        self._room = None if room is None else max(0, room - stored)
        self._unstored: list[tuple[int, int]] = []

    @property
    def affordable(self) -> bool:
        """Whether the cap leaves a call for one."""
        return self._room is None or self._room > 0

    @property
    def beyond_cap(self) -> bool:
        """Whether one has been asked for which the cap leaves no call: it has to take the place of another."""
        return self._room is not None and self._room < 0

    def add(self, reply: Mapping[str, Any]) -> None:
        """Take note of one that was answered."""
        self._unstored.append((reply["usage"][0], reply["usage"][1]))
        if self._room is not None:
            self._room -= 1

    def noted(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reply as it is to be stored, with the probes that are not stored yet: their tokens."""
        unstored, self._unstored = self._unstored, []
        return {**value, "probes": unstored} if unstored else value

    def in_place_of(self, refused: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reply to a refused request that is not paid for, as a probe was paid in its place."""
        self._room = 0
        return self.noted(refused)
