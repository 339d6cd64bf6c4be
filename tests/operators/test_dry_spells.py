"""Dry spells: the first begins the search again, the second ends it, and what is new ends a spell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from promptopt.operators.dry_spells import Dryness


def course(limit: int, rounds: str) -> tuple[list[bool], list[bool], list[str]]:
    """Whether the search ends, and whether it begins again, after rounds that are new (+) or not (-); warnings."""
    told: list[str] = []
    run: Any = SimpleNamespace(warn=told.append)
    dryness = Dryness(run, limit)
    assert not dryness.again
    found = [(dryness.ends(sign == "+"), dryness.again) for sign in rounds]
    return [ends for ends, _ in found], [again for _, again in found], told


def test_the_first_spell_begins_again_and_the_second_ends_the_search() -> None:
    ends, again, told = course(2, "----")
    assert ends == [False, False, False, True]
    assert again == [False, True, False, False]
    assert len(told) == 1


def test_a_new_prompt_ends_a_spell_and_not_the_count_of_spells() -> None:
    ends, again, told = course(3, "--+---+--+---")
    assert [place for place, each in enumerate(ends) if each] == [12]
    assert [place for place, each in enumerate(again) if each] == [5]
    assert len(told) == 1


def test_a_spell_of_one_round() -> None:
    assert course(1, "+-+-") == ([False, False, False, True], [False, True, False, False], [course(1, "--")[2][0]])
