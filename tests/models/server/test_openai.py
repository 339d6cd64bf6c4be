from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from promptopt.errors import BackendError, ConfigError, PromptoptError
from promptopt.models.server.dispatch import Patience
from promptopt.models.server.openai import OpenAIModel
from promptopt.protocols import Model, Tokenizer
from promptopt.testing import ModelContract
from promptopt.types import Message, Reply, Request, Sampling, Token
from tests.models.conftest import Transport
from tests.servers import (
    CUT,
    EMPTY_CHOICES,
    HANG,
    NOT_JSON,
    Answer,
    Asked,
    FakeServer,
    Script,
    echo,
    failure,
    in_turn,
    reply,
)

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


class Waits(list[float]):
    """A sleep that takes no time, and remembers."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)


async def briefly(seconds: float) -> None:
    await asyncio.sleep(0.002)


Opening = Callable[..., tuple[FakeServer, OpenAIModel]]


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def opened(waits: Waits, transport: Transport) -> Iterator[Opening]:
    used: list[tuple[FakeServer, OpenAIModel]] = []

    def opening(script: Script = echo, **options: Any) -> tuple[FakeServer, OpenAIModel]:
        server = FakeServer(script).__enter__()
        used.append((server, OpenAIModel("tiny", base_url=server.url, **{"sleep": waits, **options})))
        return used[-1]

    yield opening
    for server, model in used:
        model.close()
        server.__exit__()


def chat(text: str, **options: Any) -> Request:
    return Request((Message("user", text),), **options)


def ask(model: Model, *requests: Request) -> list[Reply]:
    replies = dict(model.generate(requests))
    assert sorted(replies) == list(range(len(requests)))
    return [replies[index] for index in range(len(requests))]


class TestContract(ModelContract):
    @pytest.fixture(autouse=True)
    def serve(self, transport: Transport) -> Iterator[None]:
        with FakeServer() as server:
            self.served = OpenAIModel("tiny", base_url=server.url)
            yield
            self.served.close()

    def model(self) -> Model:
        return self.served


def test_it_is_a_model_that_counts_tokens(opened: Opening, transport: Transport) -> None:
    _, model = opened()
    assert isinstance(model, Model)
    assert isinstance(model, Tokenizer)
    assert model.name == "openai/tiny"
    assert model.local is (transport == "aiohttp alone")
    assert 1 <= model.count_tokens("what a film") <= 4


def test_chat_is_sent_as_asked_and_read_whole(opened: Opening) -> None:
    server, model = opened(in_turn(reply("positive", usage=(11, 2), served="tiny-0611")))
    sampling = Sampling(0.7, 0.9, 5, ("\n",))
    request = Request((Message("system", "Be terse."), Message("user", "what a film")), sampling, seed=7)
    assert ask(model, request) == [Reply("positive", "stop", 11, 2, (), "tiny-0611")]
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.asked[0].payload == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "what a film"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 5,
        "stop": ["\n"],
        "seed": 7,
    }


def test_plain_text_goes_to_completions_unchanged(opened: Opening) -> None:
    server, model = opened()
    text = "{braces} \u202eright-to-left\u200b \x00 Review: fine\nLabel:"
    assert ask(model, Request(text, Sampling(max_tokens=3)))[0].text == text
    assert server.asked[0].path == "/v1/completions"
    assert server.asked[0].payload == {"model": "tiny", "prompt": text, "temperature": 0.0, "max_tokens": 3}


def test_the_served_snapshot_includes_the_fingerprint(opened: Opening) -> None:
    body = json.loads(reply("a", served="gpt").body) | {"system_fingerprint": "fp_1"}
    _, model = opened(in_turn(Answer(json.dumps(body).encode())))
    assert ask(model, chat("x"))[0].served == "gpt fp_1"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply("cut o", finish="length"), ("cut o", "length")),
        (reply("", finish="content_filter"), ("", "filter")),
        (reply(None, message={"refusal": "I will not."}), ("I will not.", "refusal")),
        (reply(None), ("", "stop")),
        (failure(400, "This model's maximum context length is 512 tokens."), ("", "rejected")),
        (failure(400, "no", code="context_length_exceeded"), ("", "rejected")),
        (failure(400, "the request exceeds the available context size, try increasing it"), ("", "rejected")),
        (failure(413, "too large"), ("", "rejected")),
        (failure(400, "blocked", code="content_filter"), ("", "filter")),
    ],
)
def test_outcomes_are_replies_and_are_asked_once(opened: Opening, answer: Answer, expected: tuple[str, str]) -> None:
    server, model = opened(in_turn(answer))
    got = ask(model, chat("x"))[0]
    assert (got.text, got.finish) == expected
    assert len(server.asked) == 1


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


def test_a_pause_beyond_all_patience_is_not_waited_for(opened: Opening, waits: Waits) -> None:
    server, model = opened(in_turn(failure(429, "daily limit", headers={"Retry-After": "86400"})))
    with pytest.raises(BackendError, match=r"daily limit.*pause of 86400 s.*run the same command again"):
        ask(model, chat("x"))
    assert len(server.asked) == 1
    assert not waits


def test_an_outage_that_lasts_is_one_sentence_naming_the_server(opened: Opening, waits: Waits) -> None:
    server, model = opened(in_turn(failure(500, "boiler burst")), patience=Patience(total_s=10))
    with pytest.raises(BackendError, match=rf"127\.0\.0\.1:{server.port}.*500 \(boiler burst\).*run the same command"):
        ask(model, chat("x"))
    assert 2 < len(server.asked) < 10
    assert sum(waits) <= 10


def test_a_hanging_server_is_given_up(opened: Opening) -> None:
    server, model = opened(in_turn(HANG), timeout_s=0.05, patience=Patience(total_s=2))
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

    server, model = opened(script, concurrency=4, patience=Patience(total_s=5), sleep=briefly)
    got: dict[int, Reply] = {}
    with pytest.raises(BackendError, match="1 of 200 requests"):
        got.update(model.generate([chat(f"{n}") for n in range(200)]))
    assert sorted(got) == [n for n in range(200) if n != 3]
    assert set(server.repeated) == {asked.body for asked in server.asked if asked.text == "3"}


def test_a_server_that_dies_midway_keeps_nobody_waiting_for_the_rest(opened: Opening) -> None:
    server, model = opened(
        lambda asked: reply(asked.text, latency_s=0.002) if asked.nth < 100 else failure(502),
        concurrency=4,
        patience=Patience(total_s=5),
        sleep=briefly,
    )
    got: dict[int, Reply] = {}
    with pytest.raises(BackendError, match="502"):
        got.update(model.generate([chat(f"{n}") for n in range(1000)]))
    assert len(got) == 100
    assert len({asked.text for asked in server.asked}) <= 108


def test_many_requests_go_out_at_once_and_none_twice(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.05), concurrency=24)
    requests = [chat(f"{n}") for n in range(300)]
    assert [got.text for got in ask(model, *requests)] == [f"{n}" for n in range(300)]
    assert server.peak == 24
    assert len(server.asked) == 300
    assert not server.repeated


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


@pytest.mark.parametrize("chat_form", [True, False])
def test_logprobs_of_both_forms(opened: Opening, chat_form: bool) -> None:
    content = [
        {
            "token": "pos",
            "logprob": -0.1,
            "top_logprobs": [{"token": "neg", "logprob": -2.5}, {"token": "pos", "logprob": -0.1}],
        },
        {"token": "itive", "logprob": -0.01, "top_logprobs": []},
    ]
    lists = {
        "tokens": ["pos", "itive"],
        "token_logprobs": [-0.1, -0.01],
        "top_logprobs": [{"neg": -2.5, "pos": -0.1}, None],
    }
    expected = (Token("pos", -0.1, (("pos", -0.1), ("neg", -2.5))), Token("itive", -0.01))
    answer = reply("positive", chat=chat_form, logprobs={"content": content} if chat_form else lists)
    server, model = opened(in_turn(answer))
    request = chat("x", logprobs=2) if chat_form else Request("x", logprobs=2)
    assert ask(model, request)[0].tokens == expected
    payload = server.asked[0].payload
    assert (payload["logprobs"], payload.get("top_logprobs")) == ((True, 2) if chat_form else (2, None))


def test_a_server_without_logprobs_is_said_to_have_none(opened: Opening) -> None:
    server, model = opened()
    with pytest.raises(ConfigError, match=r"no log-probabilities for the model 'openai/tiny'.*generation"):
        ask(model, *[chat(f"{n}", logprobs=3) for n in range(50)])
    assert len(server.asked) == 1


def test_malformed_logprobs_are_an_outage(opened: Opening) -> None:
    bad = reply("a", logprobs={"content": [{"token": "a"}]})
    good = reply("a", logprobs={"content": [{"token": "a", "logprob": -1}]})
    _, model = opened(in_turn(bad, good))
    assert ask(model, chat("x", logprobs=1))[0].tokens == (Token("a", -1.0),)


def test_missing_usage_is_estimated(opened: Opening) -> None:
    _, model = opened(in_turn(reply("one two three", usage=None)))
    got = ask(model, chat("what a film this is"))[0]
    assert 2 <= got.completion_tokens <= 5
    assert 3 <= got.prompt_tokens <= 7


def test_a_model_that_refuses_parameters_is_asked_without_them_from_then_on(opened: Opening) -> None:
    def script(asked: Asked) -> Answer:
        body = asked.payload
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return failure(400, said, code="unsupported_parameter")
        if body.get("temperature", 1) != 1:
            return failure(
                400, "Unsupported value: 'temperature' does not support 0.0 with this model.", code="unsupported_value"
            )
        if "stop" in body:
            return failure(400, "Unsupported parameter: 'stop'", code="unsupported_parameter")
        return reply("yes\nand more", latency_s=0.002)

    server, model = opened(script)
    requests = [chat(f"{n}", sampling=Sampling(max_tokens=9, stop=("\n",))) for n in range(30)]
    assert {got.text for got in ask(model, *requests)} == {"yes"}
    assert len(server.asked) == 33
    assert server.asked[-1].payload.keys() == {"model", "messages", "max_completion_tokens"}


def test_stopping_begins_nothing_new_and_yields_what_is_in_flight(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.02), concurrency=8)
    got: list[int] = []
    for index, _ in model.generate([chat(f"{n}") for n in range(200)], lambda: len(got) >= 20):
        got.append(index)
    assert 20 <= len(got) <= 36
    assert len(server.asked) == len(got)


def test_stopping_ends_a_wait_at_once_and_silently(opened: Opening) -> None:
    _, model = opened(in_turn(failure(429, headers={"Retry-After": "60"})), sleep=asyncio.sleep)
    begun = time.monotonic()
    assert list(model.generate([chat("x")], lambda: time.monotonic() - begun > 0.3)) == []
    assert time.monotonic() - begun < 5


def test_an_abandoned_batch_begins_nothing_more(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.01), concurrency=4)
    replies = model.generate([chat(f"{n}") for n in range(500)])
    next(replies)
    replies.close()
    time.sleep(0.05)
    begun = len(server.asked)
    time.sleep(0.05)
    assert len(server.asked) == begun < 100
    assert ask(model, chat("again"))[0].text == "again"


def test_no_requests_no_replies(opened: Opening) -> None:
    server, model = opened()
    assert list(model.generate([])) == []
    assert not server.asked


def test_batches_share_connections_and_close_ends_the_thread(opened: Opening) -> None:
    server, model = opened(concurrency=1)
    for _ in range(3):
        ask(model, chat("a"), chat("b"))
    assert len(server._state.connections) == 1
    model.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "promptopt models"]
    assert ask(model, chat("c"))[0].text == "c"


@pytest.mark.usefixtures("transport")
def test_a_forgotten_model_leaves_no_thread() -> None:
    with FakeServer() as server:
        model = OpenAIModel("tiny", base_url=server.url)
        ask(model, chat("a"))
        del model
        gc.collect()
        assert not [thread for thread in threading.enumerate() if thread.name == "promptopt models"]


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
    _, model = opened(in_turn(*answers), timeout_s=0.05, patience=Patience(total_s=1))
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
