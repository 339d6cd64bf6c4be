"""Minibatches by epochs: every example before one comes again, the last minibatch filled up with those used least."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.selection.epochs import Epochs
from promptopt.types import Example


def examples(count: int) -> list[Example]:
    return [Example.of("yes", question=str(number)) for number in range(count)]


def test_seven_examples_in_threes_are_three_minibatches_and_nine_draws() -> None:
    epochs = Epochs(examples(7), 3, random.Random(0))
    assert epochs.count == 3
    drawn = Counter(example for _ in range(3) for [batch] in [epochs.take()] for example in batch)
    assert sorted(drawn.values()) == [1] * 5 + [2] * 2


def test_two_minibatches_of_one_iteration_are_not_the_same() -> None:
    epochs = Epochs(examples(7), 3, random.Random(0))
    for _ in range(10):
        first, second = epochs.take(2)
        assert first != second
    assert len(epochs.take(5)) == 3, "an epoch has no more"


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 6), st.integers(0, 5))
def test_no_minibatch_holds_an_example_twice_and_all_come_up(count: int, size: int, rounds: int, seed: int) -> None:
    epochs = Epochs(examples(count), size, random.Random(seed))
    drawn: Counter[Example] = Counter()
    for _ in range(rounds):
        for _ in range(epochs.count):
            [batch] = epochs.take()
            assert len(set(batch)) == len(batch) == min(size, count)
            drawn.update(batch)
    assert len(drawn) == count


def test_an_epoch_is_shuffled_anew() -> None:
    epochs = Epochs(examples(30), 30, random.Random(0))
    assert epochs.take() != epochs.take()


@pytest.mark.parametrize("size", [3, 50])
def test_a_minibatch_is_as_large_as_told_or_as_there_are_examples(size: int) -> None:
    assert len(Epochs(examples(10), size, random.Random(0)).take()[0]) == min(size, 10)


def test_over_many_epochs_filling_up_goes_around() -> None:
    epochs = Epochs(examples(7), 3, random.Random(1))
    drawn = Counter(example for _ in range(3 * 70) for [batch] in [epochs.take()] for example in batch)
    # Seventy epochs of nine draws: each example comes up ninety times, or nearly.
    assert all(abs(count - 90) <= 2 for count in drawn.values())
