"""Every form of a log becomes the same conversation, and what cannot be used is told by its row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Conversation, Reading, conversations_of, is_log
from promptopt.types import Message, ToolCall, messages_to_json

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"order":7}'}}
OPENAI = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Where is 7?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "on its way", "tool_call_id": "c1"},
    {"role": "assistant", "content": "It is on its way."},
]


def read(*rows: dict[str, Any], **how: Any) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)), **how)


def only(row: dict[str, Any]) -> Conversation:
    (found,) = read(row).conversations
    return found


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.written) for message in conversation.messages]


SPOKEN = [("system", "Be kind."), ("user", "Where is 7?"), ("assistant", 'find({"order":7})'), ("tool", "on its way"),
          ("assistant", "It is on its way.")]  # fmt: skip
ANTHROPIC = [
    {"role": "user", "content": [{"type": "text", "text": "Where is 7?"}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "find", "input": {"order": 7}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "on its way"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "It is on its way."}]},
]
SHAREGPT = [
    {"from": "system", "value": "Be kind."},
    {"from": "human", "value": "Where is 7?"},
    {"from": "function_call", "value": '{"name": "find", "arguments": {"order": 7}}'},
    {"from": "observation", "value": "on its way"},
    {"from": "gpt", "value": "It is on its way."},
]
LANGCHAIN = [
    {"lc": 1, "id": ["langchain", "schema", "messages", "SystemMessage"], "kwargs": {"content": "Be kind."}},
    {"lc": 1, "id": ["langchain", "schema", "messages", "HumanMessage"],
     "kwargs": {"content": "Where is 7?", "type": "human"}},
    {"lc": 1, "id": ["langchain", "schema", "messages", "AIMessage"],
     "kwargs": {"content": "", "tool_calls": [{"name": "find", "args": {"order": 7}, "id": "c1"}]}},
    {"lc": 1, "id": ["langchain", "schema", "messages", "ToolMessage"],
     "kwargs": {"content": "on its way", "tool_call_id": "c1"}},
]  # fmt: skip
LAST = {"role": "assistant", "content": "It is on its way."}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": OPENAI},
        {"messages": json.dumps(OPENAI)},
        {"custom_id": "1", "body": {"model": "m", "messages": OPENAI}},
        {"request": {"messages": OPENAI[:-1]}, "response": {"body": {"choices": [{"message": LAST}]}}},
        {"input": OPENAI[:-1], "ideal": "It is on its way."},
        {"input": OPENAI[:-1], "ideal": ["It is on its way.", "Soon there."]},
        {"system": "Be kind.", "messages": ANTHROPIC},
        {"conversations": SHAREGPT},
        {"input": {"messages": OPENAI[:-1]}, "output": LAST, "type": "GENERATION"},
        {"input": json.dumps({"messages": OPENAI[:-1]}), "output": json.dumps(LAST)},
        {"input": OPENAI[:-1], "expectedOutput": "It is on its way.", "status": "ACTIVE"},
        {"run_type": "llm", "inputs": {"messages": [LANGCHAIN]},
         "outputs": {"generations": [[{"message": {"type": "ai", "data": {"content": LAST["content"]}}}]]}},
        {"inputs": {"messages": OPENAI[:-1]}, "outputs": {"output": "It is on its way."}, "run_type": "llm"},
    ],
)  # fmt: skip
def test_every_form_of_a_log_becomes_the_same_conversation(row: dict[str, Any]) -> None:
    assert is_log(row)
    found = said(only(row))

    assert found[-4:] == SPOKEN[-4:]
    assert found[0] == SPOKEN[0]


def test_a_row_of_openai_is_written_as_it_was_read() -> None:
    assert messages_to_json(only({"messages": OPENAI}).messages) == OPENAI


def test_transcripts_go_by_conversation_and_time() -> None:
    rows = [
        {"session_id": "b", "speaker": "customer", "text": "hello", "time": "1"},
        {"session_id": "a", "speaker": "agent", "text": "hi", "time": "10"},
        {"session_id": "a", "speaker": "customer", "text": "hey", "time": "9"},
    ]
    found = {each.id: said(each) for each in read(*rows).conversations}

    assert found == {"b": [("user", "hello")], "a": [("user", "hey"), ("assistant", "hi")]}


def test_an_unknown_speaker_is_named_and_can_be_told() -> None:
    row = {"messages": [{"role": "user", "content": "hi"}, {"role": "narrator", "content": "Later."}]}
    (reason,) = read(row).refused

    assert "'narrator' is unknown" in reason
    assert "--speaker" in reason
    assert said(read(row, speakers={"Narrator": "assistant"}).conversations[0])[1] == ("assistant", "Later.")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "image", "source": {"data": "…"}},
        {"type": "input_audio", "input_audio": {"data": "…"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"inline_data": {"mime_type": "image/png"}},
    ],
)
def test_a_row_with_an_image_or_a_sound_is_refused_with_its_number(part: dict[str, Any]) -> None:
    row = {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, part]}, LAST]}
    found = read({"messages": OPENAI}, row)

    ((reason, rows),) = found.refused.items()
    assert rows == (2,)
    assert "images, sounds and files are not read" in reason
    assert len(found.conversations) == 1


def test_calls_of_a_model_stand_in_rows_of_their_own_and_chains_are_left_out() -> None:
    run = {"inputs": {"messages": OPENAI}, "run_type": "chain"}
    archived = {"input": OPENAI, "status": "ARCHIVED"}

    assert list(read(run, archived).refused.values()) == [(1,), (2,)]


def test_turns_of_one_session_are_one_group() -> None:
    rows = [{"messages": OPENAI, "metadata": {"thread_id": "t1"}, "user": "u"} for _ in range(2)]

    assert {each.id for each in read(*rows).conversations} == {"t1"}
    assert {each.id for each in read(*rows, group_by="user").conversations} == {"u"}


def test_tools_are_kept_in_openais_form() -> None:
    schema = {"type": "object", "properties": {}}
    anthropic = {"tools": [{"name": "find", "description": "d", "input_schema": schema}], "messages": OPENAI}
    (tool,) = only(anthropic).tools

    assert json.loads(tool) == {
        "type": "function",
        "function": {"name": "find", "description": "d", "parameters": schema},
    }


@pytest.mark.parametrize(
    "row",
    [{"text": "good film", "label": "good"}, {"prompt": "p", "chosen": [LAST], "rejected": [LAST]},
     {"question": "q", "answer": "a"}],
)  # fmt: skip
def test_tables_of_examples_are_no_logs(row: dict[str, Any]) -> None:
    assert not is_log(row)


def test_a_call_is_the_same_however_its_arguments_are_written() -> None:
    assert ToolCall.of("f", '{"b": 1, "a": 2}') == ToolCall.of("f", {"a": 2, "b": 1})
    assert ToolCall.of("f", "not json").arguments == "not json"
    assert Message("assistant", "", (ToolCall.of("f"),)).written == "f({})"
