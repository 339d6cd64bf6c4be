from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.transformers.packing import ROOT, Read, Tree, by_padding, following, in_shares

PREFIX = (9, 9, 8)
tails = st.lists(st.integers(0, 2), min_size=1, max_size=5)


def read_of(tail: list[int]) -> Read:
    tokens = (*PREFIX, *tail)
    return following(tokens, len(PREFIX) + 1)


def grown(forest: list[list[int]], prefix: int = len(PREFIX)) -> tuple[Tree, list[Read]]:
    tree, reads = Tree(prefix), [read_of(tail) for tail in forest]
    for read in reads:
        tree.add(read)
    return tree, reads


def path_to(tree: Tree, node: int) -> list[int]:
    nodes: list[int] = []
    while node != ROOT:
        nodes.append(node)
        node = tree.parents[node]
    return nodes[::-1]


def test_what_is_scored_is_read_up_to_the_token_before_it() -> None:
    assert following((5, 6, 7, 8), 2) == Read((5, 6, 7), ((1, 7), (2, 8)))
    assert following((5, 6), 2) == Read((5, 6), ())


def test_labels_of_one_token_take_no_token_of_their_own() -> None:
    tree = Tree(2)
    for label in (11, 12, 13):
        tree.add(following((1, 2, 3, 4, label), 4))
    assert tree.tokens == [3, 4]
    assert tree.rows == [[1], [1], [1]]


@given(st.lists(tails, min_size=1, max_size=6), st.integers(0, len(PREFIX)))
def test_every_token_sees_exactly_what_it_follows(forest: list[list[int]], prefix: int) -> None:
    tree, reads = grown(forest, prefix)
    seen = tree.visible()
    assert seen.shape == (len(tree), prefix + len(tree))
    assert seen[:, :prefix].all()
    for node in range(len(tree)):
        ancestors = path_to(tree, node)
        assert {other for other in range(len(tree)) if seen[node, prefix + other]} == set(ancestors)
        assert tree.positions[node] == prefix + len(ancestors) - 1
        assert all(tree.parents[other] < other for other in ancestors)
    for read, rows in zip(reads, tree.rows, strict=True):
        for row, (place, _) in zip(rows, read.wanted, strict=True):
            assert [tree.tokens[node] for node in path_to(tree, row)] == list(read.tokens[prefix : place + 1])


@given(st.lists(tails, min_size=1, max_size=6))
def test_texts_that_begin_alike_stand_there_once(forest: list[list[int]]) -> None:
    tree, reads = grown(forest)
    beginnings = {read.tokens[:end] for read in reads for end in range(len(PREFIX) + 1, len(read.tokens) + 1)}
    assert len(tree) == len(beginnings)


@given(st.lists(tails, max_size=5), tails)
def test_growth_is_what_adding_adds(forest: list[list[int]], tail: list[int]) -> None:
    tree, _ = grown(forest)
    before, expected = len(tree), tree.growth(read_of(tail))
    tree.add(read_of(tail))
    assert len(tree) == before + expected
    assert tree.growth(read_of(tail)) == 0


@given(st.lists(st.integers(4, 30), min_size=1, max_size=12), st.integers(1, 60))
def test_padded_batches_hold_every_text_once_and_keep_to_their_size(lengths: list[int], most: int) -> None:
    reads = [Read(tuple(range(length)), ()) for length in lengths]
    batches = by_padding(reads, 3, most)
    assert sorted(place for batch in batches for place in batch) == list(range(len(reads)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[place] - 3 for place in batch) <= most


@given(st.lists(tails, min_size=1, max_size=12), st.integers(1, 4), st.integers(1, 12))
def test_shares_hold_every_text_once_in_order(forest: list[list[int]], most: int, least: int) -> None:
    tree, reads = grown(forest)
    shares = in_shares(reads, len(PREFIX), most, least)
    assert [read for share in shares for read in share] == reads
    assert 1 <= len(shares) <= max(1, min(most, len(tree) // least))
    assert all(shares)


def test_shares_are_of_like_size() -> None:
    reads = [following((*PREFIX, number, number, number, label), len(PREFIX) + 3) for number in range(20, 40)
             for label in (1, 2)]  # fmt: skip
    sizes = [len({read.tokens for read in share}) for share in in_shares(reads, len(PREFIX), 4, 1)]
    assert sizes == [5, 5, 5, 5]
