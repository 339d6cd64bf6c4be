"""Replies that were logged in pieces are put together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import conversations_of
from promptopt.tasks.reading.streams import streamed

ASKED, ANSWERED = "Where is H7?", "In Graz."
PIECES = ("In ", "Graz", ".")


def chunk(**delta: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}


OPENAI = [chunk(role="assistant", content=""), *(chunk(content=piece) for piece in PIECES), chunk()]
GEMINI = [{"candidates": [{"content": {"role": "model", "parts": [{"text": piece}]}}]} for piece in PIECES]
THOUGHT = [{"candidates": [{"content": {"role": "model", "parts": [{"text": "hm", "thought": True}]}}]}, *GEMINI]
OLLAMA = [{"message": {"role": "assistant", "content": piece}, "done": piece == "."} for piece in PIECES]
RESPONSES = [
    {"type": "response.created", "response": {"output": []}},
    *({"type": "response.output_text.delta", "delta": piece} for piece in PIECES),
    {"type": "response.completed", "response": {"output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWERED}]}]}},
]  # fmt: skip


@pytest.mark.parametrize("pieces", [OPENAI, GEMINI, THOUGHT, OLLAMA, RESPONSES])
def test_the_pieces_of_a_reply_are_one(pieces: list[dict[str, Any]]) -> None:
    row = {"request": {"messages": [{"role": "user", "content": ASKED}]}, "response": pieces}
    (found,) = conversations_of([(1, row)]).conversations
    assert [(said.role, said.content) for said in found.messages] == [("user", ASKED), ("assistant", ANSWERED)]


@pytest.mark.parametrize("before", ["data: ", "event: delta\ndata: ", ""])
@pytest.mark.parametrize("pieces", [OPENAI, OLLAMA, RESPONSES])
def test_so_they_are_where_the_body_was_logged_as_it_was_sent(pieces: list[dict[str, Any]], before: str) -> None:
    said = json.dumps(pieces).replace("Graz", "Gr\u2028az")
    lines = [json.dumps(piece, ensure_ascii=False) for piece in json.loads(said)]
    sent = ": ping\n\n" + "".join(f"{before}{line}\n\n" for line in lines) + "data: [DONE]\n"
    row = {"request": {"messages": [{"role": "user", "content": ASKED}]}, "response": sent}
    (found,) = conversations_of([(1, row)]).conversations
    assert [said.content for said in found.messages] == [ASKED, "In Gr\u2028az."]


@pytest.mark.parametrize(
    "said", ["data: 17", "data: {}", 'data: {"a": 1}\nThat is how it looks.', "event: none", "data:"]
)
def test_a_reply_that_speaks_of_such_lines_is_a_text(said: str) -> None:
    row = {"request": {"messages": [{"role": "user", "content": ASKED}]}, "response": said}
    (found,) = conversations_of([(1, row)]).conversations
    assert found.messages[-1].content == said


def test_a_call_in_pieces_is_one_call_and_the_first_choice_counts() -> None:
    begun = {"index": 0, "id": "c", "function": {"name": "find", "arguments": ""}}
    more = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"or', 'der":7}')]
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}]}
    found = streamed([chunk(tool_calls=[begun]), other, *(chunk(tool_calls=[each]) for each in more)])
    assert found == {"role": "assistant", "content": "",
                     "tool_calls": [{"id": "c", "name": "find", "arguments": '{"order":7}'}]}  # fmt: skip


@pytest.mark.parametrize(
    "pieces", [[], [{}], ["a"], [{"choices": [{"message": {}}]}], GEMINI[:1], [{"type": "response.created"}]]
)
def test_what_is_whole_is_no_stream(pieces: list[Any]) -> None:
    assert streamed(pieces) is None


def test_servers_that_number_no_calls_or_name_them_in_every_piece_are_understood() -> None:
    def piece(own: str, name: str, arguments: str) -> dict[str, Any]:
        return chunk(tool_calls=[{"index": 0, "id": own, "function": {"name": name, "arguments": arguments}}])

    first, other = ({"id": own, "name": name, "arguments": "{}"} for own, name in (("a", "find"), ("b", "send")))
    for again in (("a", "find"), ("", "")):
        found = streamed([piece("a", "find", "{"), piece(*again, "}"), piece("b", "send", "{}")])
        assert found is not None
        assert found["tool_calls"] == [first, other]


@pytest.mark.parametrize("index", [[], {}, 0.5, None])
def test_an_index_of_any_kind_ends_nothing(index: Any) -> None:
    start = {"index": index, "content_block": {"type": "text", "text": "hi"}}
    assert streamed([{"type": "message_start"}, start]) == {
        "role": "assistant", "content": [{"type": "text", "text": "hi"}]
    }  # fmt: skip
    found = streamed([chunk(tool_calls=[{"index": index, "id": "c", "function": {"name": "find"}}])])
    assert found is not None
    assert found["tool_calls"] == [{"id": "c", "name": "find", "arguments": ""}]
