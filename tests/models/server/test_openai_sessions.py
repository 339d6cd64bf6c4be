"""Batches that are stopped, connections and threads, addresses and keys."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Sequence

import pytest

from promptopt.errors import ConfigError, PromptoptError
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.types import Reply
from tests.models.server.asking import KEY, Opening, Waits, ask, chat, model_threads
from tests.servers import (
    CUT,
    HANG,
    Answer,
    FakeServer,
    failure,
    in_turn,
    reply,
)

pytestmark = pytest.mark.usefixtures("key")


def test_stopping_begins_nothing_new_and_yields_what_is_in_flight(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.02), concurrency=8)
    got: list[int] = []
    for index, _ in model.generate([chat(f"{n}") for n in range(200)], lambda: len(got) >= 20):
        got.append(index)
    assert 20 <= len(got) <= 36
    assert len(server.asked) == len(got)


def test_stopping_ends_a_wait_silently_at_its_next_step(opened: Opening, waits: Waits) -> None:
    _, model = opened(in_turn(failure(429, headers={"Retry-After": "100"})))
    assert list(model.generate([chat("x")], lambda: len(waits) == 3)) == []
    assert len(waits) == 3
    assert sum(waits) < 1


def test_an_abandoned_batch_begins_nothing_more(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.01), concurrency=4)
    replies = model.generate([chat(f"{n}") for n in range(5_000)])
    next(replies)
    replies.close()
    assert ask(model, chat("again"))[0].text == "again"
    begun = len(server.asked)
    for _ in range(5):
        ask(model, chat("and again"))
    assert len(server.asked) == begun + 5 < 5_000


def test_no_requests_no_replies(opened: Opening) -> None:
    server, model = opened()
    assert list(model.generate([])) == []
    assert not server.asked


def test_batches_share_connections_and_close_ends_the_thread(opened: Opening) -> None:
    before = model_threads()
    server, model = opened(concurrency=1)
    for _ in range(3):
        ask(model, chat("a"), chat("b"))
    assert len(server._state.connections) == 1
    model.close()
    assert model_threads() <= before
    assert ask(model, chat("c"))[0].text == "c"


@pytest.mark.slow
@pytest.mark.usefixtures("transport")
def test_a_forgotten_model_leaves_no_thread() -> None:
    before = model_threads()
    with FakeServer() as server:
        model = OpenAIModel("tiny", base_url=server.url)
        ask(model, chat("a"))
        assert not model_threads() <= before
        del model
        gc.collect()
        assert model_threads() <= before


def test_it_works_inside_a_running_event_loop(opened: Opening) -> None:
    _, model = opened()

    async def notebook() -> list[Reply]:
        return ask(model, chat("cell"))

    assert asyncio.run(notebook())[0].text == "cell"


def test_openai_itself_needs_a_key_and_local_servers_none(monkeypatch: pytest.MonkeyPatch, opened: Opening) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIModel("gpt-4o-mini")
    server, model = opened()
    ask(model, chat("x"))
    assert server.asked[0].headers["authorization"] == "Bearer none"


def test_the_base_url_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://10.0.0.7:8000/v1/")
    model = OpenAIModel("tiny")
    assert (model.base_url, model.local) == ("http://10.0.0.7:8000/v1", False)


@pytest.mark.parametrize(
    "address",
    ["", "localhost:8000", "ftp://host/v1", "http://", "http://[::1", "nonsense", "http://me:hunter22@host/v1"],
)
def test_a_base_url_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"must look like 'http://localhost:8000/v1'") as raised:
        OpenAIModel("tiny", base_url=address)
    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.9/v1", True),
        ("http://[::1]:8/v1", True),
        ("https://x.org/v1", False),
    ],
)
def test_loopback_addresses_are_local(address: str, local: bool) -> None:
    assert OpenAIModel("tiny", base_url=address).local is local


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        [failure(401, f"Incorrect API key provided: {KEY}.")],
        [failure(400, f"header was Bearer {KEY}")],
        [failure(500, KEY)],
        [Answer(f"<h1>{KEY}</h1>".encode(), 500)],
        [Answer(json.dumps({"error": KEY}).encode())],
        [failure(429, KEY, headers={"Retry-After": "1e9"})],
        [failure(400, f"Unsupported parameter 'temperature' {KEY}", code="unsupported_parameter"), reply("fine")],
        [HANG],
        [CUT],
    ],
)
def test_the_key_shows_nowhere(opened: Opening, caplog: pytest.LogCaptureFixture, answers: Sequence[Answer]) -> None:
    _, model = opened(in_turn(*answers), timeout_s=0.05, retry_policy=RetryPolicy(total_s=1))
    shown = [repr(model), str(model)]
    with caplog.at_level(logging.DEBUG):
        try:
            shown += [repr(got.to_json()) for got in ask(model, chat("x"))]
        except PromptoptError as error:
            link: BaseException | None = error
            while link is not None:
                shown.append(repr(link))
                link = link.__cause__ if link.__cause__ is not None else link.__context__
    shown += [f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in caplog.records]
    assert len(shown) > 2
    assert not [text for text in shown if KEY in text or "secret" in text]
