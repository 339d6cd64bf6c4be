from __future__ import annotations

import asyncio
import re
import threading

import pytest

from promptopt.models.server import dispatch
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.silence import FIRST_S, LATER_S, Silence
from promptopt.types import Reply, Request
from tests.ends import ends


def test_words_about_a_silence_come_at_doubling_distances() -> None:
    silence = Silence(100.0)
    told = [second for second in range(200) if silence.to_tell_s(100.0 + second, answered=False) is not None]
    assert told == [5, 10, 20, 40, 80, 160]


def test_a_server_that_has_answered_before_may_take_longer() -> None:
    silence = Silence(0.0)
    assert silence.to_tell_s(FIRST_S, answered=True) is None
    assert silence.to_tell_s(LATER_S, answered=True) == LATER_S


def test_whatever_comes_ends_a_silence() -> None:
    silence = Silence(0.0)
    assert silence.to_tell_s(6.0, answered=False) == 6.0
    silence.broken(7.0)
    assert silence.to_tell_s(11.0, answered=False) is None
    assert silence.to_tell_s(12.0, answered=False) == 5.0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_STOP_CHECK_S", 0.01)
    monkeypatch.setattr(dispatch, "FIRST_S", 0.03)
    monkeypatch.setattr("promptopt.models.server.silence.FIRST_S", 0.03)


async def never(request: Request) -> Reply:
    await asyncio.sleep(3_600)
    raise AssertionError


@ends
@pytest.mark.usefixtures("quick")
def test_a_mute_server_is_spoken_of_and_not_waited_for_once_the_run_stops(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(never, server="the server x")
    with caplog.at_level("WARNING"):
        assert list(dispatcher.stream([Request("a"), Request("b")], lambda: bool(caplog.records))) == []
    dispatcher.close()
    said = caplog.records[0].getMessage()
    assert re.fullmatch(r"the server x has sent nothing for \d+ s: [12] requests? in flight", said)


@pytest.mark.usefixtures("quick")
def test_what_a_server_that_has_answered_is_working_on_is_waited_for() -> None:
    under_way, seen = threading.Event(), threading.Event()

    async def slow_after_the_first(request: Request) -> Reply:
        if request.content == "b":
            under_way.set()
            await asyncio.sleep(0.3)
        return Reply(str(request.content))

    dispatcher = Dispatcher(slow_after_the_first, server="x", concurrency=1)
    found: list[str] = []
    for _, reply in dispatcher.stream([Request("a"), Request("b")], seen.is_set):
        found.append(reply.text)
        assert under_way.wait(60)
        seen.set()
    dispatcher.close()
    assert found == ["a", "b"]


@pytest.mark.usefixtures("quick")
def test_a_silence_is_told_with_its_way_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """A proxy that takes requests and answers none held a run for six minutes, and only the server was named."""
    dispatcher = Dispatcher(never, server="the server x", timeout_s=120.0, via=" through the proxy p:1 of HTTPS_PROXY")
    with caplog.at_level("WARNING"):
        assert list(dispatcher.stream([Request("a")], lambda: bool(caplog.records))) == []
    dispatcher.close()
    said = caplog.records[0].getMessage()
    assert said.startswith("the server x has sent nothing through the proxy p:1 of HTTPS_PROXY for ")
    assert said.endswith(": 1 request in flight; each try lasts 120 s at most, and none begins after 300 s")
