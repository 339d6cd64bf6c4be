"""Many texts as one sequence: what begins alike stands there once, and every token sees its own beginnings only.

The texts that follow a candidate's prefix form a tree. Its branches are the examples, their branches the alternatives
that are scored after each; single-token alternatives need no token of their own, for they are only predicted. The tree
is laid out as one sequence without padding, with every token at the position it has in its own text. One forward pass
evaluates it, exactly as if every text were evaluated alone: attention sees through a mask, and nothing else in a
transformer looks at other tokens. (Where something does, `forward` finds it out and does not pack.)

Attention costs the square of a sequence's length, so large batches are several trees side by side, a row each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from promptopt.models.boundary import common_length

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
    # The last token is only predicted, and need not be read.
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
        self._last: tuple[int, ...] = ()
        self._nodes: list[int] = []

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, read: Read, most: int | None = None) -> bool:
        """Take in a read, unless the tree would have more than `most` nodes then; what stands in it is shared.

        Returns whether it was taken; the first always is.
        """
        nodes = self._known(read)
        depth = self.prefix + len(nodes)
        if most is not None and self.rows and len(self.tokens) + len(read.tokens) - depth > most:
            return False
        if depth < len(read.tokens):
            fresh = range(len(self.tokens), len(self.tokens) + len(read.tokens) - depth)
            parents = (nodes[-1] if nodes else ROOT, *fresh[:-1])
            self._children.update(zip(zip(parents, read.tokens[depth:], strict=True), fresh, strict=True))
            self.tokens.extend(read.tokens[depth:])
            self.parents.extend(parents)
            self.positions.extend(range(depth, len(read.tokens)))
            nodes.extend(fresh)
        self._last, self._nodes = read.tokens, nodes
        self.rows.append([nodes[place - self.prefix] for place, _ in read.wanted])
        return True

    def _known(self, read: Read) -> list[int]:
        """The nodes of a read's tokens that stand in the tree already."""
        # Neighbours share most, and that is found at once.
        nodes = self._nodes[: common_length(self._last[self.prefix :], read.tokens[self.prefix :])]
        node = nodes[-1] if nodes else ROOT
        for token in read.tokens[self.prefix + len(nodes) :]:
            child = self._children.get((node, token))
            if child is None:
                break
            nodes.append(child)
            node = child
        return nodes

    def spans(self) -> tuple[list[int], list[int]]:
        """(entered, left): a node sees another where `entered[other] <= entered[node] < left[other]`.

        Nodes are numbered as a walk through the tree enters them, so what follows from a node has the numbers from its
        own up to `left`.
        """
        sizes = [1] * len(self)
        # Backwards: children stand behind their parents, so their sizes are complete first.
        for node in range(len(self) - 1, -1, -1):
            if self.parents[node] != ROOT:
                sizes[self.parents[node]] += sizes[node]
        entered = list[int]()
        next_number = list[int]()
        roots = 0
        for parent, size in zip(self.parents, sizes, strict=True):
            number = roots if parent == ROOT else next_number[parent]
            if parent == ROOT:
                roots += size
            else:
                next_number[parent] += size
            entered.append(number)
            next_number.append(number + 1)
        return entered, [number + size for number, size in zip(entered, sizes, strict=True)]


@dataclass(frozen=True, slots=True)
class PackedRows:
    """Trees as the rows of one forward pass.

    `numbers`: shape (4, trees, length): tokens, positions, and `Tree.spans`; rows are filled up with tokens that see
    the prefix and themselves. `kept`: how many of the last columns hold all that is wanted. `wanted`: pairs (which of
    the trees * kept outputs, token), in the order of the trees, their reads, and their values.
    """

    numbers: NDArray[np.int64]
    kept: int
    wanted: tuple[tuple[int, int], ...]


def lay_out(trees: Sequence[Tree], reads: Sequence[Sequence[Read]], multiple: int = 1) -> PackedRows:
    """`reads[i]`: those of `trees[i]`. `multiple`: prefix and row together have a length that it divides.

    The nodes that something is wanted of stand last in every row, so that the same few columns hold them in all rows.
    """
    asked = [sorted(set(chain.from_iterable(tree.rows))) for tree in trees]
    kept = max(map(len, asked))
    longest = max(len(tree) - len(last) for tree, last in zip(trees, asked, strict=True)) + kept
    length = longest + -(longest + trees[0].prefix) % multiple
    numbers = np.zeros((4, len(trees), length), dtype=np.int64)
    # A filled-up column has a span of its own beyond all others, so that nobody sees it.
    numbers[2] = np.arange(length, 2 * length)
    numbers[3] = numbers[2] + 1
    wanted: list[tuple[int, int]] = []
    for row, (tree, last) in enumerate(zip(trees, asked, strict=True)):
        final = set(last)
        order = [node for node in range(len(tree)) if node not in final] + last
        columns = [*range(len(tree) - len(last)), *range(length - len(last), length)]
        numbers[:, row, columns] = np.array([tree.tokens, tree.positions, *tree.spans()])[:, order]
        # Where a node stands among the columns that are kept.
        place = {node: (row + 1) * kept - len(last) + number for number, node in enumerate(last)}
        for read, nodes in zip(reads[row], tree.rows, strict=True):
            wanted += [(place[node], token) for node, (_, token) in zip(nodes, read.wanted, strict=True)]
    return PackedRows(numbers, kept, tuple(wanted))


def in_rows(reads: Sequence[Read], prefix: int, most: int) -> tuple[list[Tree], list[list[Read]]]:
    """Trees of at most `most` nodes, or of one read, and the reads of each; together they are the reads in order."""
    trees, parts = [Tree(prefix)], [list[Read]()]
    for read in reads:
        if not trees[-1].add(read, most):
            trees.append(Tree(prefix))
            trees[-1].add(read)
            parts.append([])
        parts[-1].append(read)
    return trees, parts


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
        # By where a read ends among all tokens: what it shares with its neighbours counts once.
        parts[min(shares - 1, max(0, end - 1) * shares // max(1, len(tree)))].append(read)
    return [part for part in parts if part]


def by_padding(reads: Sequence[Read], prefix: int, most: int) -> list[list[int]]:
    """Batches of places in `reads`, of like length, so that rows times longest row is at most `most` tokens.

    A read that is longer by itself is a batch of its own. `prefix`: leading tokens that no row holds.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(reads)), key=lambda place: len(reads[place].tokens)):
        longest = len(reads[place].tokens) - prefix
        # Sorted by length, so the read that comes is the longest of its batch.
        if not batches or longest * (len(batches[-1]) + 1) > most:
            batches.append([])
        batches[-1].append(place)
    return batches
