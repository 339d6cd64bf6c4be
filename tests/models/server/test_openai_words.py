"""What servers say in words of their own: refusals of one request, broken replies, streams, odd numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.errors import BackendError, RequestRefused
from promptopt.models.server.retrying import Outage, RetryPolicy
from promptopt.models.server.wire import Failure, read_reply
from promptopt.types import Message, Reply, Request, Sampling, Token
from tests.models.conftest import Transport
from tests.models.server.asking import KEY, Opening, Waits, ask, chat
from tests.servers import Answer, Asked, echo, failure, in_turn, reply

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def transport() -> Transport:
    """One way to a server: what is read here does not depend on it."""
    return "aiohttp alone"


def answer(choice: dict[str, Any] | None = None, **more: Any) -> Answer:
    """A whole answer of one choice, with what is odd about it."""
    given = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}} | (choice or {})
    body = {"id": "x", "model": "fake-1", "choices": [given], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    return Answer(json.dumps(body | more).encode())


def settled(given: Answer, text: str = "x") -> Reply:
    """What an answer amounts to: as the client reads it, without a server."""
    if given.status == 200:
        return read_reply(json.loads(given.body), chat(text), "tiny", KEY)
    return Failure.of(given.status, given.body.decode(), given.headers).settle("the server x", "do something else")


@pytest.mark.parametrize(
    "trouble",
    [
        *[answer({"finish_reason": word}) for word in ("error", "ABORT", "abort", "cancelled", "network_error")],
        answer({"error": {"code": 502, "message": "Provider returned error"}}),
        answer({"error": "upstream died", "finish_reason": None}),
        answer({"finish_reason": "insufficient_system_resource", "message": {"content": None}}),
        answer(error={"message": "worker lost", "code": 500}),
        answer({"message": {"content": 3}}),
        answer({"message": "text"}),
        Answer(b'{"error": {"message": "overloaded", "type": "server_error"}, "choices": []}'),
    ],
    ids=lambda each: each.body[:90].decode(),
)
def test_a_reply_that_was_broken_off_is_an_outage(trouble: Answer) -> None:
    with pytest.raises(Outage):
        settled(trouble)


@pytest.mark.parametrize(
    "none", [None, "", {}, {"code": 0, "message": "success"}, {"code": "", "message": None}, False, {"code": 200}]
)
def test_an_error_that_says_there_is_none_is_none(none: object) -> None:
    assert settled(answer({"error": none}, error=none)).text == "fine"


def test_a_broken_reply_is_asked_again_and_never_yielded(opened: Opening, waits: Waits) -> None:
    trouble = answer({"finish_reason": "error"})
    server, model = opened(in_turn(trouble, trouble, echo))
    assert ask(model, chat("x"))[0].text == "x"
    assert len(server.asked) == 3
    assert waits


@pytest.mark.parametrize(
    ("content", "text", "finish"),
    [
        ([{"type": "text", "text": "posi"}, {"type": "text", "text": "tive"}], "positive", "stop"),
        (["posi", "tive"], "positive", "stop"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}], "a",
         "stop"),
        ([{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "a"}], "a", "stop"),
        ([{"text": {"value": "a", "annotations": []}}], "a", "stop"),
        ({"parts": [{"text": "hm", "thought": True}, {"text": "a"}], "role": "model"}, "a", "stop"),
        ([{"type": "refusal", "refusal": "I will not."}], "I will not.", "refusal"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "", "stop"),
        ([], "", "stop"),
        (None, "", "stop"),
    ],
)  # fmt: skip
def test_content_in_parts_is_joined(content: object, text: str, finish: str) -> None:
    got = settled(answer({"message": {"role": "assistant", "content": content}}))
    assert (got.text, got.finish) == (text, finish)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("SAFETY", "filter"), ("RECITATION", "filter"), ("PROHIBITED_CONTENT", "filter"), ("BLOCKLIST", "filter"),
        ("CONTENT_FILTER", "filter"), ("sensitive", "filter"), ("MAX_TOKENS", "length"), ("LENGTH", "length"),
        ("Length", "length"), ("model_length", "length"), ("STOP", "stop"), ("eos_token", "stop"),
        ("refusal", "refusal"), (None, "stop"),
    ],
)  # fmt: skip
def test_finish_reasons_are_read_in_any_case(word: str | None, finish: str) -> None:
    assert settled(answer({"finish_reason": word})).finish == finish


FILTERED = [
    failure(400, "Content Exists Risk"),
    failure(400, "Input data may contain inappropriate content.", code="data_inspection_failed"),
    failure(400, "Output data may contain inappropriate content.", code="DataInspectionFailed"),
    failure(403, "x-ai/grok requires moderation on OpenRouter and your input was flagged for violence"),
    failure(403, "Content violates usage guidelines. API key ID: 12, Failed check: SAFETY_CHECK_TYPE_BIO"),
    failure(400, "Your request was rejected as a result of our safety system."),
    failure(400, "The request was rejected because it was considered high risk"),
    failure(400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy."),
    failure(400, "Output blocked by content filtering policy"),
    failure(400, "系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301"),
    failure(422, "The prompt contains sensitive words."),
    failure(400, "Input blocked by the guardrail 'pii'"),
    Answer(b'{"error": {"code": 403, "message": "flagged", "metadata": {"flagged_input": "x", "reasons": ["hate"]}}}'),
]


@pytest.mark.parametrize("refused", FILTERED, ids=lambda each: each.body[:90].decode())
def test_a_filtered_row_is_one_row_in_whatever_words(refused: Answer) -> None:
    assert settled(refused).finish == "filter"


TOO_LONG = [
    failure(500, "Context size has been exceeded."),
    failure(400, "max_tokens must be at least 1, got -904."),
    failure(400, "max_completion_tokens must be at least 1, got -904."),
    failure(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    failure(422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` "
                 "tokens and 20 `max_new_tokens`"),
    failure(422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 3000"),
    failure(400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context "
                 "length"),
    failure(400, "the request exceeds the available context size, try increasing it"),
    failure(400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    failure(400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
    failure(400, "Range of input length should be [1, 30720]"),
    failure(400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
    failure(400, "prompt is too long: 210000 tokens > 200000 maximum"),
    failure(400, "Input is too long for requested model."),
    failure(400, "Please reduce the length of the messages or completion.", code="context_length_exceeded"),
    failure(400, "too many tokens: total number of tokens in the prompt cannot exceed 4081"),
    failure(400, "This model's maximum context length is 512 tokens. However, you requested 600 tokens"),
    failure(400, "Input tokens exceed the configured limit of 272000 tokens."),
    failure(413, "Payload Too Large"),
    failure(500, "the prompt exceeds the context window (4096)"),
]  # fmt: skip


@pytest.mark.parametrize("refused", TOO_LONG, ids=lambda each: each.body[:90].decode())
def test_a_request_that_is_too_long_is_one_row_in_whatever_words(refused: Answer) -> None:
    assert settled(refused).finish == "rejected"


def test_rows_that_are_refused_leave_the_others(opened: Opening, waits: Waits) -> None:
    refusals = [*FILTERED, *TOO_LONG]
    server, model = opened(lambda asked: echo(asked) if asked.text == "x" else refusals[int(asked.text)])
    got = ask(model, chat("x"), *[chat(f"{n}") for n in range(len(refusals))], chat("x"))
    expected = ["filter"] * len(FILTERED) + ["rejected"] * len(TOO_LONG)
    assert [each.finish for each in got] == ["stop", *expected, "stop"]
    assert len(server.asked) == len(got)
    assert not waits


@pytest.mark.parametrize(
    "mistaken",
    [
        failure(400, "Unknown parameter: 'context_window'."),
        failure(400, "The context window must be set in the model's configuration"),
        failure(400, "context size is not an option of this server"),
        failure(400, "invalid value for context_length: expected an integer"),
        failure(400, "max_tokens is too large: 50000. This model supports at most 16384 completion tokens."),
        failure(400, "max_tokens must be less than or equal to 8192"),
        failure(400, "temperature must be less than 2"),
        failure(400, "messages: illegal base64 data at input byte 4"),
        failure(403, "Your account was deactivated: it violated our usage policies"),
        failure(403, "Your organization has been blocked: contents of this region"),
        failure(400, "guardrail identifier is missing"),
        failure(400, "Invalid value at 'safety_settings'"),
    ],
    ids=lambda each: each.body[:90].decode(),
)
def test_a_mistake_of_the_users_is_no_outcome_of_one_request(mistaken: Answer) -> None:
    with pytest.raises(BackendError):
        settled(mistaken)


@pytest.mark.parametrize(
    "passing",
    [
        failure(500, "context deadline exceeded"),
        failure(504, "upstream: context deadline exceeded while reading the prompt"),
        failure(429, "Rate limit reached: too many tokens per minute"),
        failure(503, "queue limit exceeded"),
    ],
    ids=lambda each: each.body[:90].decode(),
)
def test_weather_that_sounds_like_an_outcome_is_weather(passing: Answer) -> None:
    with pytest.raises(Outage):
        settled(passing)


@pytest.mark.parametrize(
    "page",
    [
        b"<html><body>Sign in</body></html>",
        b"\xef\xbb\xbf\n  <!DOCTYPE html><p>Welcome</p>",
        b"Ollama is running",
        b'[{"generated_text": "yes"}]',
        b"<?xml version='1.0'?><a/>",
        b"\x1b[2J\x1b[HBetter: p = 0.001",
    ],
)
def test_a_page_in_place_of_an_api_is_said_at_once(opened: Opening, waits: Waits, page: bytes) -> None:
    server, model = opened(in_turn(Answer(page)))
    with pytest.raises(BackendError, match=r"something else than JSON.*base URL is its API") as raised:
        ask(model, *[chat(f"{n}") for n in range(20)])
    assert sum(waits) <= 2
    assert len(server.asked) <= 4
    assert "\x1b" not in str(raised.value)


def test_a_page_between_replies_is_weather(opened: Opening) -> None:
    _, model = opened(lambda asked: Answer(b"<html>") if asked.nth in (1, 3, 4) else echo(asked), concurrency=1)
    assert [got.text for got in ask(model, chat("a"), chat("b"), chat("c"))] == ["a", "b", "c"]


def events(*chunks: object, end: str = "data: [DONE]\n\n") -> Answer:
    return Answer((": hello\n\n" + "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end).encode())


def piece(text: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "x", "model": "fake-1", "choices": [choice], **more}


USAGE: dict[str, Any] = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 2}}


@pytest.mark.parametrize(
    "streamed",
    [
        events({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}, piece("posi"), piece("tive"),
               piece(None, "length"), USAGE),
        events(piece("positive", "length") | USAGE | piece("positive", "length"), end=""),
        Answer("\n".join(json.dumps(each) for each in (piece("posi"), piece("tive", "length"), USAGE)).encode()),
        Answer(events(piece("posi"), piece("tive", "length"), USAGE).body.replace(b"\n", b"\r\n")),
        Answer(b"event: chunk\n" + events(piece("posi"), piece("tive", "length"), USAGE).body),
    ],
)  # fmt: skip
def test_a_server_that_streams_only_is_read(opened: Opening, streamed: Answer) -> None:
    _, model = opened(in_turn(streamed))
    assert ask(model, chat("x"))[0] == Reply("positive", "length", 11, 2, (), "fake-1")


def test_a_streamed_plain_text_with_logprobs_is_read(opened: Opening) -> None:
    def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
        logprobs = {"tokens": [text], "token_logprobs": [-0.5], "top_logprobs": [{text: -0.5}]}
        return {"choices": [{"index": 0, "text": text, "finish_reason": finish, "logprobs": logprobs}]}

    _, model = opened(in_turn(events(chunk("a"), chunk("b", "stop"))))
    got = ask(model, Request("x", logprobs=1))[0]
    assert got.text == "ab"
    assert got.tokens == (Token("a", -0.5, (("a", -0.5),)), Token("b", -0.5, (("b", -0.5),)))


@pytest.mark.parametrize(
    "broken",
    [
        events(piece("posi"), end=""),
        events(piece("posi"), end='data: {"choices": [{"ind'),
        events(piece("posi"), {"error": {"message": "worker lost"}}),
        events(piece("posi"), piece(None, "error")),
    ],
)
def test_a_stream_that_is_broken_off_is_an_outage(opened: Opening, broken: Answer) -> None:
    server, model = opened(in_turn(echo, broken, broken, echo), concurrency=1)
    assert [got.text for got in ask(model, chat("a"), chat("b"))] == ["a", "b"]
    assert len(server.asked) == 4


def test_a_model_that_must_be_asked_to_stream_is(opened: Opening) -> None:
    def script(asked: Asked) -> Answer:
        if not asked.payload.get("stream"):
            return failure(400, "This model only support stream mode, please enable the stream parameter.")
        return events(piece(asked.text, "stop"), USAGE)

    server, model = opened(script)
    assert [got.text for got in ask(model, chat("a"), chat("b"))] == ["a", "b"]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -5, "completion_tokens": -1},
        {"prompt_tokens": 10**12, "completion_tokens": 10**18},
        {"prompt_tokens": 1e300, "completion_tokens": float("inf")},
        {"prompt_tokens": float("nan"), "completion_tokens": "some"},
        {"prompt_tokens": True, "completion_tokens": [3]},
        {"prompt_tokens": 9_999_999, "completion_tokens": 9_999_999},
        {"prompt_tokens": 2.5, "completion_tokens": None},
        {},
    ],
)
def test_a_usage_that_cannot_be_is_estimated(usage: dict[str, Any]) -> None:
    got = settled(answer({}, usage=usage), "a text of five words")
    assert 1 <= got.prompt_tokens <= 20
    assert 1 <= got.completion_tokens <= 4
    assert type(got.prompt_tokens) is type(got.completion_tokens) is int


def test_a_usage_with_hidden_thoughts_is_believed() -> None:
    got = settled(answer({}, usage={"prompt_tokens": 7.0, "completion_tokens": 60_000}))
    assert (got.prompt_tokens, got.completion_tokens) == (7, 60_000)


def test_a_reply_that_echoes_the_key_is_stored_without_it(opened: Opening) -> None:
    logprobs = {"content": [{"token": KEY, "logprob": -0.1, "top_logprobs": [{"token": KEY, "logprob": -0.1}]}]}
    _, model = opened(
        in_turn(
            answer({"message": {"content": f"Your key is {KEY}!"}, "logprobs": logprobs}, system_fingerprint=KEY),
            answer({"message": {"content": [{"text": f"Bearer {KEY[:9]}"}, {"text": KEY[9:]}]}}),
            answer({"message": {"content": None, "refusal": KEY}}),
        ),
        concurrency=1,
    )
    got = ask(model, chat("a", logprobs=1), chat("b"), chat("c"))
    assert [each.text for each in got] == ["Your key is [key]!", "Bearer [key]", "[key]"]
    assert KEY not in str([each.to_json() for each in got])


def test_a_short_key_is_a_word_and_stays_in_replies(opened: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    _, model = opened(in_turn(answer({"message": {"content": "none of them"}})))
    assert ask(model, chat("x"))[0].text == "none of them"


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
        "invalid temperature: only 1 is allowed for this model",
        "`temperature` is deprecated for this model.",
        "`temperature` may only be set to 1 when thinking is enabled.",
        "temperature: Extra inputs are not permitted",
        "temperature must be 1",
    ],
)
def test_a_model_that_takes_no_temperature_says_that_it_sampled(opened: Opening, said: str) -> None:
    _, model = opened(lambda asked: failure(400, said) if "temperature" in asked.payload else echo(asked))
    got = ask(model, chat("a"), Request("b", Sampling(temperature=0.5)))
    assert [(each.text, each.sampled) for each in got] == [("a", True), ("b", True)]
    assert Reply.from_json(got[0].to_json()) == got[0]
    _, other = opened()
    assert "sampled" not in ask(other, chat("a"))[0].to_json(), "what was stored before reads as it did"


@pytest.mark.parametrize(
    "refused",
    [
        failure(400, "System role not supported"),
        failure(500, "Jinja Exception: System role not supported", code="500"),
        failure(400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
        failure(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        failure(422, "messages.0.role: Input should be 'user' or 'assistant'"),
        failure(400, "'system' is not one of ['user', 'assistant'] - 'messages.0.role'"),
    ],
    ids=lambda each: each.body[:90].decode(),
)
def test_a_role_that_is_refused_is_said(refused: Answer) -> None:
    with pytest.raises(RequestRefused, match=r"without a system message.*--layouts"):
        settled(refused)


def test_a_role_that_is_refused_is_said_at_once(opened: Opening, waits: Waits) -> None:
    server, model = opened(in_turn(failure(500, "Jinja Exception: System role not supported")))
    with pytest.raises(RequestRefused, match="without a system message"):
        ask(model, Request((Message("system", "Be terse."), Message("user", "x"))))
    assert len(server.asked) == 1
    assert not waits


def test_a_server_that_gives_up_waiting_is_named(opened: Opening) -> None:
    _, model = opened(in_turn(answer({"finish_reason": "error"})), retry_policy=RetryPolicy(total_s=3))
    with pytest.raises(BackendError, match=r"finish reason 'error'.*run the same command again"):
        ask(model, chat("x"))


def test_half_an_emoji_in_a_reply_goes_through(opened: Opening) -> None:
    _, model = opened(in_turn(reply("half \ud83d")))
    assert ask(model, chat("x"))[0].text == "half \ud83d"
