"""How the examples of a sealed test are filed on the page."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.reports.page.items import ORDER, items_of


def filed(*scores: tuple[float | None, float | None]) -> list[str]:
    """The kinds of examples with these scores under both prompts, in the order of the page."""
    items: list[dict[str, Any]] = [
        {"inputs": {"text": "x"}, "target": "", "start": shown(start), "best": shown(best)} for start, best in scores
    ]
    return [each.kind for each in items_of({"items": items, "gain": {}}).shown]


def shown(value: float | None) -> dict[str, Any]:
    return {"value": value, "output": "", "answer": "", "parsed": True, "feedback": ""}


def test_scores_of_0_and_1_are_wrong_and_right() -> None:
    assert filed((1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0)) == ["fixed", "broken", "wrong", "right"]


def test_equal_scores_between_are_neither() -> None:
    assert filed((0.5, 0.5), (0.0, 0.0), (1.0, 1.0)) == ["wrong", "equal", "right"]


@pytest.mark.parametrize("value", [-0.2, -3.0, 0.0, 1.0, 4.0, None])
def test_where_scores_are_no_shares_nothing_is_right_or_wrong(value: float | None) -> None:
    assert filed((value, value), (-0.5, -0.4)) == ["fixed", "equal"]


def test_what_is_the_same_under_both_is_said_so() -> None:
    assert ORDER["equal"] == "the same score under both"
