"""The pairs of replies that people label, from the result of a run whose verdict is by a metric."""

from __future__ import annotations

import math
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.outcome.items import sealed_items
from promptopt.outcome.looks import example_keys
from promptopt.outcome.pairs import ReplyPair, scored_pairs
from promptopt.types import Example, Message, Score


def report(before: list[Score], after: list[Score], *, same: bool = False) -> dict[str, Any]:
    examples = [
        Example.of("t", (), (), "", f"g{at}", text="one" if same else f"text {at}") for at in range(len(before))
    ]
    items = sealed_items(examples, before, after)
    return {"items": [item.to_json() for item in items], "evaluator": "exact"}


def test_a_pair_is_one_item_with_both_replies_and_what_each_is_worth() -> None:
    kept = scored_pairs(report([Score(0.0, "a"), Score(1.0, "b")], [Score(1.0, "c"), Score(0.5, "d", judged=False)]))
    assert (kept.scale, kept.scorer) == ((0.0, 1.0), "the metric")
    first, second = kept.pairs
    assert first == ReplyPair(first.item, "g0", "text 0", "t", "a", "c", 0.0, 1.0)
    assert (second.start, second.winner, second.before, second.after) == ("b", "d", 1.0, None)
    assert [pair.gain for pair in kept.pairs] == [1.0, None]


def test_a_row_of_an_input_that_stands_twice_has_a_name_of_its_own() -> None:
    first, second, third = (
        pair.item for pair in scored_pairs(report([Score(0.0, "a")] * 3, [Score(1.0, "b")] * 3, same=True)).pairs
    )
    assert (second, third) == (f"{first}-2", f"{first}-3")
    assert "-" not in first


@pytest.mark.parametrize(
    ("lost", "said", "undecidable"),
    [
        (0, "", False),
        (1, "1 of 40 test items has no score by the metric, and stands on no sheet", False),
        (2, "2 of 40 test items have no score by the metric, and stand on no sheet", False),
        (3, "3 of 40 test items have no score by the metric, and stand on no sheet", True),
    ],
)
def test_items_without_a_score_are_told_of_and_above_one_in_twenty_nothing_is_decided(
    lost: int, said: str, undecidable: bool
) -> None:
    read, unread = Score(1.0, "a"), Score(0.0, "b", judged=False)
    # On either side.
    sides = [(unread, read) if at % 2 else (read, unread) for at in range(lost)] + [(read, read)] * (40 - lost)
    before, after = zip(*sides, strict=True)
    kept = scored_pairs(report(list(before), list(after)))
    assert (kept.missing, kept.undecidable) == (said, undecidable)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([], [], "made by an older version"),
        ([Score(1.0)], [Score(0.0)], "reads given texts and draws none"),
        ([Score(0.5, "a")], [Score(-0.1, "b")], "not shares from 0 to 1"),
        ([Score(1.1, "a")], [Score(0.5, "b")], "not shares from 0 to 1"),
        ([Score(-math.inf, "a")], [Score(0.5, "b")], "not shares from 0 to 1"),
    ],
)
def test_where_labels_would_say_nothing_of_the_scores_it_is_told(
    before: list[Score], after: list[Score], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        scored_pairs(report(before, after))


def test_an_item_of_one_of_several_tasks_is_shown_as_its_own_task_has_it() -> None:
    own = Example.of("t", text="Where is the bus?")
    sent = Example((), "t", messages=(Message("user", "Say where.\n\nWhere is the bus?"),), slice="bus", source=own)
    items = sealed_items([sent], [Score(0.0, "a")], [Score(1.0, "b")])
    (pair,) = scored_pairs({"items": [each.to_json() for each in items], "evaluator": "exact"}).pairs
    assert pair.input == "Where is the bus?"
    assert [each.key for each in items] == example_keys([sent])


def test_one_side_with_replies_is_enough_and_both_ends_of_the_scale_are_in_it() -> None:
    assert len(scored_pairs(report([Score(0.0, "a")], [Score(1.0, "")])).pairs) == 1
    assert len(scored_pairs(report([Score(0.0, "a")], [Score(9.0, "b", judged=False)])).pairs) == 1
