from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import BackendError, ConfigError, PromptoptError
from promptopt.models.server import litellm as module
from promptopt.models.server.litellm import LiteLLMModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.protocols import Model
from promptopt.types import Message, Reply, Request, Sampling, Token
from tests.servers import (
    CUT,
    EMPTY_CHOICES,
    HANG,
    NOT_JSON,
    Answer,
    FakeServer,
    Script,
    echo,
    failure,
    in_turn,
    reply,
)

KEY = "sk-very-secret-0123456789"
SELF_SIGNED = Path(__file__).parents[2] / "self-signed.pem"
installed = pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None, reason="litellm (the extra `hosted`) is not installed"
)
lenient = pytest.mark.filterwarnings("default")  # litellm's own warnings are not ours to fix


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'anthropic/claude-x.*pip install "promptopt-engine\[hosted\]"'):
        LiteLLMModel("anthropic/claude-x")


def test_the_module_does_not_import_litellm() -> None:
    code = "import sys, promptopt.models.server.litellm; sys.exit('litellm' in sys.modules or 'openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


Opening = Callable[..., tuple[FakeServer, LiteLLMModel]]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def opened(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Opening]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    used: list[tuple[FakeServer, LiteLLMModel]] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    def opening(script: Script = echo, **options: Any) -> tuple[FakeServer, LiteLLMModel]:
        server = FakeServer(script).__enter__()
        used.append((server, LiteLLMModel("openai/tiny", base_url=server.url, **{"sleep": sleep, **options})))
        return used[-1]

    yield opening
    for server, model in used:
        model.close()
        server.__exit__()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sessions that litellm leaves open
        gc.collect()


def chat(text: str, **options: Any) -> Request:
    return Request((Message("user", text),), **options)


def ask(model: Model, *requests: Request) -> list[Reply]:
    replies = dict(model.generate(requests))
    assert sorted(replies) == list(range(len(requests)))
    return [replies[index] for index in range(len(requests))]


@installed
@lenient
def test_chat_is_sent_as_asked_and_read_whole(opened: Opening) -> None:
    server, model = opened(in_turn(reply("positive", usage=(11, 2), served="tiny-0611")))
    got = ask(model, chat("what a film", sampling=Sampling(0.7, 0.9, 5, ("\n",)), seed=7))
    assert got == [Reply("positive", "stop", 11, 2, (), "tiny-0611")]
    expected = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 5, "stop": ["\n"], "seed": 7}
    assert expected.items() <= server.asked[0].payload.items()
    assert model.name == f"openai/tiny@{server.url}"
    assert isinstance(model, Model)


@installed
@lenient
def test_logprobs(opened: Opening) -> None:
    content = [
        {"token": "a", "logprob": -0.1, "bytes": None, "top_logprobs": [{"token": "a", "logprob": -0.1, "bytes": None}]}
    ]
    _, model = opened(in_turn(reply("a", logprobs={"content": content})))
    assert ask(model, chat("x", logprobs=1))[0].tokens == (Token("a", -0.1, (("a", -0.1),)),)
    _, other = opened()
    with pytest.raises(ConfigError, match="no log-probabilities"):
        ask(other, chat("x", logprobs=1))


@installed
@lenient
@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        (reply("cut o", finish="length"), "length"),
        (reply("", finish="content_filter"), "filter"),
        (
            failure(400, "This model's maximum context length is 512 tokens.", code="context_length_exceeded"),
            "rejected",
        ),
    ],
)
def test_outcomes_are_replies_and_are_asked_once(opened: Opening, answer: Answer, finish: str) -> None:
    server, model = opened(in_turn(answer))
    assert ask(model, chat("x"))[0].finish == finish
    assert len(server.asked) == 1


@installed
@lenient
@pytest.mark.parametrize(
    "trouble",
    [failure(429, headers={"Retry-After": "7"}), failure(500), failure(503), CUT, NOT_JSON, EMPTY_CHOICES],
    ids=lambda answer: f"{answer.status} {answer.fault} {answer.body[:12]!r}",
)
def test_an_outage_is_retried_by_us_alone(opened: Opening, waits: list[float], trouble: Answer) -> None:
    server, model = opened(in_turn(trouble, trouble, echo))
    assert ask(model, chat("x"))[0].text == "x"
    assert len(server.asked) == 3
    assert sum(waits) >= (14 if trouble.status == 429 else 0.1)


@installed
@lenient
def test_a_hanging_server_is_given_up(opened: Opening) -> None:
    _, model = opened(in_turn(HANG), timeout_s=0.1, retry_policy=RetryPolicy(total_s=1))
    with pytest.raises(BackendError, match="run the same command again"):
        ask(model, chat("x"))


@installed
@lenient
@pytest.mark.parametrize(
    ("spec", "url", "said"),
    [
        ("openai/tiny", "http://127.0.0.1:1/v1", "cannot be reached"),
        ("anthropic/tiny", "http://127.0.0.1:1", "cannot be reached"),
        ("openai/tiny", "https://{host}/v1", "not trusted here.*set SSL_CERT_FILE"),
        ("ollama_chat/tiny", "https://{host}", "not trusted here.*set SSL_CERT_FILE"),
    ],
)
def test_a_server_that_cannot_be_reached_is_given_up_in_seconds(
    spec: str, url: str, said: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # For some providers litellm calls it an answer with the status 500, which is asked for again for five minutes.
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)
    with FakeServer(echo, tls=context) as server:
        host = server.url.partition("://")[2].partition("/")[0]
        model = LiteLLMModel(spec, base_url=url.format(host=host), sleep=sleep)
        with pytest.raises(BackendError, match=said):
            ask(model, chat("x"))
        model.close()
    assert sum(waits) <= 10


