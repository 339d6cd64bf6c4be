"""What vLLM is asked for, and how its answers are put together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.boundary import Forced
from promptopt.models.vllm_requests import (
    LEADERS,
    MOST_FOLLOWING,
    LogProbRequest,
    LogProbs,
    Waiting,
    batch,
    prefixes_first,
    proved,
    schedule,
)
from tests.models.vllm_engine.fake_vllm import BLOCK, truth


def forced(context: Sequence[int], *continuations: Sequence[int]) -> Forced:
    wholes = tuple((*context, *each) for each in continuations)
    return Forced(tuple(context), wholes, (len(context),) * len(wholes), merged=False)


def answer(read: LogProbRequest, cached: int = 0) -> LogProbs:
    rows = tuple(truth(read.tokens[:place], read.tokens[place]) for place in range(read.start, len(read.tokens)))
    return LogProbs(rows, {token: truth(read.tokens, token) for token in read.following}, cached)


CONTEXTS = st.lists(st.integers(0, 3), min_size=1, max_size=12)
CONTINUATIONS = st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=5)


@given(CONTEXTS, CONTINUATIONS, st.integers(0, 12), st.booleans())
def test_every_plan_gives_the_same_numbers(
    context: list[int], continuations: list[list[int]], shared: int, along: bool
) -> None:
    request = forced(context, *continuations)
    made = schedule(request, min(shared, len(context)), BLOCK, along=along)
    found = made.logprobs(request, [answer(read) for read in made.reads])
    for each, values in zip(continuations, found, strict=True):
        assert values == tuple(truth([*context, *each[:place]], token) for place, token in enumerate(each))
    assert len(set(made.reads)) == len(made.reads)
    assert not any(read.fresh for read in made.reads if along)
    assert all(read.fresh == read.has_rows for read in made.reads if not along)


def test_all_single_token_labels_are_one_read_without_rows() -> None:
    made = schedule(forced(range(40), [1], [2], [3]), 32, BLOCK, along=True)
    assert made.reads == (LogProbRequest(tuple(range(40)), 40, (1, 2, 3)),)
    assert not made.reads[0].has_rows


def test_a_long_target_is_one_read_along() -> None:
    made = schedule(forced(range(40), range(50, 58)), 32, BLOCK, along=True)
    assert [(len(read.tokens), read.start, read.following) for read in made.reads] == [(47, 40, (57,))]


def test_without_rows_the_cheaper_of_the_two_exact_ways_is_taken() -> None:
    short = schedule(forced(range(400), range(3)), 396, BLOCK, along=False)
    assert len(short.reads) == 3
    assert not any(read.fresh for read in short.reads)
    long = schedule(forced(range(40), range(30)), 0, BLOCK, along=False)
    assert [read.fresh for read in long.reads] == [True]


def test_labels_with_a_common_first_token_are_told_apart() -> None:
    request = forced([7, 7], [1, 2], [1, 3], [4])
    made = schedule(request, 0, BLOCK, along=True)
    assert made.logprobs(request, [answer(read) for read in made.reads])[1] == (truth([7, 7], 1), truth([7, 7, 1], 3))


def test_more_labels_than_one_read_takes() -> None:
    count = MOST_FOLLOWING + 5
    request = forced([1, 2, 3], *([label] for label in range(count)))
    made = schedule(request, 0, BLOCK, along=True)
    assert [len(read.following) for read in made.reads] == [MOST_FOLLOWING, 5]
    found = made.logprobs(request, [answer(read) for read in made.reads])
    assert found == [(truth([1, 2, 3], label),) for label in range(count)]


@given(st.lists(st.integers(0, 5), max_size=60))
def test_no_request_begins_before_the_one_it_waits_for(keys: list[int]) -> None:
    prefixes = [tuple(range(key)) for key in keys]
    first, leaders = prefixes_first(prefixes)
    after = [*[None] * len(first), *leaders]
    waiting, flying, read = Waiting(after), list[int](), list[int]()
    while True:
        while (index := waiting.take()) is not None:
            leader = after[index]
            assert leader is None or leader in read
            flying.append(index)
            assert sum(each < len(first) for each in flying) <= LEADERS
        if not flying:
            break
        read.append(flying.pop(len(flying) // 2))
        waiting.read(read[-1])
    assert sorted(read) == list(range(len(after)))


def test_a_prefix_that_two_share_is_read_once_and_first() -> None:
    schedules = [schedule(forced([*range(8), tail], [1], [2, 3]), 8, BLOCK, along=True) for tail in (50, 51)]
    sent = batch(schedules, [tuple(range(8))] * 2, BLOCK)
    assert sent.reads[0] == LogProbRequest(tuple(range(8)), 8, ())
    assert sent.owners[0] is None
    assert all(leader is not None for leader in sent.after[1:])


def test_alternatives_wait_for_the_first_where_the_example_is_long() -> None:
    long = schedule(forced(range(20), range(30, 34), range(40, 44)), 8, BLOCK, along=True)
    assert batch([long], [tuple(range(8))], BLOCK).after == (None, 0)
    short = schedule(forced(range(10), range(30, 34), range(40, 44)), 8, BLOCK, along=True)
    assert batch([short], [tuple(range(8))], BLOCK).after == (None, None)


@pytest.mark.parametrize(
    ("cached", "shift", "holds"),
    [(8, 0.0, True), (8, 9e-4, True), (8, 2e-3, False), (8, math.nan, False), (0, 0.0, None)],
)
def test_rows_are_trusted_only_when_a_recomputation_agrees(cached: int, shift: float, holds: bool | None) -> None:
    read = LogProbRequest(tuple(range(12)), 9, (5,))

    def ask(asked: LogProbRequest) -> LogProbs:
        found = answer(asked, 0 if asked.fresh else cached)
        return found if asked.fresh else LogProbs(tuple(row + shift for row in found.rows), found.following, cached)

    assert proved(read, 1e-3, ask) is holds


def test_rows_that_are_missing_prove_nothing() -> None:
    read = LogProbRequest(tuple(range(12)), 9, (5,))
    assert proved(read, 1e-3, lambda asked: None if asked.has_rows and not asked.fresh else answer(asked)) is None
