"""Tools and their calls go to a server in OpenAI's form, and come back from it, in one piece or in many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.models.server.contents import calls_of
from promptopt.models.server.openai import OpenAIModel
from promptopt.types import Message, Reply, Request, ToolCall, canonical
from tests.models.server.asking import ask
from tests.servers import Answer, FakeServer, reply

pytestmark = pytest.mark.usefixtures("key")
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
SPOKEN = (
    Message("system", "Be kind.", tools=(canonical(TOOL),)),
    Message("user", "Where is 7?"),
    Message("assistant", "", (ToolCall.of("find", {"order": 7}, "c1"),)),
    Message("tool", "on its way", tool_call_id="c1"),
)
CALLED: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c2", "type": "function", "function": {"name": "find", "arguments": '{"order": 8}'}}],
}


def answered(message: dict[str, Any]) -> Answer:
    return reply(None, finish="tool_calls", message=message)


def test_messages_calls_and_tools_are_sent_as_openai_writes_them(transport: object) -> None:
    with FakeServer(lambda _: answered(CALLED)) as server:
        model = OpenAIModel("tiny", base_url=server.url)
        (found,) = ask(model, Request(SPOKEN))
        body = server.asked[0].payload
        model.close()

    assert body["tools"] == [TOOL]
    assert body["messages"][2:] == [
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"order":7}'}}]},
        {"role": "tool", "content": "on its way", "tool_call_id": "c1"},
    ]  # fmt: skip
    assert found.tool_calls == (ToolCall("find", '{"order":8}', "c2"),)
    assert found.written == 'find({"order":8})'
    assert Reply.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_plain_chat_is_sent_and_keyed_as_before() -> None:
    request = Request((Message("system", "S"), Message("user", "U")))

    assert request.to_json()["content"] == [["system", "S"], ["user", "U"]]
    assert Reply("hi").to_json().keys() == {"text", "finish", "usage", "tokens", "served"}


def test_other_tools_and_other_calls_are_other_requests() -> None:
    keys = {canonical(Request(content).to_json()) for content in (
        SPOKEN, SPOKEN[:3], (Message("system", "Be kind."), *SPOKEN[1:]),
        (*SPOKEN[:2], Message("assistant", "", (ToolCall.of("find", {"order": 8}, "c1"),)), SPOKEN[3]),
    )}  # fmt: skip

    assert len(keys) == 4


def test_calls_without_an_id_get_one_and_their_results_name_it(transport: object) -> None:
    unnamed = (
        *SPOKEN[:2],
        Message("assistant", "", (ToolCall.of("find", {"order": 7}), ToolCall.of("find", {"order": 8}, "call00001"))),
        Message("tool", "late"),
        Message("tool", "here"),
        Message("assistant", "", (ToolCall.of("find", {"order": 9}),)),
        Message("tool", "lost"),
    )
    with FakeServer(lambda _: answered(CALLED)) as server:
        model = OpenAIModel("tiny", base_url=server.url)
        ask(model, Request(unnamed))
        sent = server.asked[0].payload["messages"]
        model.close()

    called = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    assert called == ["call00002", "call00001", "call00003"]
    assert [message["tool_call_id"] for message in sent if message["role"] == "tool"] == called
    # It is the server that wants them: the request is what it was, and so is its key.
    assert canonical(Request(unnamed).to_json()).count("call0000") == 1


def piece(index: int | None, id: str | None, name: str | None, arguments: object) -> dict[str, Any]:
    placed = {} if index is None else {"index": index}
    return {**placed, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        ([piece(0, "a", "find", '{"n":'), piece(0, None, None, "1}")], ['find({"n":1})']),
        ([piece(0, "a", "find", "{}"), piece(0, "b", "stock", '{"n":1}')], ["find({})", 'stock({"n":1})']),
        ([piece(0, "", "find", '{"n":1}'), piece(0, "", "find", '{"n":2}')], ['find({"n":1})', 'find({"n":2})']),
        ([piece(0, "a", "find", ""), piece(0, "b", "stock", ""), piece(0, "b", None, "{}")], ["find({})", "stock({})"]),
        ([piece(None, "a", "find", None), piece(None, None, "find", {"n": 1})], ["find({})", 'find({"n":1})']),
        ([{"id": "a", "name": "find", "arguments": '{"n": 1}'}], ['find({"n":1})']),
        ([piece(0, "a", "find", "{order: 7")], ["find({order: 7)"]),
    ],
)
def test_calls_are_told_apart_as_servers_number_them(pieces: list[dict[str, Any]], read: list[str]) -> None:
    assert [call.written for call in calls_of({"tool_calls": pieces})] == read
