"""A stream that nobody asked for becomes one answer, in time that grows with its length alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.models.server.retrying import Outage
from promptopt.models.server.streams import joined_chunks
from tests.ends import ends

END = "data: [DONE]"


def stream(*pieces: dict[str, Any]) -> str:
    return "\n\n".join([*(f"data: {json.dumps({'choices': [piece]})}" for piece in pieces), END])


def choice_of(raw: str) -> dict[str, Any]:
    found = joined_chunks(raw)
    assert found is not None
    return found["choices"][0]


@ends
@pytest.mark.slow
@pytest.mark.parametrize("lines", [['data: {"a": ['], ["data: [{}", *["data: ,{}"] * 3], ["data: {", 'data: "a": "}']])
def test_an_object_that_never_closes_is_given_up_at_once(lines: list[str]) -> None:
    raw = "\n".join(lines * 100_000)
    assert joined_chunks(raw) is None
    with pytest.raises(Outage, match="malformed"):
        joined_chunks(f"{raw}\n{END}")


@ends
@pytest.mark.slow
def test_a_long_reply_in_small_pieces_is_joined_at_once() -> None:
    word, times = "x" * 500, 60_000
    raw = "\n".join([f'data: {{"choices":[{{"delta":{{"content":"{word}"}}}}]}}'] * times)
    assert len(choice_of(f"{raw}\n{END}")["message"]["content"]) == times * len(word)


@ends
@pytest.mark.slow
def test_many_log_probabilities_in_pieces_are_joined_at_once() -> None:
    raw = "\n".join(['data: {"choices":[{"logprobs":{"content":[{"token":"a"}]}}]}'] * 100_000)
    assert len(choice_of(f"{raw}\n{END}")["logprobs"]["content"]) == 100_000


def test_an_object_over_several_lines_is_one() -> None:
    piece = {"delta": {"content": 'a "{[\\" b'}, "finish_reason": "stop"}
    lines = json.dumps({"choices": [piece]}, indent=1).splitlines()
    assert choice_of("\n".join(f"data: {line}" for line in lines))["message"]["content"] == 'a "{[\\" b'


@pytest.mark.parametrize("first", [{"a": 1}, 5, True, ["a"]])
def test_a_text_behind_what_is_none_is_taken(first: object) -> None:
    said = choice_of(stream({"delta": {"content": first}}, {"delta": {"content": "b"}, "finish_reason": "stop"}))
    assert said["message"]["content"] == (["a", "b"] if first == ["a"] else "b")
