"""Requests that wait for whoever answers next, handed out so that one prefix stays with one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from promptopt.models.boundary import beginning
from promptopt.types import Content, Request, ScoreRequest


class PrefixQueue:
    """Pending requests in groups of one prefix: a lane stays with its group, then come groups that no other has."""

    def __init__(self, requests: Sequence[Request | ScoreRequest]) -> None:
        """Groups stand in order of first appearance, requests within a group in order."""
        self._requests = requests
        self._groups: dict[Content, deque[int]] = {}
        self._waiting = 0
        self.give_back(range(len(requests)))

    def __len__(self) -> int:
        return self._waiting

    def take(self, own: Content | None, others: Collection[Content]) -> tuple[int, Content]:
        """The next request's index and its group, for a lane that last had `own` beside lanes with `others`."""
        if own is not None and own in self._groups:
            prefix = own
        else:
            free = [prefix for prefix in self._groups if prefix not in others]
            # No group is free: the largest is shared, since there the prefix pays soonest for being computed twice.
            prefix = free[0] if free else max(self._groups, key=lambda group: len(self._groups[group]))
        group = self._groups[prefix]
        index = group.popleft()
        self._waiting -= 1
        if not group:
            del self._groups[prefix]
        return index, prefix

    def give_back(self, indices: Iterable[int]) -> None:
        """Let these requests wait again: at the end of their groups."""
        for index in indices:
            request = self._requests[index]
            self._groups.setdefault(beginning(request.content, request.shared), deque()).append(index)
            self._waiting += 1
