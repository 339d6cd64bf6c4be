"""What ends a look that is no search is one sentence, which says once how to go on."""

from __future__ import annotations

import pytest

from promptopt.binding.session import no_search
from promptopt.errors import BackendError, BudgetSpent, PromptoptError, RequestRefused, Suspended


def suspended(message: str, cause: Exception | None = None) -> Suspended:
    stop = Suspended(message)
    stop.__cause__ = cause
    return stop


@pytest.mark.parametrize(
    ("stop", "kind", "said"),
    [
        (BudgetSpent("3 calls are spent"), BackendError,
         "3 calls are spent; raise the limit, and run the same command again to go on"),
        (Suspended("the server is gone"), BackendError,
         "the server is gone; run the same command again to go on"),
        (Suspended("wait, then run it again to go on"), BackendError, "wait, then run it again to go on"),
        (Suspended("it is full: run the same command again; nothing is lost"), BackendError,
         "it is full: run the same command again; nothing is lost"),
        (suspended("no turns; then run it to go on", RequestRefused("no turns")), RequestRefused, "no turns"),
    ],
)  # fmt: skip
def test_each_end_is_an_error_of_its_kind(stop: PromptoptError, kind: type[PromptoptError], said: str) -> None:
    with pytest.raises(kind) as caught, no_search():
        raise stop
    assert type(caught.value) is kind
    assert str(caught.value) == said
    assert caught.value.__cause__ is stop
