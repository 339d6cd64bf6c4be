from __future__ import annotations

import asyncio
import email.utils
import random
import re
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server import dispatch
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.pace import Pace, Window
from promptopt.models.server.retrying import Outage, RetryPolicy, retry_after_s
from promptopt.types import Reply, Request
from tests.models.server.asking import model_threads


def requests(count: int) -> list[Request]:
    return [Request(f"{n}") for n in range(count)]


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = model_threads()
    yield
    assert model_threads() <= before


@given(
    tries=st.integers(1, 60),
    draw=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1e4),
    first=st.floats(0.01, 5),
)
def test_waits_stay_within_their_bounds(tries: int, draw: float, asked: float | None, first: float) -> None:
    retry_policy = RetryPolicy(first_s=first, longest_s=20)
    wait_s = retry_policy.wait_s(tries, Outage("", retry_after_s=asked), draw)
    if asked is None:
        assert min(20, first * 2 ** (tries - 1)) / 2 <= wait_s <= 20
    else:
        assert asked <= wait_s <= asked + 20


@given(st.integers(0, 10**6))
def test_retry_after_reads_seconds_and_dates(seconds: int) -> None:
    now = 1_790_000_000.0
    assert retry_after_s(str(seconds), now) == seconds
    assert retry_after_s(email.utils.formatdate(now + seconds, usegmt=True), now) == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, None), ("soon", None), ("", None), ("-5", 0.0), ("1.5", 1.5), ("nan", None), ("inf", None)],
)
def test_retry_after_that_says_nothing_is_no_wait(header: str | None, expected: float | None) -> None:
    assert retry_after_s(header, 0.0) == expected


def test_a_retry_after_date_in_the_past_is_now() -> None:
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT", 1_790_000_000.0) == 0.0


@given(cap=st.integers(1, 200), moves=st.lists(st.booleans(), max_size=300))
def test_the_window_stays_between_one_and_its_cap(cap: int, moves: list[bool]) -> None:
    window = Window(cap)
    window.open()
    for now, ok in enumerate(moves):
        window.grow() if ok else window.shrink(began=now, now=now + 0.5)
        assert 1 <= window.limit <= cap


