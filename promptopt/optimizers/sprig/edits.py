"""All edits of a list of components: additions, deletions, swaps, rephrasings; and what made each candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from promptopt.optimizers.sprig.corpus import Component

Parts = tuple[Component, ...]
"""The components that stand after the start prompt, in order."""
Kind = Literal["add", "delete", "swap", "rephrase"]


@dataclass(frozen=True, slots=True)
class ComponentEdit:
    """One edit of a parent. `family`: what was added or taken out; empty for others, which give no credit."""

    parent: Parts
    kind: Kind
    family: str = ""


@dataclass(slots=True)
class Candidates:
    """Candidates by what they read, each with every edit that leads to it."""

    parts: dict[str, Parts] = field(default_factory=dict[str, Parts])
    edits: dict[str, list[ComponentEdit]] = field(default_factory=dict[str, list[ComponentEdit]])

    def add(self, parts: Parts, edit: ComponentEdit) -> None:
        """One more way to a candidate."""
        # By what is read: several edits may lead to one candidate, and each of them is credited.
        text = text_of_parts(parts)
        self.parts.setdefault(text, parts)
        self.edits.setdefault(text, []).append(edit)


def text_of_parts(parts: Parts) -> str:
    """What the model reads of them: with one blank between, and as paragraphs where one has several lines."""
    between = "\n\n" if any("\n" in each.text for each in parts) else " "
    return between.join(each.text for each in parts)


def enumerated(
    parent: Parts, pool: Sequence[Component], rephrasings: Mapping[str, Sequence[Component]], most: int
) -> Iterator[tuple[Parts, ComponentEdit]]:
    """Every edit of `parent`: each of the pool at each place (up to `most` components), each out, each two swapped.

    And each in each of its `rephrasings` (by id). A component whose family is there already is not added again.
    """
    there = {each.family for each in parent}
    # The order of edits is that of ties: of equal worth the earlier one is kept.
    if len(parent) < most:
        for place in range(len(parent) + 1):
            for each in pool:
                if each.family not in there:
                    yield (*parent[:place], each, *parent[place:]), ComponentEdit(parent, "add", each.family)
    for place, gone in enumerate(parent):
        yield (*parent[:place], *parent[place + 1 :]), ComponentEdit(parent, "delete", gone.family)
    for first, second in combinations(range(len(parent)), 2):
        swapped = list(parent)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        yield tuple(swapped), ComponentEdit(parent, "swap")
    for place, each in enumerate(parent):
        for other in rephrasings.get(each.id, ()):
            if other.text != each.text:
                yield (*parent[:place], other, *parent[place + 1 :]), ComponentEdit(parent, "rephrase")
