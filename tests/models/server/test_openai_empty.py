"""Empty replies: which a filter kept back, which are asked for again, and which the model meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.models.server.retrying import Outage
from promptopt.models.server.wire import read_reply
from promptopt.types import Reply
from tests.models.conftest import Transport
from tests.models.server.asking import Opening, Waits, ask, chat
from tests.servers import Answer, echo, in_turn

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def transport() -> Transport:
    """One way to a server: what is read here does not depend on it."""
    return "aiohttp alone"


def given(word: object, content: str | None = "", **beside: Any) -> dict[str, Any]:
    """A whole answer of one choice."""
    choice = {"index": 0, "finish_reason": word, "message": {"role": "assistant", "content": content}, **beside}
    return {"model": "fake-1", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def settled(answer: dict[str, Any]) -> Reply:
    return read_reply(answer, chat("x"), "tiny")


UNEXPLAINED = (
    "OTHER", "FinishReason.OTHER", "MALFORMED_FUNCTION_CALL", "NO_IMAGE", "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL",
    "MISSING_THOUGHT_SIGNATURE", "unknown", "5", "", None,
)  # fmt: skip
KEPT_BACK = (
    "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "SAFETY", "LANGUAGE", "IMAGE_RECITATION", "blocked",
    "pii_detected", "FINISH_REASON_LANGUAGE",
)  # fmt: skip


@pytest.mark.parametrize("content", ["", " \n", None])
@pytest.mark.parametrize("word", UNEXPLAINED)
def test_an_empty_reply_for_no_reason_is_an_outage_that_may_end_as_filtered(
    word: str | None, content: str | None
) -> None:
    with pytest.raises(Outage, match="answered with nothing") as raised:
        settled(given(word, content))
    kept_back: Reply = raised.value.amounts_to
    assert (kept_back.text, kept_back.finish, kept_back.prompt_tokens) == ("", "filter", 7)


@pytest.mark.parametrize("word", UNEXPLAINED)
def test_a_reply_that_says_something_stands_whatever_it_says_of_its_end(word: str | None) -> None:
    assert settled(given(word, "fine")).text == "fine"


@pytest.mark.parametrize("word", KEPT_BACK)
def test_an_answer_that_was_kept_back_is_filtered(word: str) -> None:
    reply = settled(given(word))
    assert (reply.text, reply.finish) == ("", "filter")


@pytest.mark.parametrize("word", ["stop", "STOP", "end_turn", "eos_token", "FinishReason.STOP"])
def test_a_model_may_end_without_a_word(word: str) -> None:
    assert settled(given(word)).finish == "stop"


def test_the_word_behind_a_gateway_counts_for_an_empty_reply_as_well() -> None:
    with pytest.raises(Outage, match="'OTHER'"):
        settled(given("stop", native_finish_reason="OTHER"))
    assert settled(given("stop", native_finish_reason="eos_7")).finish == "stop"


def test_an_empty_reply_is_asked_again_and_counted_as_filtered_at_last(opened: Opening, waits: Waits) -> None:
    nothing = Answer(json.dumps(given("OTHER")).encode())
    server, model = opened(in_turn(nothing, nothing, nothing, nothing, echo))
    first, second = (ask(model, chat(text))[0] for text in ("x", "y"))
    assert (first.text, first.finish) == ("", "filter")
    # Three tries for the first; one failed try of the second, then its reply.
    assert (second.text, len(server.asked)) == ("y", 5)
