"""Genes: what mutation drops, what every cut of a text keeps, and what ranked texts kept."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.promptquine.genes import (
    Genes,
    elements_of,
    lines,
    mutate,
    prune_anyhow,
    prune_lightly,
    retention,
    without,
)
from promptopt.text import words

SLOTS = ("premise", "hypothesis")
TEXT = st.lists(
    st.sampled_from(["a", " word", "\n", "{premise}", "{hypothesis}", "{", "}", "premise", "é", "  ", "\t", "\u3000"])
).map("".join)


def letters(text: str) -> list[str]:
    return list(text)


@pytest.mark.slow
@given(TEXT, st.sampled_from([words, lines, letters]))
def test_a_cut_gives_the_text_back_and_slots_are_whole(text: str, pieces) -> None:
    genes = elements_of(text, SLOTS, pieces)
    assert genes.text(genes.whole) == text
    protected = [element for place, element in enumerate(genes.elements) if place not in genes.droppable]
    assert protected == [slot for slot in genes.elements if slot in ("{premise}", "{hypothesis}")]
    assert len(protected) == text.count("{premise}") + text.count("{hypothesis}")
    bare = without(genes.whole, genes.droppable)
    assert genes.text(bare) == "".join(protected)


@given(TEXT, st.integers(0, 1 << 16))
def test_pruning_keeps_slots_and_their_order(text: str, seed: int) -> None:
    genes = elements_of(text, SLOTS, letters)
    for prune in (prune_lightly, prune_anyhow):
        mask = prune(random.Random(seed), genes)
        assert len(mask) == len(genes.elements)
        assert all(mask[place] for place in range(len(mask)) if place not in genes.droppable)


def test_words_keep_the_space_before_them_and_line_breaks_apart() -> None:
    assert words("Judge  the\tfilm. \n\n Text:") == ["Judge", "  the", "\tfilm.", " ", "\n\n", " Text:"]
    assert words("") == []
    assert lines("one\n\ntwo") == ["one\n", "\n", "two"]


def test_a_mutation_only_drops() -> None:
    rng = random.Random(7)
    genes = elements_of("".join(f"w{number} " for number in range(40)) + "{premise} and {hypothesis}", SLOTS, words)
    counts: Counter[int] = Counter()
    for _ in range(2_000):
        parent = prune_anyhow(rng, genes) if rng.random() < 0.5 else genes.whole
        child = mutate(rng, genes, parent, 4)
        if child is None:
            assert len(genes.kept(parent)) <= 4
            continue
        dropped = [place for place in range(len(parent)) if parent[place] and not child[place]]
        assert not [place for place in range(len(parent)) if child[place] and not parent[place]]
        assert 1 <= len(dropped) <= 4
        assert genes.kept(child)
        text = genes.text(child)
        assert text.count("{premise}") == text.count("{hypothesis}") == 1
        assert text.index("{premise}") < text.index("{hypothesis}")
        if len(genes.kept(parent)) > 4:
            counts[len(dropped)] += 1
    expected = sum(counts.values()) / 4
    assert sum((counts[number] - expected) ** 2 / expected for number in (1, 2, 3, 4)) < 11.34


@pytest.mark.parametrize(("left", "possible"), [(0, set()), (1, set()), (2, {1}), (3, {1, 2}), (5, {1, 2, 3, 4})])
def test_one_gene_always_stays(left: int, possible: set[int]) -> None:
    genes = Genes(tuple("abcde"[:left]), tuple(range(left)))
    rng = random.Random(3)
    masks = [mutate(rng, genes, genes.whole, 4) for _ in range(200)]
    assert {left - len(genes.kept(mask)) for mask in masks if mask is not None} == possible


def test_how_many_of_the_texts_keep_each_gene() -> None:
    genes = elements_of("Judge the {text} well. Say good.", {"text"}, words)
    assert retention(genes, []) == []
    assert retention(genes, ["something else"]) == []
    dropped = [(1,), (0, 4), (0,)]
    texts = [genes.text(without(genes.whole, places)) for places in dropped]
    kept = retention(genes, [*texts, "not of it {text}"])
    assert [element for element, _ in kept] == ["Judge", " the", " ", " well.", " Say", " good."]
    assert [share for _, share in kept] == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1, 1])


@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_retention_finds_a_mask_that_leaves_the_text(drawn: list[bool]) -> None:
    genes = elements_of("a a b a b b", (), words)
    text = genes.text(tuple(drawn))
    kept = retention(genes, [text])
    assert "".join(element for element, share in kept if share) == text
