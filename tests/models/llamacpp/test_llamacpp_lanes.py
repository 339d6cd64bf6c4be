"""Requests over lanes, groups of one prefix, and the steps a prompt is evaluated in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import BackendError
from promptopt.models.boundary import beginning
from promptopt.models.llamacpp.lanes import in_lanes
from promptopt.models.llamacpp.states import ROWS, whole_steps
from promptopt.models.prefixes import PrefixQueue
from promptopt.types import Message, ScoreRequest


def asked(prefix: str, count: int) -> list[ScoreRequest]:
    return [ScoreRequest(f"{prefix} {number}", ("x",), shared=len(prefix)) for number in range(count)]


def test_every_request_is_answered_and_failures_come_last() -> None:
    requests = [*asked("one", 5), *asked("two", 3)]

    def answer(lane: int, request: ScoreRequest, given_up: Callable[[], bool]) -> str:
        assert 0 <= lane < 2
        if request.content == "one 1":
            raise BackendError("the engine is gone")
        return str(request.content)

    found: dict[int, str] = {}
    with pytest.raises(BackendError, match="gone"):
        found.update(in_lanes(requests, 2, answer, lambda: False))
    assert found == {index: request.content for index, request in enumerate(requests) if index != 1}
    assert list(in_lanes(requests, 2, answer, lambda: True)) == []
    assert list(in_lanes([], 2, answer, lambda: False)) == []


def test_a_lane_stays_with_its_prefix() -> None:
    queue = PrefixQueue([*asked("one", 2), *asked("two", 2)])
    first, prefix = queue.take(None, [])
    second, other = queue.take(None, [prefix])
    assert (first, second, prefix, other) == (0, 2, "one", "two")
    assert queue.take(other, [prefix]) == (3, "two")
    assert queue.take(other, [prefix]) == (1, "one")
    assert not queue


def test_white_space_at_a_cut_is_the_rests() -> None:
    assert beginning("Say it. Now", 8) == "Say it."
    chat = (Message("system", "Be terse."), Message("user", "Say it. Now"))
    assert beginning(chat, 17) == (chat[0], Message("user", "Say it."))
    assert beginning(chat, 99) == chat


@given(st.integers(0, 200), st.integers(0, 200))
def test_steps_end_where_rows_do_and_leave_more_than_one(step: int, rest: int) -> None:
    whole = whole_steps(step, step + rest)
    assert 0 <= whole <= step
    assert whole % ROWS == 0
    assert whole == 0 or step + rest - whole > 1
    assert step - whole < 2 * ROWS
