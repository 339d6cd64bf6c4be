"""What was written is written once more, and where that is of no use the first text stands."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.rewrite import again
from promptopt.types import Prompt

ONE, TWO, THREE = (Prompt.of(name) for name in ("one", "two", "three"))


def test_the_second_text_counts_where_there_is_one_and_places_stay() -> None:
    asked: list[list[Prompt]] = []

    def write(drafts: Sequence[Prompt]) -> list[Prompt | None]:
        asked.append(list(drafts))
        return [THREE, None]

    assert again([None, ONE, None, TWO], write) == [None, THREE, None, TWO]
    assert asked == [[ONE, TWO]]


def test_where_nothing_was_written_nothing_is_asked() -> None:
    assert again([None, None], lambda drafts: [ONE for _ in range(1 + len(drafts))][:0]) == [None, None]
    assert again([], lambda _: [ONE]) == []
