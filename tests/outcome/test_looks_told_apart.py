"""What makes a look another one: by whom, of which prompts, on which examples, with which scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptopt.outcome.looks import Look, Shown, level_of, look_ahead, look_at, look_in_parts, units_of
from promptopt.stats import ALPHA, level
from promptopt.store.runs import Store
from promptopt.types import Example, Prompt, Score

START, WINNER, OTHER = (Prompt.of(text) for text in ("start", "winner", "other"))
EXAMPLES = [Example.of("t", text=f"{number}") for number in range(3)]
BY = ("model", "exact")


def row(*values: float | None) -> list[Score | None]:
    return [None if value is None else Score(value) for value in values]


SHOWN = [(START, row(0.0, 1.0, 0.0)), (WINNER, row(1.0, 1.0, None))]


@pytest.mark.parametrize(
    ("by", "examples", "scores", "number"),
    [
        (BY, EXAMPLES, SHOWN, 1),
        # The same in another order, and with other feedback.
        (BY, EXAMPLES[::-1], [(prompt, values[::-1]) for prompt, values in SHOWN], 1),
        (("other", "exact"), EXAMPLES, SHOWN, 2),
        (("model", "f1"), EXAMPLES, SHOWN, 2),
        (BY, EXAMPLES, [(START, row(0.0, 1.0, 0.0)), (OTHER, row(1.0, 1.0, None))], 2),
        (BY, EXAMPLES, SHOWN[::-1], 2),
        # One score is another, by however little, or was not there.
        (BY, EXAMPLES, [(START, row(0.0, 1.0, 1e-16)), SHOWN[1]], 2),
        (BY, EXAMPLES, [SHOWN[0], (WINNER, row(1.0, 1.0, 0.0))], 2),
        (BY, EXAMPLES[:2], [(prompt, values[:2]) for prompt, values in SHOWN], 2),
        # No example of it was looked at before.
        (BY, [Example.of("t", text="new")], [(START, row(1.0))], 1),
    ],
)
def test_a_look_that_shows_something_else_is_another_one(
    tmp_path: Path,
    by: tuple[str, str],
    examples: list[Example],
    scores: list[tuple[Prompt, list[Score | None]]],
    number: int,
) -> None:
    with Store(tmp_path / "s.db") as store:
        assert look_at(store.looks, BY, EXAMPLES, SHOWN) == Look(1, ALPHA, 0)
        found = look_at(store.looks, by, examples, scores)
        assert found == Look(number, level(number), 0 if number == 1 else len(examples))
        assert look_ahead(store.looks, EXAMPLES).number == (3 if number == 2 else 2)


def test_what_was_lacking_comes_later_in_the_look_that_it_began_and_else_counts(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        names = ("model", "exact", "start", "winner")
        begun = look_in_parts(store.looks, (BY, names), EXAMPLES, SHOWN[:1], lacking=True)
        assert begun == look_in_parts(store.looks, (BY, names), EXAMPLES, SHOWN, lacking=False)
        # Of others that are asked for it is another one; where nothing is lacking, the look of all of it.
        assert look_in_parts(store.looks, (BY, (*names, "more")), EXAMPLES, SHOWN, lacking=True).number == 2
        assert look_in_parts(store.looks, (BY, ("else",)), EXAMPLES, SHOWN, lacking=False).number == 3
        assert look_at(store.looks, BY, EXAMPLES, SHOWN).number == 3


@pytest.mark.parametrize(
    ("numbers", "verdicts", "alpha"),
    [
        ([1], 1, ALPHA),
        ([2, 2], 3, level(2) / 3),
        ([None, None], 2, ALPHA / 2),
        ([None, 3], 2, level(3) / 2),
        # The other side may be any of those before it.
        ([1, 5], 1, level(5) / 4),
        ([4, 5], 6, level(5) / 6),
    ],
)
def test_verdicts_share_the_level_of_the_last_look(numbers: list[int | None], verdicts: int, alpha: float) -> None:
    looks = [None if number is None else Look(number, level(number), 1) for number in numbers]
    assert level_of(looks, verdicts) == pytest.approx(alpha)


def test_units_are_groups_and_those_without_one() -> None:
    groups = ["a", "a", "b", "", "", ""]
    assert units_of([Example.of("t", (), (), "", group, text=f"{at}") for at, group in enumerate(groups)]) == 5
    assert units_of([]) == 0


def test_what_an_earlier_execution_showed_is_read_from_its_result() -> None:
    result: dict[str, Any] = {
        "look": {"number": 2, "alpha": 0.01, "shared": 3},
        "best": {"prompt_id": "p", "test": {"n": 40}},
    }
    assert Shown.of(result) == Shown("p", 40, Look(2, 0.01, 3))
    broken: list[dict[str, Any] | None] = [None, {"look": None}, {"look": {}}, {**result, "best": {}}]
    assert [Shown.of(each) for each in broken] == [None] * 4
