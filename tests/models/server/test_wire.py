"""What is made of an answer that is not as it should be, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.models.server.retrying import Outage
from promptopt.models.server.streams import joined_chunks
from promptopt.models.server.token_logprobs import require_tokens
from promptopt.models.server.wire import Failure, quoted, read_reply
from promptopt.types import Message, Request, Sampling

ASKED = Request((Message("user", "What is it?"),), Sampling(max_tokens=64))


def read(choice: dict[str, Any], **beside: Any) -> tuple[str, str]:
    reply = read_reply({"choices": [{"index": 0, **choice}], **beside}, ASKED, "m")
    return reply.text, reply.finish


def said(text: object, reason: object = "stop", **beside: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "finish_reason": reason, **beside}


def test_a_choice_without_a_message_is_an_empty_reply_where_its_finish_says_why() -> None:
    assert read({"finish_reason": "content_filter", "message": None}) == ("", "filter")
    assert read({"finish_reason": "length"}) == ("", "length")
    with pytest.raises(Outage, match="malformed"):
        read({"finish_reason": "stop"})


def test_what_the_server_behind_a_gateway_called_a_stop_is_heeded() -> None:
    assert read(said("", native_finish_reason="SAFETY")) == ("", "filter")
    assert read(said("half", native_finish_reason="MAX_TOKENS")) == ("half", "length")
    assert read(said("all", native_finish_reason="end_turn")) == ("all", "stop")


def test_json_that_a_gateway_has_read_already_is_the_text_it_was() -> None:
    assert read(said({"answer": 5})) == ('{"answer":5}', "stop")
    assert read(said({"type": "image"})) == ("", "stop")


@pytest.mark.parametrize("error", ["none", "null", "OK", {"code": "OK", "message": "success"}, False])
def test_an_error_that_is_none_spoils_no_answer(error: object) -> None:
    assert read(said("yes"), error=error) == ("yes", "stop")


@pytest.mark.parametrize("name", ["thinking", "thought", "reasoning_text", "reasoning_content"])
def test_a_reply_that_is_only_thought_is_told_from_an_empty_one(name: str) -> None:
    assert read({"message": {"content": "", name: "positive?"}, "finish_reason": "length"})[0].startswith("<think>")


def test_a_thought_that_a_gateway_gives_under_two_names_is_one() -> None:
    message = {"content": "", "reasoning": "positive?", "reasoning_content": "positive?"}
    assert read({"message": message, "finish_reason": "length"})[0].count("positive?") == 1


@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        ({"object": "error", "message": "This model's maximum context length is 4096 tokens, not 5000"}, "rejected"),
        ({"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}, "filter"),
        ({"errors": [{"code": 5021, "message": "The context window is exceeded by the prompt tokens"}]}, "rejected"),
    ],
)
def test_an_error_with_status_200_may_be_one_requests_outcome(answer: dict[str, Any], finish: str) -> None:
    assert read_reply(answer, ASKED, "m").finish == finish


@pytest.mark.parametrize(
    "answer",
    [
        {"errors": [{"code": 7009, "message": "service busy"}], "success": False},
        {"code": 50001, "msg": "service busy", "data": None},
        {"base_resp": {"status_code": 1000, "status_msg": "service busy"}},
        {"object": "error", "message": "service busy", "code": 500},
    ],
)
def test_an_error_with_status_200_is_an_outage_in_the_servers_own_words(answer: dict[str, Any]) -> None:
    with pytest.raises(Outage, match="service busy"):
        read_reply(answer, ASKED, "m")


@pytest.mark.parametrize("status", [424, 499])
def test_what_failed_behind_a_server_may_pass(status: int) -> None:
    with pytest.raises(Outage):
        Failure.of(status, '{"error": "Request failed during generation: Server error"}', {}).settle("s", "")


def test_a_rate_that_is_told_with_400_is_an_outage() -> None:
    with pytest.raises(Outage) as raised:
        Failure.of(400, '{"error": {"message": "Rate limit exceeded: too many tokens per minute"}}', {}).settle("s", "")
    assert raised.value.overloaded


def test_a_stream_that_ends_in_its_whole_message_says_it_once() -> None:
    pieces: list[dict[str, Any]] = [{"delta": {"content": "po"}}, {"delta": {"content": "sitive"}}]
    pieces.append({"message": {"content": "positive"}, "finish_reason": "stop"})
    found = joined_chunks("\n\n".join(f"data: {json.dumps({'choices': [piece]})}" for piece in pieces))
    assert found is not None
    assert read_reply(found, ASKED, "m").text == "positive"


def test_what_a_server_says_at_length_ends_with_a_whole_word() -> None:
    words = [f"word{number}" for number in range(100)]
    shown = quoted(" ".join(words))
    assert shown.endswith("…")
    assert len(shown) <= 300
    assert set(shown.removesuffix("…").split()) <= set(words)
    assert len(quoted("x" * 1000)) == 300
    assert quoted("a b") == "a b"


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": "7", "completion_tokens": "3"}, (7, 3)),
        ({"input_tokens": 7, "output_tokens": 3}, (7, 3)),
        ({"total_tokens": 12, "completion_tokens": 3}, (9, 3)),
        ({"total_tokens": 12, "prompt_tokens": 7}, (7, 5)),
        ({"total_tokens": 12}, (11, 1)),
        ({"total_tokens": 0}, (3, 1)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (3, 1)),
        ({"prompt_tokens": "9" * 30, "completion_tokens": "-3"}, (3, 1)),
    ],
)
def test_tokens_are_counted_under_whatever_name_the_server_does(
    usage: dict[str, Any], counted: tuple[int, int]
) -> None:
    reply = read_reply({"choices": [said("yes")], "usage": usage}, ASKED, "m")
    assert (reply.prompt_tokens, reply.completion_tokens) == counted


def test_the_first_choice_is_the_one_with_the_first_number() -> None:
    choices = [{"index": 1, **said("other")}, {"index": 0, **said("yes")}]
    assert read_reply({"choices": choices}, ASKED, "m").text == "yes"


def test_what_is_said_after_the_end_of_a_stream_is_not() -> None:
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "hey"}, "finish_reason": "stop"}]})
    assert joined_chunks(f"data: {chunk}\n\ndata: [DONE]\n\ndata: {chunk}\n\n") == joined_chunks(f"data: {chunk}\n\n")


@pytest.mark.parametrize(
    "logprobs",
    [
        {
            "content": [
                {"token": "x", "logprob": None},
                {
                    "token": "yes",
                    "logprob": -0.5,
                    "top_logprobs": [{"token": "yes", "logprob": -0.5}, {"token": "no", "logprob": None}],
                },
            ]
        },
        {"tokens": ["x", "yes"], "token_logprobs": [None, -0.5], "top_logprobs": [None, {"yes": -0.5, "no": None}]},
    ],
)
def test_a_logprob_that_is_null_is_none_and_spoils_no_other(logprobs: dict[str, Any]) -> None:
    asked = Request(ASKED.content, ASKED.sampling, logprobs=2)
    reply = read_reply({"choices": [said("yes", logprobs=logprobs)]}, asked, "m")
    assert [(token.text, token.logprob, token.top) for token in reply.tokens] == [("yes", -0.5, (("yes", -0.5),))]


@pytest.mark.parametrize("bad", [0.7, 12.0, float("nan"), float("inf"), "0.7"])
@pytest.mark.parametrize("among", ["the token", "the others"])
def test_numbers_that_are_no_log_probabilities_are_none(bad: object, among: str) -> None:
    own = bad if among == "the token" else -0.5
    top = [{"token": "yes", "logprob": -0.5}, {"token": "no", "logprob": -2.0 if among == "the token" else bad}]
    chat = {"content": [{"token": "yes", "logprob": own, "top_logprobs": top}]}
    plain = {
        "tokens": ["yes"],
        "token_logprobs": [own],
        "top_logprobs": [{each["token"]: each["logprob"] for each in top}],
    }
    asked = Request(ASKED.content, ASKED.sampling, logprobs=2)
    for logprobs in (chat, plain):
        reply = read_reply({"choices": [said("yes", logprobs=logprobs)]}, asked, "m")
        assert (reply.text, reply.tokens) == ("yes", ())
        with pytest.raises(ConfigError, match="gave no log-probabilities"):
            require_tokens(reply, asked, "the server", "m")


def test_what_rounding_takes_above_zero_is_zero() -> None:
    asked = Request(ASKED.content, ASKED.sampling, logprobs=2)
    logprobs = {"content": [{"token": "yes", "logprob": 2e-7, "top_logprobs": [{"token": "yes", "logprob": 2e-7}]}]}
    reply = read_reply({"choices": [said("yes", logprobs=logprobs)]}, asked, "m")
    assert [(token.logprob, token.top) for token in reply.tokens] == [(0.0, (("yes", 0.0),))]


@pytest.mark.parametrize("text", [None, ""])
def test_a_token_that_is_sent_as_bytes_alone_is_read_from_them(text: str | None) -> None:
    asked = Request(ASKED.content, ASKED.sampling, logprobs=2)
    entry = {"token": text, "bytes": list("é".encode()), "logprob": -0.5}
    reply = read_reply({"choices": [said("é", logprobs={"content": [{**entry, "top_logprobs": [entry]}]})]}, asked, "m")
    assert [(token.text, token.top) for token in reply.tokens] == [("é", (("é", -0.5),))]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After-Ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after-ms": "-5"}, 0.0),
        ({"retry-after-ms": "inf", "retry-after": "3"}, 3.0),
        # By the server's clock, whatever this machine's says.
        ({"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Retry-After": "Sat, 01 Jan 2000 00:00:40 GMT"}, 40.0),
        ({"Date": "Thu, 01 Jan 2099 00:00:00 GMT", "Retry-After": "Thu, 01 Jan 2099 00:00:40 GMT"}, 40.0),
        ({"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Retry-After": "Fri, 31 Dec 1999 23:00:00 GMT"}, 0.0),
        ({"Date": "no date", "Retry-After": "Sat, 01 Jan 2000 00:00:40 GMT"}, 0.0),
        # Of two limits the one that is used up.
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s",
          "x-ratelimit-remaining-tokens": "90", "x-ratelimit-reset-tokens": "4m"}, 62.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms",
          "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        # All of a day's is there in a day, some of it in seconds.
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "23h59m8s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m", "retry-after": "2"}, 2.0),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "86400"}, 86400.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1e300"}, 1e297),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000000001"}, 0.0),
        ({"X-RateLimit-Reset": "17"}, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": ""}, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_most_exact_wait_that_a_server_asks_for_is_kept(headers: dict[str, str], wait_s: float | None) -> None:
    found = Failure.of(429, "{}", headers).retry_after_s
    assert found == (None if wait_s is None else pytest.approx(wait_s))
