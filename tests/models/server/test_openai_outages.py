"""Servers that fail, hang, refuse or are crowded: what is tried again, and what is given up."""

from __future__ import annotations

import json
import socket

import pytest

from promptopt.errors import BackendError
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import Outage, RetryPolicy
from promptopt.models.server.streams import joined_chunks
from promptopt.types import Reply
from tests.models.server.asking import KEY, Opening, Waits, ask, briefly, chat
from tests.servers import (
    CUT,
    EMPTY_CHOICES,
    HANG,
    NOT_JSON,
    Answer,
    Asked,
    FakeServer,
    echo,
    failure,
    in_turn,
    reply,
)

pytestmark = pytest.mark.usefixtures("key")


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble",
    [
        failure(429, headers={"Retry-After": "2"}),
        failure(500),
        failure(502),
        failure(503, "Loading model"),
        Answer(b"upstream gone", 504),
        CUT,
        NOT_JSON,
        Answer(b'{"choices": [{"mess'),
        Answer(b""),
        Answer(b"[1, 2]"),
        EMPTY_CHOICES,
        Answer(b'{"choices": [3]}'),
        Answer(b'{"choices": [{}]}'),
        Answer(b'{"error": {"message": "overloaded"}}'),
        failure(408),
    ],
    ids=lambda answer: f"{answer.status} {answer.fault} {answer.body[:12]!r}",
)
def test_an_outage_is_retried(opened: Opening, waits: Waits, trouble: Answer) -> None:
    server, model = opened(in_turn(trouble, trouble, echo))
    assert ask(model, chat("x"))[0].text == "x"
    assert len(server.asked) == 3
    assert sum(waits) > 0


def test_retry_after_is_honoured(opened: Opening, waits: Waits) -> None:
    _, model = opened(in_turn(failure(429, headers={"Retry-After": "17"}), echo))
    ask(model, chat("x"))
    assert 17 <= sum(waits) < 18


@pytest.mark.parametrize(
    "headers",
    [
        {"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Retry-After": "Sat, 01 Jan 2000 00:00:17 GMT"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "17s"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "17"},
    ],
)
def test_a_pause_is_honoured_by_the_servers_clock_and_by_when_its_limit_starts_anew(
    opened: Opening, waits: Waits, headers: dict[str, str]
) -> None:
    server, model = opened(in_turn(failure(429, headers=headers), echo))
    assert ask(model, chat("x"))[0].text == "x"
    assert 17 <= sum(waits) < 18
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("301", "5 minutes"),
        ("86400", "24 hours"),
        ("1e12", "11,574,074 days"),
        ("1e300", r"1\.16e\+295 days"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", r"\d,\d{3},\d{3} days"),
    ],
)
def test_a_pause_beyond_all_patience_is_told_at_once(opened: Opening, waits: Waits, header: str, told: str) -> None:
    server, model = opened(in_turn(failure(429, "daily limit", headers={"Retry-After": header})))
    with pytest.raises(BackendError, match=rf"daily limit.*pause of {told};.*after that pause.*run the same command"):
        ask(model, chat("x"))
    assert len(server.asked) == 1
    assert not waits


def test_an_outage_that_lasts_is_one_sentence_naming_the_server(opened: Opening, waits: Waits) -> None:
    server, model = opened(in_turn(failure(500, "boiler burst")), retry_policy=RetryPolicy(total_s=10))
    with pytest.raises(BackendError, match=rf"127\.0\.0\.1:{server.port}.*500 \(boiler burst\).*run the same command"):
        ask(model, chat("x"))
    assert 2 < len(server.asked) < 10
    assert sum(waits) <= 10


def test_a_hanging_server_is_given_up(opened: Opening) -> None:
    server, model = opened(in_turn(HANG), timeout_s=0.05, retry_policy=RetryPolicy(total_s=2))
    with pytest.raises(BackendError, match=r"no answer within 0\.05 s"):
        ask(model, chat("x"))
    assert len(server.asked) > 1


def test_a_server_that_hangs_once_answers_on_the_next_try(opened: Opening) -> None:
    _, model = opened(in_turn(HANG, echo), timeout_s=0.1)
    assert ask(model, chat("x"))[0].text == "x"


