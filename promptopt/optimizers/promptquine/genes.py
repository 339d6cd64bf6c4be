"""Genes: a text as elements that can be dropped, around slots that cannot.

Order is kept, nothing is inserted: every text made here is what is left of the first one. The model reads the string
and tokenizes it anew, so two masks with one string are the same candidate.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.run import Run
from promptopt.text import Pattern, words
from promptopt.types import Example

Gene = Literal["token", "word", "line"]
"""What is dropped at a time: a token of the task model, a word with its space, or a line."""
Mask = tuple[bool, ...]
"""The genotype: for every element of a text, whether it is kept."""

DRAWS = 10
"""Draws of how many genes a mutation drops, before it gives up (the code's)."""
LIGHT = tuple(0.05 + 0.15 * step / 9 for step in range(10))
"""The shares that light pruning draws from: ten, evenly spaced (the code's)."""

_LINE_WITH_BREAK = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Genes:
    """The elements of a text, in order, which joined give it; `droppable`: the places of those that are no slots."""

    elements: tuple[str, ...]
    droppable: tuple[int, ...]

    @property
    def whole(self) -> Mask:
        """Nothing dropped."""
        return (True,) * len(self.elements)

    def text(self, mask: Mask) -> str:
        """The phenotype: what the mask keeps, joined."""
        return "".join(element for element, kept in zip(self.elements, mask, strict=True) if kept)

    def kept(self, mask: Mask) -> list[int]:
        """The places of droppable elements that the mask keeps, in order."""
        return [place for place in self.droppable if mask[place]]


def elements_of(text: str, slots: Collection[str], pieces: Callable[[str], Sequence[str]]) -> Genes:
    """`text` cut by `pieces`, each literal segment by itself, with every `{slot}` as one element that stays."""
    pattern = Pattern(text, slots)
    elements: list[str] = []
    droppable: list[int] = []
    for number, part in enumerate(pattern.pieces):
        # Literals and slots take turns, a literal first.
        if number % 2:
            elements.append(f"{{{part}}}")
            continue
        # Each by itself: a token that reached into a slot would be dropped with a part of it.
        found = pieces(part) if part else ()
        droppable += range(len(elements), len(elements) + len(found))
        elements += found
    return Genes(tuple(elements), tuple(droppable))


def genes_of(run: Run, text: str, gene: Gene) -> Genes:
    """The genes of a prompt's text in this run, its inputs as slots."""
    ways: dict[Gene, Callable[[str], list[str]]] = {"token": run.pieces, "word": words, "line": lines}
    return elements_of(text, slots_of(run.train[0]), ways[gene])


def slots_of(example: Example) -> tuple[str, ...]:
    """The names of an example's inputs."""
    return tuple(name for name, _ in example.fields)


def lines(text: str) -> list[str]:
    """The lines of a text, each with its line break."""
    return _LINE_WITH_BREAK.findall(text)


def without(mask: Mask, places: Iterable[int]) -> Mask:
    """The mask with the elements at `places` dropped too."""
    dropped = frozenset(places)
    return tuple(kept and place not in dropped for place, kept in enumerate(mask))


def mutate(rng: random.Random, genes: Genes, mask: Mask, most: int) -> Mask | None:
    """Copy, then drop 1 to `most` further genes, fewer than there are left; None where no draw of the number fits."""
    kept = genes.kept(mask)
    for _ in range(DRAWS):
        count = rng.randint(1, most)
        if count < len(kept):
            return without(mask, rng.sample(kept, count))
    return None


def prune_lightly(rng: random.Random, genes: Genes) -> Mask:
    """Each gene dropped with one probability, itself drawn from `LIGHT`."""
    share = rng.choice(LIGHT)
    return without(genes.whole, [place for place in genes.droppable if rng.random() < share])


def prune_anyhow(rng: random.Random, genes: Genes) -> Mask:
    """Each gene dropped with one probability, itself drawn from [0, 1): the control of the paper."""
    share = rng.random()
    return without(genes.whole, [place for place in genes.droppable if rng.random() < share])


def retention(genes: Genes, texts: Sequence[str]) -> list[tuple[str, float]]:
    """For each gene of a text, in order, the share of `texts` that keep it, where those are what is left of it.

    Where a text can be left in several ways, those that stand last are taken to be the ones that stayed. Texts
    that cannot be left of it do not count; where none can, there are no shares.
    """
    masks = [mask for mask in (_mask_of(genes, text) for text in texts) if mask is not None]
    return [
        (genes.elements[place], sum(mask[place] for mask in masks) / len(masks))
        for place in (genes.droppable if masks else ())
    ]


def _mask_of(genes: Genes, text: str) -> Mask | None:
    """A mask that leaves `text`, of later genes where several do, or None."""
    droppable = frozenset(genes.droppable)
    # reached[i]: the places in the text that the elements before i can end at, each with how it was reached.
    # All ends at once: a match from the left alone may take an element that leaves the rest without one.
    reached: list[dict[int, bool]] = [{0: False}]
    for place, element in enumerate(genes.elements):
        after: dict[int, bool] = {}
        for end in reached[-1]:
            if text.startswith(element, end):
                after[end + len(element)] = True
        for end in reached[-1]:
            if place in droppable:
                # Kept wins where both are possible, so that of equal elements the later are taken to have stayed.
                after.setdefault(end, False)
        reached.append(after)
    if len(text) not in reached[-1]:
        return None
    kept: list[bool] = []
    end = len(text)
    for place in range(len(genes.elements), 0, -1):
        kept.append(reached[place][end])
        end -= len(genes.elements[place - 1]) if kept[-1] else 0
    return tuple(reversed(kept))
