"""Many texts as one sequence: what begins alike stands there once, and every token sees its own beginnings only.

The texts that follow a candidate's prefix form a tree. Its branches are the examples, their branches the alternatives
that are scored after each; single-token alternatives need no token of their own, for they are only predicted. Laid out
as one sequence without padding, with every token at the position it has in its own text, the tree is evaluated in one
forward pass, exactly as if every text were evaluated alone: attention sees through a mask, and nothing else in a
transformer looks at other tokens. (Where something does, `transformers_forward` finds it out and does not pack.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROOT = -1
"""The parent of the first tokens after the prefix."""


@dataclass(frozen=True, slots=True)
class Read:
    """A text to be evaluated: its `tokens`, prefix included, and the values `wanted` of it.

    `wanted`: pairs (place, token): the log-probability of `token` where the model has read `tokens[place]`.
    """

    tokens: tuple[int, ...]
    wanted: tuple[tuple[int, int], ...]


def following(whole: Sequence[int], start: int) -> Read:
    """What a causal model reads so that `whole[start:]` are scored, each after all before it; `start` at least 1."""
    wanted = tuple((place - 1, whole[place]) for place in range(start, len(whole)))
    return Read(tuple(whole[:-1]) if wanted else tuple(whole), wanted)


class Tree:
    """Reads that share their first `prefix` tokens, which the tree itself does not hold.

    `tokens`, `parents`, `positions`: of every node, in the order of the sequence; a parent stands before its children.
    `rows`: for every read, in order, the node whose output each wanted value is in.
    """

    def __init__(self, prefix: int) -> None:
        """`prefix`: how many leading tokens are evaluated already; nothing is wanted of their outputs."""
        self.prefix = prefix
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.positions: list[int] = []
        self.rows: list[list[int]] = []
        self._children: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def growth(self, read: Read) -> int:
        """How many nodes `add(read)` would add."""
        node = ROOT
        for depth in range(self.prefix, len(read.tokens)):
            child = self._children.get((node, read.tokens[depth]))
            if child is None:
                return len(read.tokens) - depth
            node = child
        return 0

    def add(self, read: Read) -> None:
        """Take in a read; its tokens that stand in the tree already are shared."""
        node, nodes = ROOT, list[int]()
        for depth in range(self.prefix, len(read.tokens)):
            token = read.tokens[depth]
            child = self._children.get((node, token))
            if child is None:
                child = self._children[node, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(node)
                self.positions.append(depth)
            node = child
            nodes.append(node)
        self.rows.append([nodes[place - self.prefix] for place, _ in read.wanted])

    def visible(self) -> NDArray[np.bool_]:
        """Shape (nodes, prefix + nodes): what each node sees: the prefix, the nodes it follows from, and itself."""
        count = len(self.tokens)
        seen = np.zeros((count, self.prefix + count), dtype=np.bool_)
        seen[:, : self.prefix] = True
        for node, parent in enumerate(self.parents):
            if parent != ROOT:
                seen[node] = seen[parent]
            seen[node, self.prefix + node] = True
        return seen


def in_shares(reads: Sequence[Read], prefix: int, most: int, least: int) -> list[Sequence[Read]]:
    """The reads, in order, in at most `most` parts of about equally many tokens of their own, each of at least `least`.

    Neighbours share most, so they stay together.
    """
    tree, ends = Tree(prefix), list[int]()
    for read in reads:
        tree.add(read)
        ends.append(len(tree))
    shares = max(1, min(most, len(tree) // least))
    parts: list[list[Read]] = [[] for _ in range(shares)]
    for read, end in zip(reads, ends, strict=True):
        parts[min(shares - 1, max(0, end - 1) * shares // max(1, len(tree)))].append(read)
    return [part for part in parts if part]


def by_padding(reads: Sequence[Read], prefix: int, most: int) -> list[list[int]]:
    """Batches of places in `reads`, of like length, so that rows times longest row is at most `most` tokens.

    A read that is longer by itself is a batch of its own. `prefix`: leading tokens that no row holds.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(reads)), key=lambda place: len(reads[place].tokens)):
        longest = len(reads[place].tokens) - prefix
        if not batches or longest * (len(batches[-1]) + 1) > most:
            batches.append([])
        batches[-1].append(place)
    return batches
