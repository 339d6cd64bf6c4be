"""A server that is busy and says how long: it is obeyed, and asked again as often as another."""

from __future__ import annotations

import pytest

from promptopt.errors import BackendError
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.retrying import Outage
from promptopt.types import Reply, Request
from tests.models.server.test_dispatch import no_sleep, requests


@pytest.mark.parametrize("concurrency", [1, 4, 16, 64])
@pytest.mark.parametrize("pause_s", [None, 60, 120, 299])
def test_a_busy_server_that_names_its_pauses_loses_no_request(concurrency: int, pause_s: float | None) -> None:
    """A request that is refused four times was given up, though the server had been obeyed each time."""
    seen: dict[str, int] = {}

    async def send(request: Request) -> Reply:
        text = str(request.content)
        seen[text] = seen.get(text, 0) + 1
        if text in ("20", "39") and seen[text] < 6:
            raise Outage("got 429", retry_after_s=pause_s, overloaded=True)
        return Reply(text)

    dispatcher = Dispatcher(send, server="it", concurrency=concurrency, sleep=no_sleep)
    got = {index for index, _ in dispatcher.stream(requests(40), lambda: False)}
    dispatcher.close()
    assert got == set(range(40))
    assert seen["20"] == seen["39"] == 6


@pytest.mark.parametrize(("answers", "tries"), [(False, 3), (True, 10)])
def test_a_server_that_only_names_pauses_is_given_up(*, answers: bool, tries: int) -> None:
    sent = 0

    async def send(request: Request) -> Reply:
        nonlocal sent
        if answers and request.content == "0":
            return Reply("")
        sent += 1
        raise Outage("got 503", retry_after_s=120)

    dispatcher = Dispatcher(send, server="it", concurrency=1, sleep=no_sleep)
    dispatcher.draw = lambda: 0.0
    with pytest.raises(BackendError, match="got 503; 1 of 9 requests failed"):
        list(dispatcher.stream(requests(9), lambda: False))
    dispatcher.close()
    assert sent == tries
