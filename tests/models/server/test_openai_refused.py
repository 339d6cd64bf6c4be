"""Requests that a server refuses in one form and takes in another: turns, plain texts, log-probabilities."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptopt.errors import ConfigError, Refused, RequestRefused
from promptopt.models.server.wire import Failure
from promptopt.types import Request
from tests.models.conftest import Transport
from tests.models.server.asking import Opening, ask, chat
from tests.servers import echo, failure, in_turn

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def transport() -> Transport:
    """One way to a server: what is read here does not depend on it."""
    return "aiohttp alone"


@pytest.mark.parametrize(
    "said",
    [
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
        "The model does not accept a system prompt.",
        "Please ensure that multiturn requests alternate between user and model",
    ],
)
def test_where_a_system_message_is_refused_a_layout_without_one_is_named(said: str) -> None:
    with pytest.raises(RequestRefused, match=r"a layout without a system message.*--layouts"):
        Failure(400, said).settle("the server x", "do something else")


@pytest.mark.parametrize(
    "said",
    [
        "messages: unexpected role 'assistant'",
        "messages.1.role: 'assistant' is not supported",
        "Invalid role: assistant. Only 'user' is allowed",
        "This model doesn't support the assistant role",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ],
)
def test_where_turns_of_the_assistant_are_refused_another_place_for_demonstrations_is_named(said: str) -> None:
    with pytest.raises(RequestRefused, match="demonstrations stand in the text"):
        Failure(400, said).settle("the server x", "do something else")


def test_a_refusal_without_a_reason_says_so() -> None:
    with pytest.raises(Refused, match=r"answered 411 \(no reason given\): do something else"):
        Failure(411, "").settle("the server x", "do something else")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "Path /v1/completions is not allowed"),
        (403, "<html>Forbidden</html>"),
        (403, "the model tiny takes no part in the endpoint /completions"),
        (401, "You have insufficient permissions for this operation. Missing scopes: model.request"),
        (404, "The model `tiny` is a chat model"),
        (405, "Method Not Allowed"),
        (410, "legacy completions are gone"),
        (501, "not implemented"),
    ],
)
def test_a_server_without_plain_texts_refuses_a_layout_and_not_the_run(opened: Opening, status: int, said: str) -> None:
    _, model = opened(lambda asked: echo(asked) if "messages" in asked.payload else failure(status, said))
    with pytest.raises(
        RequestRefused, match=f"answered {status} .*to a plain text: use a layout of chat messages; if these"
    ):
        ask(model, Request("x"))
    assert [each.text for each in ask(model, chat("x"))] == ["x"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "Incorrect API key provided"),
        (403, "Project does not have access to model `tiny`"),
        (404, "The model `tiny` does not exist"),
    ],
)
def test_a_wrong_key_or_model_is_told_as_such_to_a_plain_text_too(opened: Opening, status: int, said: str) -> None:
    _, model = opened(in_turn(failure(status, said)))
    with pytest.raises(Refused, match=said[:20]):
        ask(model, Request("x"))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Unsupported parameter: 'logprobs' is not supported with this model."),
        (403, "You are not allowed to request logprobs from this model."),
        (400, "This model does not support the parameter top_logprobs"),
        (400, "Logprobs is not enabled for models/tiny"),
        (422, '[{"type": "extra_forbidden", "loc": ["body", "logprobs"], "msg": "Extra inputs are not permitted"}]'),
    ],
)
def test_log_probabilities_that_are_refused_are_a_mistake_in_what_was_asked(
    opened: Opening, status: int, said: str
) -> None:
    _, model = opened(in_turn(failure(status, said)))
    with pytest.raises(ConfigError, match=rf"answered {status} .*it gives no log-probabilities.*'generation'"):
        ask(model, replace(chat("x"), logprobs=3))