@pytest.mark.usefixtures("transport")
def test_a_server_that_is_down_is_given_up_soon(waits: Waits) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    model = OpenAIModel("tiny", base_url=f"http://127.0.0.1:{port}/v1", sleep=waits)
    with pytest.raises(BackendError, match=rf"127\.0\.0\.1:{port}: cannot be reached.*see that the server is up"):
        ask(model, *[chat(f"{n}") for n in range(500)])
    assert sum(waits) <= 10
    model.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failure(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (failure(403, "no access"), "OPENAI_API_KEY"),
        (failure(404, "model 'tiny' not found"), r"has the model 'tiny'.*/v1"),
        (failure(400, "bad field: colour"), "bad field: colour"),
        (failure(429, "You exceeded your current quota", code="insufficient_quota"), "top the account up"),
        (Answer(b"", 301, {"Location": "https://elsewhere"}), "301"),
    ],
)
def test_what_no_retry_mends_ends_the_batch_after_one_request(
    opened: Opening, waits: Waits, answer: Answer, said: str
) -> None:
    server, model = opened(in_turn(answer))
    with pytest.raises(BackendError, match=said) as raised:
        ask(model, *[chat(f"{n}") for n in range(100)])
    assert len(server.asked) == 1
    assert not waits
    assert "\n" not in str(raised.value)


def test_after_a_permanent_failure_replies_in_flight_are_yielded(opened: Opening) -> None:
    def script(asked: Asked) -> Answer:
        if asked.text == "9":
            return failure(401)
        return reply(asked.text, latency_s=0.05 if asked.nth else 0)

    server, model = opened(script, concurrency=16)
    got: list[int] = []
    with pytest.raises(BackendError, match="401"):
        got.extend(index for index, _ in model.generate([chat(f"{n}") for n in range(100)]))
    assert len(server.asked) < 40
    assert len(got) == len(server.asked) - 1


def test_one_request_that_always_fails_fails_alone(opened: Opening) -> None:
    def script(asked: Asked) -> Answer:
        return failure(500) if asked.text == "3" else reply(asked.text, latency_s=0.002)

    server, model = opened(script, concurrency=4, retry_policy=RetryPolicy(total_s=5), sleep=briefly)
    got: dict[int, Reply] = {}
    with pytest.raises(BackendError, match="1 of 200 requests failed beyond its retries"):
        got.update(model.generate([chat(f"{n}") for n in range(200)]))
    assert sorted(got) == [n for n in range(200) if n != 3]
    assert set(server.repeated) == {asked.body for asked in server.asked if asked.text == "3"}


def test_a_server_that_dies_midway_keeps_nobody_waiting_for_the_rest(opened: Opening) -> None:
    server, model = opened(
        lambda asked: reply(asked.text, latency_s=0.002) if asked.nth < 100 else failure(502),
        concurrency=4,
        retry_policy=RetryPolicy(total_s=5),
        sleep=briefly,
    )
    got: dict[int, Reply] = {}
    with pytest.raises(BackendError, match="502"):
        got.update(model.generate([chat(f"{n}") for n in range(1000)]))
    assert len(got) == 100
    assert len({asked.text for asked in server.asked}) <= 108


@pytest.mark.slow
def test_many_requests_go_out_at_once_and_none_twice(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.05), concurrency=24)
    requests = [chat(f"{n}") for n in range(300)]
    assert [got.text for got in ask(model, *requests)] == [f"{n}" for n in range(300)]
    assert server.peak == 24
    assert len(server.asked) == 300
    assert not server.repeated


@pytest.mark.slow
def test_429_halves_what_is_in_flight_and_nothing_is_lost(opened: Opening) -> None:
    busy = 0

    def script(asked: Asked) -> Answer:
        nonlocal busy
        busy = server_of[0]._state.in_flight
        return failure(429) if busy > 8 else reply(asked.text, latency_s=0.005)

    server_of: list[FakeServer] = []
    server, model = opened(script, concurrency=64)
    server_of.append(server)
    texts = [got.text for got in ask(model, *[chat(f"{n}") for n in range(300)])]
    assert texts == [f"{n}" for n in range(300)]
    assert model._dispatcher.window.limit < 32


def test_an_empty_body_is_named_as_such(opened: Opening) -> None:
    _, model = opened(lambda _: Answer(b""), retry_policy=RetryPolicy(total_s=0.1, misplaced_s=0.1))
    with pytest.raises(BackendError, match="answered with an empty body; see that"):
        ask(model, chat("a"))


@pytest.mark.parametrize(("second", "told"), [("no", None), ("yes", "yes"), ("", "yes")])
def test_two_replies_in_one_body_are_none_unless_they_are_the_same(second: str, told: str | None) -> None:
    bodies = [
        {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": text}}]} for text in ("yes", second)
    ]
    raw = "\n".join(map(json.dumps, bodies))
    if told is None:
        with pytest.raises(Outage, match="two different replies at once"):
            joined_chunks(raw)
    else:
        joined = joined_chunks(raw)
        assert joined is not None
        assert joined["choices"][0]["message"]["content"] == told


def test_a_stream_of_something_else_is_told_at_once(opened: Opening) -> None:
    _, model = opened(lambda asked: Answer(b'event: ping\ndata: {"type": "ping"}\n\n'))
    with pytest.raises(BackendError, match="broke the reply off in the middle of its stream"):
        ask(model, chat("x"))
