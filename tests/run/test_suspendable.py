from __future__ import annotations

import threading

import pytest

from promptopt.errors import BackendError, Suspended
from promptopt.run.suspendable import suspendable


def test_what_an_engine_says_comes_back() -> None:
    assert suspendable(lambda: 7, lambda: None) == 7


def test_what_an_engine_raises_is_raised() -> None:
    def fails() -> int:
        raise BackendError("the server x: broke off")

    with pytest.raises(BackendError, match="broke off"):
        suspendable(fails, lambda: None)


def test_an_engine_that_does_not_answer_keeps_no_interrupt_waiting() -> None:
    never = threading.Event()
    with pytest.raises(Suspended, match="interrupted"):
        suspendable(lambda: never.wait(60), lambda: "interrupted")
    never.set()
