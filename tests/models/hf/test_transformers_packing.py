from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.transformers.packing import ROOT, Read, Tree, by_padding, following, in_rows, in_shares, lay_out

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
    entered, left = tree.spans()
    assert sorted(entered) == list(range(len(tree)))
    for node in range(len(tree)):
        ancestors = path_to(tree, node)
        seen = {other for other in range(len(tree)) if entered[other] <= entered[node] < left[other]}
        assert seen == set(ancestors)
        assert tree.positions[node] == prefix + len(ancestors) - 1
        assert all(tree.parents[other] < other for other in ancestors)
    for read, rows in zip(reads, tree.rows, strict=True):
        for row, (place, _) in zip(rows, read.wanted, strict=True):
            assert [tree.tokens[node] for node in path_to(tree, row)] == list(read.tokens[prefix : place + 1])


@given(st.lists(tails, min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 16))
def test_rows_hold_every_text_and_what_is_wanted_stands_last(forest: list[list[int]], most: int, multiple: int) -> None:
    reads = [read_of(tail) for tail in forest]
    trees, parts = in_rows(reads, len(PREFIX), most)
    assert [read for part in parts for read in part] == reads
    assert all(len(tree) <= most or len(part) == 1 for tree, part in zip(trees, parts, strict=True))
    layout = lay_out(trees, parts, multiple)
    tokens, positions, entered, left = layout.numbers
    length = tokens.shape[1]
    assert (len(PREFIX) + length) % multiple == 0
    wanted = iter(layout.wanted)
    for row, part in enumerate(parts):
        for read in part:
            for place, token in read.wanted:
                output, found = next(wanted)
                assert found == token
                assert output // layout.kept == row
                column = length - layout.kept + output % layout.kept
                seen = [other for other in range(length)
                        if entered[row, other] <= entered[row, column] < left[row, other]]  # fmt: skip
                read_there = {int(positions[row, other]): int(tokens[row, other]) for other in seen}
                assert len(read_there) == len(seen)
                assert [read_there[at] for at in sorted(read_there)] == list(read.tokens[len(PREFIX) : place + 1])
    assert next(wanted, None) is None
    for row, tree in enumerate(trees):
        filled = sorted(range(length), key=lambda column: entered[row, column])[len(tree) :]
        for column in filled:
            alone = [other for other in range(length)
                     if entered[row, other] <= entered[row, column] < left[row, other]]  # fmt: skip
            assert alone == [column], "what fills a row up sees itself only"


@given(st.lists(tails, min_size=1, max_size=6))
def test_texts_that_begin_alike_stand_there_once(forest: list[list[int]]) -> None:
    tree, reads = grown(forest)
    beginnings = {read.tokens[:end] for read in reads for end in range(len(PREFIX) + 1, len(read.tokens) + 1)}
    assert len(tree) == len(beginnings)


@given(st.lists(tails, min_size=1, max_size=5), tails, st.integers(0, 40))
def test_a_read_is_taken_where_the_tree_has_room_for_what_it_adds(
    forest: list[list[int]], tail: list[int], most: int
) -> None:
    tree, other = grown(forest)[0], grown(forest)[0]
    other.add(read_of(tail))
    before = (len(tree), len(tree.rows))
    assert tree.add(read_of(tail), most) == (len(other) <= most)
    assert (len(tree), len(tree.rows)) in (before, (len(other), before[1] + 1))


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
