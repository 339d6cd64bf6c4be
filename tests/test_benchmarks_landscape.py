"""Planted tasks that are as small models are: demonstrations as turns, and texts with a worth of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.search_landscape import BASE, STEM, plant
from promptopt.types import Prompt


def test_as_turns_of_a_chat_each_doubling_of_what_is_shown_is_worth_as_much() -> None:
    land = replace(plant("taught", 0), own=0.0)
    task = land.task(train=70)
    at = {n: land.truth(task, task.initial.with_demos(task.train[:n])) - BASE for n in (0, 1, 3, 7, 32, 40)}
    assert at[0] == pytest.approx(0.0)
    assert at[3] == pytest.approx(2 * at[1])
    assert at[7] == pytest.approx(3 * at[1])
    assert at[32] == at[40] == pytest.approx(0.38)


def test_what_a_text_is_worth_by_itself_is_no_words_and_the_start_has_none() -> None:
    land = plant("untaught", 0)
    task, bare = land.task(), replace(land, own=0.0)
    assert land.truth(task, task.initial) == BASE
    texts = [Prompt.of(f"{STEM} {word}") for word in ("once", "twice", "again", "now")]
    assert len({land.truth(task, text) for text in texts}) == len(texts)
    assert {bare.truth(task, text) for text in texts} == {BASE}