@installed
@lenient
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failure(401, f"Incorrect API key provided: {KEY}"), "key"),
        (failure(404, "no such model"), "has this model"),
        (failure(400, "bad field"), "bad field"),
    ],
)
def test_what_no_retry_mends_ends_the_batch_after_one_request(
    opened: Opening, caplog: pytest.LogCaptureFixture, answer: Answer, said: str
) -> None:
    server, model = opened(in_turn(answer))
    with caplog.at_level(logging.INFO), pytest.raises(PromptoptError, match=said) as raised:
        ask(model, *[chat(f"{n}") for n in range(20)])
    assert isinstance(raised.value, BackendError)
    assert len(server.asked) == 1
    assert (
        KEY not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r} {model!r} {caplog.text}"
    )


@installed
@lenient
def test_many_at_once(opened: Opening) -> None:
    server, model = opened(lambda asked: reply(asked.text, latency_s=0.02), concurrency=8)
    assert [got.text for got in ask(model, *[chat(f"{n}") for n in range(40)])] == [f"{n}" for n in range(40)]
    assert 4 <= server.peak <= 8
    assert len(server.asked) == 40


@installed
@lenient
@pytest.mark.parametrize(
    ("name", "variable"),
    [("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"), ("gemini/gemini-2.5-flash", "GEMINI_API_KEY")],
)
def test_a_missing_key_is_asked_wrongly_and_names_its_variable(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    model = LiteLLMModel(name)
    with pytest.raises(ConfigError, match=f"needs a key: set the environment variable.* {variable}"):
        ask(model, chat("x"))
    model.close()


@installed
@lenient
@pytest.mark.parametrize(
    ("name", "sampled"), [("openai/gpt-5-mini", True), ("openai/o3", True), ("openai/tiny", False)]
)
def test_a_model_that_litellm_sends_no_temperature_says_that_it_samples(
    monkeypatch: pytest.MonkeyPatch, name: str, sampled: bool
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer() as server:
        model = LiteLLMModel(name, base_url=server.url)
        assert ask(model, chat("x"))[0].sampled is sampled
        assert ("temperature" in server.asked[0].payload) is not sampled
        model.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sessions that litellm leaves open
        gc.collect()


def test_a_server_behind_litellm_is_a_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    assert LiteLLMModel("anthropic/c").name == "anthropic/c"
    assert LiteLLMModel("anthropic/c", base_url="http://A/v1/").name == "anthropic/c@http://a/v1"
    assert LiteLLMModel("anthropic/c", base_url="http://b", served_as="lab").name == "anthropic/c@lab"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway")
    assert LiteLLMModel("anthropic/c").name == "anthropic/c@http://gateway"


@pytest.mark.parametrize(("model", "variable"), [("anthropic/c", None), ("groq/m", None), ("groq/m", "MINE")])
def test_a_key_is_read_without_the_line_break_of_its_file(
    model: str, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    held = variable if variable is not None else f"{model.partition('/')[0].upper()}_API_KEY"
    for end in ("\n", "\r\n", " \n", "\t"):
        monkeypatch.setenv(held, f"sk-hunter22hunter22{end}")
        opened = LiteLLMModel(model, key_variable=variable)
        assert opened._key == "sk-hunter22hunter22"
        assert opened._keys.count("sk-hunter22hunter22") >= 1, "what must show in no reply"
    for wrong in ("sk-hunter22\nhunter22", "sk-hünter22hunter22"):
        monkeypatch.setenv(held, wrong)
        with pytest.raises(ConfigError, match=f"{held} holds a line break or another character") as raised:
            LiteLLMModel(model, key_variable=variable)
        assert "nter22" not in str(raised.value)


def test_a_providers_key_goes_to_its_own_address_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.setenv("GROQ_API_KEY", "gsk-hunter22hunter22")
    assert LiteLLMModel("groq/m")._key is None, "litellm's own way"
    assert LiteLLMModel("groq/m", base_url="https://api.groq.com/openai/v1")._key is None
    assert not caplog.text
    for foreign in ("http://gateway.example", "https://groq.com.evil.example", "http://localhost:1"):
        assert LiteLLMModel("groq/m", base_url=foreign)._key == "none"
        assert "--api-key-env" in caplog.text
    told = LiteLLMModel("groq/m", base_url="http://gateway.example", key_variable="GROQ_API_KEY")
    assert told._key == "gsk-hunter22hunter22"


@installed
@lenient
@pytest.mark.parametrize("name", ["openai/tiny", "nvidia_nim/tiny", "hosted_vllm/tiny"])
def test_what_the_environment_holds_for_openai_goes_to_no_other_server(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(variable, KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {KEY}\nX-Team: {KEY}")
    with FakeServer(echo) as server:
        model = LiteLLMModel(name, base_url=server.url)
        assert ask(model, chat("hello"))[0].text == "hello"
        model.close()
    assert KEY not in str(server.asked[0].headers)


@installed
def test_a_key_among_openais_headers_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"authorization: Bearer {KEY}")
    with pytest.raises(ConfigError, match="OPENAI_CUSTOM_HEADERS") as raised:
        LiteLLMModel("groq/tiny")
    assert KEY not in str(raised.value)
    LiteLLMModel("openai/tiny")


@installed
@pytest.mark.parametrize("variable", [None, "MY_KEY"])
def test_what_litellm_signs_in_for_goes_to_no_other_server(variable: str | None) -> None:
    with pytest.raises(ConfigError, match="leave the base URL out"):
        LiteLLMModel("vertex_ai/gemini-x", base_url="http://models.example/v1", key_variable=variable)
    LiteLLMModel("vertex_ai/gemini-x", base_url="https://europe-west1-aiplatform.googleapis.com/v1")
