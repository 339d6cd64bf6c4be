"""A call of a tool in a reply reads as the one in the target is written, whoever wrote it."""

from __future__ import annotations

import pytest

from promptopt.evaluators.calls import with_calls
from promptopt.types import Example, Message, Reply, ToolCall

ASKED = Example.chat(
    [Message("user", "Where is 7?")], 'find({"order":7})', "", ('{"type":"function","function":{"name":"find"}}',)
)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("", tool_calls=(ToolCall.of("find", {"order": 7}, "other"),)),
        Reply('<tool_call>\n{"name": "find", "arguments": {"order": 7}}\n</tool_call>'),
        Reply('<tool_call>{"name": "find", "parameters": {"order":7}}</tool_call>'),
        Reply('{"name": "find", "arguments": {"order": 7}}'),
        Reply('```json\n{"name": "find", "arguments": {"order": 7}}\n```'),
    ],
)
def test_a_call_is_a_line_of_its_own(reply: Reply) -> None:
    assert with_calls(ASKED, reply).text == ASKED.target


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        '{"name": "other", "arguments": {}}',
        '{"a": 1}',
        "<tool_call>not json</tool_call>",
        '<tool_call>{"name": 3}</tool_call>',
    ],
)
def test_what_is_no_call_stays_as_it_is(text: str) -> None:
    assert with_calls(ASKED, Reply(text)).text == text


def test_several_calls_without_tags_are_a_line_each_and_what_was_cut_off_stays() -> None:
    text = '{"name": "find", "arguments": {"order": 7}}\n{"name": "other", "arguments": {}}\n{"name": "fi'

    assert (
        with_calls(ASKED, Reply(text)).text == f'{ASKED.target}\n{{"name": "other", "arguments": {{}}}}\n{{"name": "fi'
    )


def test_without_tools_nothing_is_taken_for_a_call() -> None:
    written = Reply('<tool_call>{"name": "find", "arguments": {}}</tool_call>')

    assert with_calls(Example.of(text="x"), written) is written
