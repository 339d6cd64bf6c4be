"""What a server is sent, and how its answers are read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from promptopt.errors import ConfigError
from promptopt.models.server.openai import OpenAIModel
from promptopt.protocols import Model, Tokenizer
from promptopt.testing import ModelContract
from promptopt.types import Message, Reply, Request, Sampling, Token
from tests.models.conftest import Transport
from tests.models.server.asking import KEY, Opening, ask, chat
from tests.servers import (
    Answer,
    Asked,
    FakeServer,
    failure,
    in_turn,
    reply,
)

pytestmark = pytest.mark.usefixtures("key")


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
    server, model = opened()
    assert isinstance(model, Model)
    assert isinstance(model, Tokenizer)
    assert model.name == f"openai/tiny@{server.url}"
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


SCHEMA = '{"type":"object","properties":{"score":{"type":"integer"}},"required":["score"]}'


@pytest.mark.parametrize(
    "said",
    ["", "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
     "response_format: Extra inputs are not permitted", "This model does not support structured outputs."],
)  # fmt: skip
def test_a_schema_is_sent_until_the_server_refuses_it(opened: Opening, said: str) -> None:
    def script(asked: Asked) -> Answer:
        return failure(400, said) if said and "response_format" in asked.payload else reply('{"score": 3}')

    server, model = opened(script)
    request = Request((Message("user", "Grade it."),), schema=SCHEMA)
    assert [ask(model, request)[0].text for _ in range(2)] == ['{"score": 3}'] * 2
    form = server.asked[0].payload["response_format"]["json_schema"]
    assert (form["schema"], form["strict"]) == (json.loads(SCHEMA), True)
    assert len(server.asked) == (3 if said else 2)
    assert ("response_format" in server.asked[-1].payload) == (not said)


def test_a_request_without_a_schema_keeps_the_key_it_had(opened: Opening) -> None:
    request = Request((Message("user", "Grade it."),))
    assert set(request.to_json()) == {"content", "sampling", "logprobs", "shared"}
    server, model = opened(lambda _: reply("3"))
    ask(model, request)
    assert "response_format" not in server.asked[0].payload


THINKS = (
    ({"content": "positive", "reasoning_content": "negative?"}, "positive"),
    ({"content": "", "reasoning_content": "negative?"}, "<think>\nnegative?"),
    ({"content": None, "reasoning": "negative?"}, "<think>\nnegative?"),
    (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "no"},
            ]
        },
        "no",
    ),
    ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
    ({"content": [{"type": "thinking", "thinking": "hm"}]}, "<think>\nhm"),
    ({"content": "yes", "reasoning_content": None}, "yes"),
)


@pytest.mark.parametrize(("message", "text"), THINKS)
def test_what_a_server_reports_as_thought_is_no_answer(opened: Opening, message: dict[str, object], text: str) -> None:
    _, model = opened(in_turn(reply(None, message=message, usage=None)))
    (got,) = ask(model, chat("Well?"))
    assert (got.text, got.finish) == (text, "stop")
    assert got.completion_tokens > 0
