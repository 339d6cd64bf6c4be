"""Whatever a server sends is a reply, an outage or a sentence, and never a fault of ours."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import BackendError
from promptopt.models.server.retrying import Outage
from promptopt.models.server.streams import joined_chunks
from promptopt.models.server.wire import Failure, quoted, read_reply
from promptopt.text import visible
from promptopt.types import Reply, Request, canonical

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=12)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


def odd(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these names, and anything as their values."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))


parts = st.lists(odd("type", "text", "refusal", "content", "value", "parts", "thought"), max_size=3)
logprob = odd("token", "logprob", "top_logprobs", "bytes")
logprobs = values | st.fixed_dictionaries(
    {}, optional={"content": values | st.lists(logprob, max_size=2), "tokens": values, "token_logprobs": values,
                  "top_logprobs": values},
)  # fmt: skip
messages = values | st.fixed_dictionaries({}, optional={"content": values | parts, "refusal": values})
choices = st.fixed_dictionaries(
    {}, optional={"index": values, "finish_reason": values, "message": messages, "delta": messages, "text": values,
                  "logprobs": logprobs, "error": values},
)  # fmt: skip
answers = st.fixed_dictionaries(
    {}, optional={"choices": values | st.lists(values | choices, max_size=2), "model": values, "error": values,
                  "usage": values | odd("prompt_tokens", "completion_tokens"), "system_fingerprint": values},
)  # fmt: skip
examples = settings(max_examples=60, deadline=None)


def check(reply: Reply) -> None:
    json.loads(canonical(reply.to_json())).keys()
    assert Reply.from_json(json.loads(canonical(reply.to_json()))).finish == reply.finish
    assert 0 <= reply.prompt_tokens < 20_000
    assert 0 <= reply.completion_tokens < 300_000


@pytest.mark.slow
@examples
@given(answers, st.sampled_from([0, 2]))
def test_any_answer_is_a_reply_or_an_outage(answer: dict[str, Any], tops: int) -> None:
    with contextlib.suppress(Outage):
        check(read_reply(answer, Request("x", logprobs=tops), "tiny", "a-key-of-mine"))


@pytest.mark.slow
@examples
@given(st.lists(values | answers, max_size=4), st.sampled_from(["data: ", "data:", "", "event: x\ndata: "]), st.text())
def test_any_stream_is_an_answer_or_an_outage(chunks: list[Any], before: str, noise: str) -> None:
    raw = "\n\n".join(before + json.dumps(chunk) for chunk in chunks)
    for text in (raw, raw + "\n\ndata: [DONE]", raw[: len(raw) // 2], raw + noise, noise):
        with contextlib.suppress(Outage):
            answer = joined_chunks(text)
            if answer is not None:
                check(read_reply(answer, Request("x"), "tiny"))


@pytest.mark.slow
@examples
@given(st.sampled_from([300, 400, 401, 403, 404, 413, 422, 429, 500, 503, 599]), values, st.text())
def test_any_failure_is_an_outcome_an_outage_or_a_sentence(status: int, error: Any, text: str) -> None:
    for body in (json.dumps({"error": error}), json.dumps(error), text):
        failure = Failure.of(status, body, {"Retry-After": text})
        said = ""
        try:
            check(failure.settle("the server x", "do something else"))
        except (Outage, BackendError) as raised:
            said = str(raised)
        assert "\n" not in said
        assert visible(said) == said


@pytest.mark.parametrize("depth", [3, 400, 100_000])
def test_nested_answers_are_no_fault_of_ours(depth: int) -> None:
    nested: Any = "a"
    for _ in range(min(depth, 20_000)):
        nested = [nested]
    with contextlib.suppress(Outage):
        read_reply({"choices": [{"message": {"content": nested}}]}, Request("x"), "tiny")
    with contextlib.suppress(Outage):
        joined_chunks("[" * depth)


@examples
@given(st.text(st.characters(codec=None)))
def test_what_is_quoted_is_one_visible_line(text: str) -> None:
    shown = quoted(text)
    assert len(shown) <= 300
    assert visible(shown) == shown
    assert "\n" not in shown
