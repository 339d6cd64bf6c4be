"""A winner that is impossible on some test items is not the best, however well it does on the others."""

from __future__ import annotations

import math

import pytest

from promptopt.comparison.statistics import leads_of, ranks_of
from tests.comparison.rows import row, table

pytestmark = pytest.mark.slow
GONE = -math.inf


def test_an_impossible_item_ranks_a_winner_behind_one_that_has_none() -> None:
    rows = [row("fine", [-2.0] * 4), row("gone", [GONE, -0.1, -0.1, -0.1])]
    ranked = ranks_of(rows, ["gone", "fine"])
    assert ranked is not None
    assert ranked.ranks == (("fine", 1.0), ("gone", 2.0))
    assert [each.name for each in table(*rows[::-1]).table()] == ["fine", "gone"]


def test_what_is_impossible_under_all_tells_none_from_another() -> None:
    rows = [row("worse", [GONE, -2.0]), row("better", [GONE, -1.0])]
    ranked = ranks_of(rows, ["worse", "better"])
    assert ranked is not None
    assert ranked.ranks == (("better", 1.0), ("worse", 2.0))
    assert [each.name for each in table(*rows).table()] == ["better", "worse"]
    # Its lead is a number, on the item that both can have.
    assert [each.mean for each in leads_of(rows, ["worse", "better"], floor="worse")] == [1.0]


def test_a_cheap_winner_that_is_impossible_stays_on_the_front_and_hides_none() -> None:
    rows = [row("gone", [GONE, 0.9], tokens=5), row("fine", [0.4, 0.4], tokens=10), row("poor", [0.1, 0.1], tokens=20)]
    assert table(*rows).front("prompt_tokens") == ("gone", "fine")
