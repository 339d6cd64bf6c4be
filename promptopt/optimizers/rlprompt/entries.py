"""Prompts that were rewarded, and which of them are held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.training import Sample
from promptopt.types import Example, Prompt


@dataclass(frozen=True, slots=True)
class Entry:
    """A prompt that was rewarded: how the policy wrote it first, at which step, and its mean reward in training.

    `pool`: the rewards that this is the mean of, where there are several to one input.
    """

    prompt: Prompt
    sample: Sample
    step: int
    reward: float
    pool: tuple[float, ...] = ()


Group = list[tuple[int, Entry]]
"""Entries of one step that are held against each other, each with its place among the step's rows."""


def groups(entries: Sequence[Entry | None], rows: Sequence[Example]) -> list[Group]:
    """The entries of each input together where `rows` says which input each was written for, else all of them."""
    names = rows if rows else [None] * len(entries)
    found: dict[Example | None, Group] = {}
    for place, (entry, name) in enumerate(zip(entries, names, strict=True)):
        if entry is not None:
            found.setdefault(name, []).append((place, entry))
    return list(found.values())