def test_the_window_halves_once_for_one_burst_and_grows_by_one_a_window() -> None:
    window = Window(64)
    assert window.limit == 1
    window.open()
    for _ in range(40):
        window.shrink(began=1.0, now=2.0)
    assert window.limit == 32
    for _ in range(33):
        window.grow()
    assert window.limit == pytest.approx(33, abs=0.05)
    window.shrink(began=3.0, now=4.0)
    assert window.limit == pytest.approx(16.5, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_every_request_is_answered_once_whatever_the_outages(seed: int) -> None:
    luck, calls = random.Random(seed), 0

    async def send(request: Request) -> Reply:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        if luck.random() < 0.3:
            raise Outage("thunder", overloaded=luck.random() < 0.5)
        return Reply(str(request.content))

    dispatcher = Dispatcher(send, server="it", concurrency=16, sleep=no_sleep)
    got = list(dispatcher.stream(requests(200), lambda: False))
    dispatcher.close()
    assert sorted(index for index, _ in got) == list(range(200))
    assert all(reply.text == f"{index}" for index, reply in got)
    assert calls > 220


def test_a_long_pause_for_some_requests_is_told_while_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def send(request: Request) -> Reply:
        if request.content in ("1", "2"):
            before = dispatcher.answered
            while dispatcher.answered == before:
                await asyncio.sleep(0)
            raise Outage("asks for a pause of 9 days", retry_after_s=800_000)
        await asyncio.sleep(0)
        told.append(caplog.text)
        return Reply("")

    told: list[str] = []
    dispatcher = Dispatcher(send, server="it", concurrency=4, sleep=no_sleep)
    with pytest.raises(BackendError, match=r"pause of 9 days; 2 of 40 requests failed.*after that pause"):
        list(dispatcher.stream(requests(40), lambda: False))
    dispatcher.close()
    assert len(told) == 38
    assert "9 days: that is not waited for; the other requests go on" in told[-1]
    assert caplog.text.count("9 days") == 1


def test_the_first_request_goes_alone_then_as_many_as_allowed() -> None:
    flying, peaks = 0, list[int]()

    async def send(request: Request) -> Reply:
        nonlocal flying
        flying += 1
        peaks.append(flying)
        await asyncio.sleep(0.001)
        flying -= 1
        return Reply("")

    dispatcher = Dispatcher(send, server="it", concurrency=8)
    for _ in range(2):
        assert len(list(dispatcher.stream(requests(40), lambda: False))) == 40
    dispatcher.close()
    assert peaks[0] == 1
    assert peaks[1:9] == list(range(1, 9))
    assert max(peaks) == 8


def test_the_others_do_not_wait_long_for_a_slow_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_ALONE_S", 0.01)
    others = threading.Event()

    async def send(request: Request) -> Reply:
        if request.content == "3":
            others.set()
        while request.content == "0" and not others.is_set():
            await asyncio.sleep(0.001)
        return Reply("")

    dispatcher = Dispatcher(send, server="it", concurrency=2)
    assert [index for index, _ in dispatcher.stream(requests(4), lambda: False)] == [1, 2, 3, 0]
    dispatcher.close()


def test_the_others_do_wait_for_a_first_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_ALONE_S", 0.01)
    asked: list[str] = []

    async def send(request: Request) -> Reply:
        asked.append(str(request.content))
        raise Outage("refused", unreachable=True)

    dispatcher = Dispatcher(send, server="it", sleep=lambda seconds: asyncio.sleep(0.002))
    with pytest.raises(BackendError, match="refused"):
        list(dispatcher.stream(requests(9), lambda: False))
    dispatcher.close()
    assert set(asked) == {"0"}


def test_replies_come_as_they_settle() -> None:
    release = threading.Event()

    async def send(request: Request) -> Reply:
        while request.content == "1" and not release.is_set():
            await asyncio.sleep(0.001)
        return Reply(str(request.content))

    dispatcher = Dispatcher(send, server="it", concurrency=2)
    replies = dispatcher.stream(requests(4), lambda: False)
    assert [next(replies)[0] for _ in range(3)] == [0, 2, 3]
    release.set()
    assert [index for index, _ in replies] == [1]
    dispatcher.close()


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [RuntimeError("a defect"), Stop("a stop")])
def test_what_send_or_stopping_raises_reaches_the_caller_as_it_is(error: BaseException) -> None:
    async def send(request: Request) -> Reply:
        if request.content == "5":
            raise error
        await asyncio.sleep(0)
        return Reply("")

    def stopping() -> bool:
        raise error

    dispatcher = Dispatcher(send, server="it", concurrency=4)
    with pytest.raises(type(error), match=str(error)):
        list(dispatcher.stream(requests(50), lambda: False))
    with pytest.raises(type(error), match=str(error)):
        list(dispatcher.stream(requests(50), stopping))
    dispatcher.close()


def test_stopping_before_the_start_sends_nothing() -> None:
    async def send(request: Request) -> Reply:
        raise AssertionError("sent")

    dispatcher = Dispatcher(send, server="it")
    assert list(dispatcher.stream(requests(5), lambda: True)) == []
    dispatcher.close()


def test_two_batches_at_a_time_keep_apart() -> None:
    async def send(request: Request) -> Reply:
        await asyncio.sleep(0.001)
        return Reply(str(request.content))

    dispatcher = Dispatcher(send, server="it", concurrency=4)
    got: dict[str, list[str]] = {}

    def ask(name: str) -> None:
        batch = [Request(f"{name}{n}") for n in range(30)]
        got[name] = [f"{index}:{reply.text}" for index, reply in dispatcher.stream(batch, lambda: False)]

    threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dispatcher.close()
    for name in "ab":
        assert sorted(got[name]) == sorted(f"{n}:{name}{n}" for n in range(30))


