"""What a migration says of prompts that serve where they were not looked for, and of its searches' warnings."""

from __future__ import annotations

from typing import Any, cast

import pytest

from promptopt.migration.board import Board, by_target
from promptopt.migration.moved import Cost, Inferiority, OnModel, Target
from promptopt.stats import paired_gain
from promptopt.types import Prompt

OLD, ONE, TWO = (Prompt((("instruction", text),)) for text in ("old", "one", "two"))


def cell(prompt: Prompt, model: str, wins: int, status: Inferiority | None) -> OnModel:
    """A prompt that is right on `wins` more of 100 items than the reference."""
    gain = paired_gain([0.0] * wins + [0.5] * (100 - wins), [1.0] * wins + [0.5] * (100 - wins), alpha=0.01)
    return OnModel(prompt, model, 0.5, 0, gain, status, Cost(1.0, 1.0, None))


@pytest.fixture
def board() -> Board:
    rows: dict[Prompt, list[OnModel | None]] = {
        OLD: [cell(OLD, "a", 0, "open"), cell(OLD, "b", 0, "open")],
        ONE: [cell(ONE, "a", 0, "open"), cell(ONE, "b", 9, None)],
        TWO: [cell(TWO, "a", 40, None), cell(TWO, "b", 40, "non-inferior")],
    }
    return Board(["a", "b"], ("a", "b"), OLD, rows)


def targets(board: Board) -> list[Target]:
    old, one, two = (cast("list[OnModel]", board.rows[prompt]) for prompt in (OLD, ONE, TWO))
    return [Target("a", old[0], one[0], cast("Any", object())), Target("b", old[1], two[1], cast("Any", object()))]


def test_a_prompt_found_for_another_model_is_told_of_where_a_model_has_none_that_is_sure(board: Board) -> None:
    (said,) = board.found_elsewhere(targets(board), 0.03)
    assert said.startswith(f"the prompt that was found for b ({TWO.id}) is above the margin on a,")
    assert "--prompt" in said


def test_nothing_is_told_where_it_is_below_the_margin_or_was_not_to_be_had(board: Board) -> None:
    board.rows[TWO][0] = cell(TWO, "a", 0, None)
    assert board.found_elsewhere(targets(board), 0.0) == []
    board.rows[TWO][0] = None
    assert board.found_elsewhere(targets(board), 0.03) == []


def test_a_warning_of_one_search_names_its_target_and_one_of_all_stands_once() -> None:
    assert by_target({"a": ["far", "far", "near"], "b": ["far"]}) == ["far", "a: near"]
    assert by_target({"a": ["near"]}) == ["near"]
