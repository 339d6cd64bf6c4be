"""Requests of cells whose repetitions differ: every repetition is another draw."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.protocols import Ask, Role
from promptopt.types import Reply, Request


def ask_each(requests: Sequence[Request], repetitions: Sequence[int], ask: Ask, role: Role = "task") -> list[Reply]:
    """The replies in order; `repetitions`: of each request its own. What is of one repetition goes out together."""
    places: dict[int, list[int]] = {}
    for place, repetition in enumerate(repetitions):
        places.setdefault(repetition, []).append(place)
    found: dict[int, Reply] = {}
    for repetition, asked in places.items():
        given = ask([requests[place] for place in asked], role=role, repetition=repetition)
        found.update(zip(asked, given, strict=True))
    return [found[place] for place in range(len(requests))]
