"""Tools, calls and results in texts, between the tags of Hermes and Qwen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Conversation, conversations_of
from promptopt.types import Message, ToolCall
from tests.ends import ends, long

ASKED, ANSWERED = "Where is H7?", "In Graz."
FIND: dict[str, Any] = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {}}},
}
SYSTEM = (
    "You are given signatures within <tools></tools> XML tags. Return calls within <tool_call></tool_call> tags.\n"
    f"<tools> {json.dumps([FIND])} </tools>"
)
CALL = '<tool_call>\n{"arguments": {"order": "H7"}, "name": "find"}\n</tool_call>'


def read(*said: tuple[str, str], **row: Any) -> Conversation:
    turns = [{"from": speaker, "value": text} for speaker, text in said]
    (found,) = conversations_of([(1, {"conversations": turns, **row})]).conversations
    return found


@pytest.mark.parametrize(
    ("speaker", "given", "content", "name"),
    [
        ("tool", '{"name": "find", "content": {"city": "Graz"}}', '{"city":"Graz"}', "find"),
        ("tool", '{"tool_call_id": "x", "name": "find", "content": "Graz"}', "Graz", "find"),
        ("tool", "{'name': 'find', 'content': None}", "null", "find"),
        ("human", '{"city": "Graz", "content": 3}', '{"city": "Graz", "content": 3}', ""),
        ("human", "Graz, on Monday", "Graz, on Monday", ""),
    ],
)
def test_calls_and_results_between_tags_are_read_so(speaker: str, given: str, content: str, name: str) -> None:
    found = read(("system", SYSTEM), ("human", ASKED), ("gpt", CALL),
                 (speaker, f"<tool_response>\n{given}\n</tool_response>"), ("gpt", ANSWERED))  # fmt: skip

    assert found.messages[2:4] == (
        Message("assistant", "", (ToolCall("find", '{"order":"H7"}'),)),
        Message("tool", content, name=name),
    )
    assert [json.loads(tool) for tool in found.tools] == [FIND]


def test_several_calls_stand_beside_what_is_said_and_have_their_results_in_one_turn() -> None:
    other = "<tool_call>{'name': 'price', 'arguments': {}}</tool_call>"
    both = "<tool_response>Graz</tool_response>\n<tool_response>5 euros</tool_response>\n"
    found = read(("human", ASKED), ("gpt", f"One moment.\n{CALL}\n{other}"), ("tool", both), ("gpt", ANSWERED))

    spoke = found.messages[1]
    assert (spoke.content, [call.name for call in spoke.tool_calls]) == ("One moment.", ["find", "price"])
    assert [message.content for message in found.messages[2:4]] == ["Graz", "5 euros"]


@pytest.mark.parametrize(
    "text",
    [
        "Write <tool_call></tool_call> around it.",
        '<tool_call>{"name": "find"}</tool_call> is how a call looks.',
        '<tool_call>{"name": "find", "arguments": {}}',
        "<tool_call>what?</tool_call>",
    ],
)
def test_what_is_no_whole_call_stays_text(text: str) -> None:
    spoke = read(("human", ASKED), ("gpt", text)).messages[1]
    assert (spoke.content, spoke.tool_calls) == (text, ())


@pytest.mark.parametrize("text", ["<tool_response>Graz</tool_response> is odd", "see <tool_response>", "hi"])
def test_a_user_who_says_more_than_results_speaks(text: str) -> None:
    assert read(("human", text), ("gpt", ANSWERED)).messages[0] == Message("user", text)


def test_tools_of_the_row_come_before_those_in_the_prompt_and_these_may_stand_a_line_each() -> None:
    lines = f"Call these.\n<tools>\n{json.dumps(FIND)}\n{json.dumps(FIND).replace('find', 'price')}\n</tools>"
    turns = (("system", lines), ("human", ASKED), ("gpt", ANSWERED))

    assert len(read(*turns).tools) == 2
    assert [json.loads(tool) for tool in read(*turns, tools=[FIND]).tools] == [FIND]


@ends
@pytest.mark.parametrize("piece", ["<tool_call>{", "<tool_response>", "<tools>["])
def test_tags_that_are_never_closed_are_read_once(piece: str) -> None:
    text = long(piece)
    assert read(("system", text), ("human", ASKED), ("gpt", text)).messages[-1].content == text
