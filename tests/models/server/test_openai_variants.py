"""Answers between the kinds: half JSON, half stream; errors passed on by gateways; keys in odd places."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from promptopt.binding.models import Models, open_models
from promptopt.errors import BackendError, ConfigError, RequestRefused
from promptopt.models.providers import Access
from promptopt.models.server import http
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.wire import scrub
from promptopt.types import Request
from tests.models.conftest import Transport
from tests.models.server.asking import KEY, Opening, Waits, ask, chat
from tests.servers import Answer, echo, failure, in_turn, reply

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture(name="transport")
def one_transport() -> Transport:
    """One way to a server: what is read here does not depend on it."""
    return "aiohttp alone"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["a\u2028b\u0085c\x0bd", "data: [DONE]", "one\ntwo", "\ud83d", "half ] and { half", '"quoted"']
)
@pytest.mark.parametrize("lined", [False, True])
def test_a_streamed_text_comes_whole_whatever_is_in_it(opened: Opening, text: str, lined: bool) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    written = json.dumps(chunk, ensure_ascii=text == "\ud83d", indent=1 if lined else None)
    event = "\n".join(f"data: {line}" for line in written.split("\n"))
    _, model = opened(in_turn(Answer(f"{event}\n\ndata: [DONE]\n\n".encode())))
    assert ask(model, chat("x"))[0].text == text


def test_a_stream_with_a_broken_chunk_in_it_is_an_outage(opened: Opening) -> None:
    good = json.dumps({"choices": [{"index": 0, "delta": {"content": "a"}}]})
    last = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    broken = Answer(f"data: {good}\n\ndata: {good[:30]}\n\ndata: {last}\n\ndata: [DONE]\n\n".encode())
    server, model = opened(in_turn(echo, broken, echo), concurrency=1)
    assert [got.text for got in ask(model, chat("a"), chat("b"))] == ["a", "b"]
    assert len(server.asked) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Invalid API key", "code": 401}},
        {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}},
        {"error": "model tiny not found"},
        {"status": "ok"},
        {"message": {"role": "assistant", "content": "native"}, "done": True},
        {"choices": None},
        {},
    ],
)
def test_what_no_retry_mends_is_said_at_once_also_with_status_200(
    opened: Opening, waits: Waits, body: dict[str, object]
) -> None:
    server, model = opened(in_turn(Answer(json.dumps(body).encode())))
    with pytest.raises(BackendError, match="answered with"):
        ask(model, *[chat(f"{n}") for n in range(20)])
    assert sum(waits) <= 2
    assert len(server.asked) <= 4


def test_a_broken_character_ends_no_reply(opened: Opening) -> None:
    body = reply("fine WHOLE").body.replace(b"WHOLE", b"\xff\xfe")
    _, model = opened(in_turn(Answer(body)))
    assert ask(model, chat("x"))[0].text == "fine \ufffd\ufffd"


@pytest.mark.parametrize("place", ["model", "system_fingerprint"])
def test_the_key_is_stored_in_no_part_of_a_reply(opened: Opening, place: str) -> None:
    body = json.loads(reply(f"It is {KEY[:10]}\u200b").body) | {place: f"served with {KEY}"}
    _, model = opened(in_turn(Answer(json.dumps(body).encode())))
    assert KEY not in str(ask(model, chat("x"))[0].to_json())


def test_the_key_in_a_stream_of_letters_is_not_stored(opened: Opening) -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": letter}}]} for letter in f"key {KEY}!"]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})  # pyright: ignore
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    _, model = opened(in_turn(Answer(stream.encode())))
    assert ask(model, chat("x"))[0].text == "key [key]!"


def test_a_secret_with_a_line_break_is_no_less_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "hunter22hunter22\n")
    assert "hunter22" not in scrub("the header was hunter22hunter22, it seems")


def test_how_much_is_sent_holds_for_every_server(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Access(concurrency=3, requests_per_minute=60)
    found = open_models(
        Models("openai/a", "openai/b", base_url="http://a/v1", access=limits, proposer_access=Access("http://b/v1"))
    ).by_role
    task, proposer = found["task"], found["proposer"]
    assert isinstance(task, OpenAIModel)
    assert isinstance(proposer, OpenAIModel)
    assert task._dispatcher.window.cap == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
def test_a_header_that_cannot_be_sent_is_a_sentence_without_it(
    name: str, opened: Opening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, "hunter22\n")
    monkeypatch.setattr(http, "is_this_machine", lambda host: False)
    _, model = opened()
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError, match=name) as raised:
        ask(model, chat("x"))
    assert "hunter22" not in f"{raised.value} {caplog.text}"


def test_a_server_without_plain_texts_says_so(opened: Opening) -> None:
    _, model = opened(lambda asked: failure(404, "Not Found") if asked.path == "/v1/completions" else echo(asked))
    with pytest.raises(RequestRefused, match="a layout of chat messages"):
        ask(model, Request("x"))
    _, other = opened(in_turn(failure(404, "the model 'tiny' does not exist")))
    with pytest.raises(BackendError, match="has the model 'tiny'"):
        ask(other, Request("x"))


def test_thoughts_in_a_stream_are_no_answer(opened: Opening) -> None:
    def stream(*deltas: dict[str, str]) -> Answer:
        chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        return Answer("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in (*chunks, last)).encode())

    thinking = ({"reasoning_content": "is it "}, {"reasoning_content": "good?"})
    _, model = opened(in_turn(stream(*thinking, {"content": "bad"}), stream(*thinking)), concurrency=1)
    assert [got.text for got in ask(model, chat("a"), chat("b"))] == ["bad", "<think>\nis it good?"]


def test_any_status_of_success_with_a_whole_answer_is_one(opened: Opening) -> None:
    for status in (200, 201, 202):
        _, model = opened(lambda asked, status=status: replace(echo(asked), status=status))
        assert ask(model, chat("hello"))[0].text == "hello"


def test_a_redirect_says_what_to_change(opened: Opening) -> None:
    _, model = opened(in_turn(Answer(b"", 308, {"Location": "https://elsewhere/v1"})))
    with pytest.raises(BackendError, match="give that one as the base URL"):
        ask(model, chat("x"))


@pytest.mark.parametrize("reason", ["preempted", "engine_overloaded", "FinishReason.ERROR", "network-error"])
def test_a_reply_that_was_broken_off_is_no_answer(reason: str, opened: Opening) -> None:
    _, model = opened(in_turn(reply("po", finish=reason), reply("positive")))
    assert ask(model, chat("x"))[0].text == "positive"