def test_closing_ends_a_batch_that_is_under_way() -> None:
    async def send(request: Request) -> Reply:
        await asyncio.sleep(0 if request.content == "0" else 60)
        return Reply("")

    dispatcher = Dispatcher(send, server="it", concurrency=2)
    replies = dispatcher.stream(requests(4), lambda: False)
    next(replies)
    dispatcher.close()
    with pytest.raises(BackendError, match="closed"):
        next(replies)


def test_a_server_that_fails_is_spoken_of_while_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await asyncio.sleep(0)

    async def send(request: Request) -> Reply:
        nonlocal now
        now += 0.01
        if now < 100 and request.content != "0":
            raise Outage("answered 500 (boiler burst)")
        return Reply("")

    dispatcher = Dispatcher(send, server="the server x", concurrency=4, sleep=sleep, clock=lambda: now)
    with caplog.at_level("WARNING"):
        assert len(list(dispatcher.stream(requests(8), lambda: False))) == 8
    dispatcher.close()
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("the server x answered 500 (boiler burst): ")
    assert re.search(r": \d+ of \d+ requests failed, trying again in \d+ s$", said[0])
    assert 3 <= len(said) <= 10, "at most one in ten seconds"


@pytest.mark.parametrize(("held_s", "connected", "tries"), [(0.1, True, 5), (15.0, False, 1), (60.0, True, 2)])
def test_a_stranger_that_held_a_request_before_it_broke_off_is_asked_again(
    held_s: float, connected: bool, tries: int
) -> None:
    now, tried = 0.0, 0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await asyncio.sleep(0)

    async def send(request: Request) -> Reply:
        nonlocal now, tried
        now, tried = now + held_s, tried + 1
        if held_s < 60 or tried == 1:
            raise Outage("broke off", unreachable=True, connected=connected)
        return Reply("")

    dispatcher = Dispatcher(send, server="it", sleep=sleep, clock=lambda: now)
    dispatcher.draw = lambda: 0.0
    if held_s < 60:
        with pytest.raises(BackendError, match="broke off"):
            list(dispatcher.stream(requests(1), lambda: False))
    else:
        assert len(list(dispatcher.stream(requests(1), lambda: False))) == 1
    dispatcher.close()
    assert tried == tries


def test_a_moments_trouble_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    failed = False

    async def send(request: Request) -> Reply:
        nonlocal failed
        if not failed:
            failed = True
            raise Outage("answered 429")
        return Reply("")

    dispatcher = Dispatcher(send, server="it", sleep=no_sleep)
    assert len(list(dispatcher.stream(requests(8), lambda: False))) == 8
    dispatcher.close()
    assert not caplog.records


@pytest.mark.parametrize("per_minute", [60, 600.5, 0.5])
def test_turns_come_in_even_steps(per_minute: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    pace = Pace(per_minute)
    assert [pace.turn() for _ in range(4)] == pytest.approx([60 / per_minute * number for number in range(4)])
    assert 1 <= pace.most_at_once <= max(1, per_minute)


def test_a_pace_holds_for_what_is_tried_again_too() -> None:
    slept: list[float] = []
    sent = 0

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    async def send(request: Request) -> Reply:
        nonlocal sent
        sent += 1
        if sent % 2:
            raise Outage("thunder")
        return Reply("")

    dispatcher = Dispatcher(send, server="it", sleep=sleep, pace=Pace(6))
    assert len(list(dispatcher.stream(requests(3), lambda: False))) == 3
    dispatcher.close()
    assert sent == 6
    assert sum(slept) >= 5 * 10 - 1


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_a_pace_that_lets_nothing_through_is_refused(wrong: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Pace(wrong)
