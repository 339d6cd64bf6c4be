from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.boundary import common_length, continuation_start

tokens = st.lists(st.integers(0, 3), max_size=8)


def test_a_continuation_begins_where_the_context_ends() -> None:
    assert continuation_start([7, 8, 9], [7, 8, 9, 4, 5]) == (3, False)


def test_a_token_over_the_boundary_belongs_to_the_continuation() -> None:
    assert continuation_start([7, 8, 9], [7, 8, 95, 5]) == (2, True)


def test_a_whole_shorter_than_its_context_is_merged() -> None:
    assert continuation_start([7, 8, 9], [7, 89]) == (1, True)
    assert continuation_start([7, 8, 9], [7, 8]) == (2, True)


def test_nothing_follows_where_nothing_was_added() -> None:
    assert continuation_start([7, 8], [7, 8]) == (2, False)
    assert continuation_start([], [5]) == (0, False)


@given(tokens, tokens)
def test_what_is_common_is_common_and_no_more_is(context: list[int], whole: list[int]) -> None:
    start, merged = continuation_start(context, whole)
    assert context[:start] == whole[:start]
    assert start == min(len(context), len(whole)) or context[start] != whole[start]
    assert merged == (whole[: len(context)] != context)


@given(tokens, tokens)
def test_the_common_length_has_no_order(first: list[int], second: list[int]) -> None:
    assert common_length(first, second) == common_length(second, first)
