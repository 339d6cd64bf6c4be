"""A server that repeats the key it is sent, wherever an answer has a place for it."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.errors import PromptoptError, RequestRefused
from promptopt.models.server import litellm
from promptopt.models.server.http import Server
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from tests.dialects import ToyServer
from tests.models.server.asking import Waits, ask, chat
from tests.models.server.scoring import labels, scored
from tests.servers import Answer, Asked, FakeServer, in_turn

KEY = "zq9Kxv7w6Secret/valueA+1m"
"""Like no key that is known by its form; nor does its variable's name say what it holds."""
HERE = "@@"


def written(value: Any) -> Answer:
    """As JSON with the key in the place of `HERE`, each of its letters an escape."""
    return Answer(json.dumps(value).replace(HERE, "".join(f"\\u{ord(letter):04x}" for letter in KEY)).encode())


def whole(choice: dict[str, Any], **fields: Any) -> Answer:
    held = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}} | choice
    return written({"model": "m", "choices": [held], "usage": {"prompt_tokens": 1, "completion_tokens": 1}} | fields)


def token(text: str, raw: str = "", top: list[Any] | None = None) -> dict[str, Any]:
    return {"token": text, "bytes": list(raw.encode()), "logprob": -0.5, "top_logprobs": [] if top is None else top}


CALL = {"id": f"call_{HERE}", "type": "function", "function": {"name": f"f{HERE}", "arguments": f'{{"q": "{HERE}"}}'}}
PLACES = {
    "text": whole({"message": {"content": f"yes {HERE}"}}),
    "thought": whole({"message": {"content": "", "reasoning_content": HERE}}),
    "snapshot": whole({}, model=f"m-{HERE}", system_fingerprint=HERE),
    "call": whole({"message": {"content": None, "tool_calls": [CALL]}}),
    "token": whole({"logprobs": {"content": [token(HERE)]}}),
    "bytes of a token": whole({"logprobs": {"content": [token("", KEY)]}}),
    "pieces of tokens": whole({"logprobs": {"content": [token(KEY[:7]), token(KEY[7:])]}}),
    "other token": whole({"logprobs": {"content": [token("yes", top=[token("", KEY)])]}}),
    "broken off": whole({"finish_reason": f"error {HERE}"}),
    "unknown end": whole({"message": {"content": ""}, "finish_reason": f"unknown_{HERE}"}),
    "error": written({"error": {"message": f"no {HERE}", "code": HERE}}),
    "name of an error": written({"error": {HERE: "no"}}),
    "complaint": written({"message": f"no {HERE}"}),
    "error in a stream": Answer(b"data: " + written({"error": {"message": f"no {HERE}"}}).body + b"\n\ndata: [DONE]\n"),
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_ACCESS", KEY)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("place", PLACES)
def test_an_echoed_key_is_in_no_reply_and_no_message(place: str, caplog: pytest.LogCaptureFixture) -> None:
    with FakeServer(in_turn(PLACES[place])) as server:
        # Given up before it is taken for an answer: whether a third try fits into the second is a matter of chance.
        given_up = RetryPolicy(total_s=1, empty_tries=9)
        model = OpenAIModel("m", base_url=server.url, key_variable="LLM_ACCESS", sleep=Waits(), retry_policy=given_up)
        try:
            said = json.dumps(ask(model, chat("x", logprobs=1 if "token" in place else 0))[0].to_json())
        except PromptoptError as error:
            said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
        finally:
            model.close()
    assert KEY[:9] not in said + caplog.text
    assert "[key]" in said


def test_an_echoed_key_is_in_no_score() -> None:
    toy = ToyServer()
    toy.fingerprint = HERE

    def echoing(asked: Asked) -> Answer:
        answer = toy(asked)
        return replace(answer, body=written(json.loads(answer.body)).body) if HERE.encode() in answer.body else answer

    with FakeServer(echoing) as server:
        model = OpenAIModel(toy.name, base_url=server.url, key_variable="LLM_ACCESS")
        (likelihoods,) = scored(model, labels("grass", "green"))
        model.close()
    assert likelihoods.served == f"{toy.name} [key]"


def test_what_else_of_the_environment_is_sent_is_taken_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-azure")
    monkeypatch.setenv(
        "OPENAI_CUSTOM_HEADERS", "X-Team: the blue one\nX-Api-Key: gateway-one\nAuthorization: Bearer two-two-two"
    )
    said = Server("m", "http://a/v1", "LLM_ACCESS", None).without_key_in(
        {"a": ["the blue one", "token-of-azure", {"b": "gateway-one two-two-two"}]}
    )
    assert said == {"a": ["the blue one", "[key]", {"b": "[key] [key]"}]}


def test_an_echoed_key_is_in_no_message_of_litellms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm, "find_spec", lambda name: True)
    names = ("ContextWindowExceededError", "ContentPolicyViolationError", "Timeout", "APIConnectionError")
    package = SimpleNamespace(exceptions=SimpleNamespace(**{name: type(name, (Exception,), {}) for name in names}))
    model = litellm.LiteLLMModel("groq/m", base_url="http://gateway.example", key_variable="LLM_ACCESS")
    refusal = SimpleNamespace(message=f"no {KEY}", status_code=400)
    with pytest.raises(RequestRefused, match=r"no \[key\]"):
        model._settle(package, refusal)
