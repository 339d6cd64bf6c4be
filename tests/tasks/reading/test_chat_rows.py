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
RESPONSES = [
    {"role": "user", "content": [{"type": "input_text", "text": "Where is 7?"}]},
    {"type": "reasoning", "summary": []},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "find", "arguments": '{"order": 7}'},
    {"type": "function_call_output", "call_id": "c1", "output": "on its way"},
]
ANSWERED = [
    {"type": "reasoning", "summary": []},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": LAST["content"]}]},
]
GEMINI = [
    {"role": "user", "parts": [{"text": "Where is 7?"}]},
    {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"order": 7}}}]},
    {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": "on its way"}}]},
]
TELEMETRY = [
    {"role": "user", "parts": [{"type": "text", "content": "Where is 7?"}]},
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "find", "arguments": {"order": 7}}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "on its way"}]},
]
VERCEL = [
    {"role": "user", "content": [{"type": "text", "text": "Where is 7?"}]},
    {"role": "assistant",
     "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "find", "input": {"order": 7}}]},
    {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "find",
                                  "output": {"type": "text", "value": "on its way"}}]},
]  # fmt: skip
GENERATION = {"type": "GENERATION", "input": OPENAI[:-1], "output": LAST}


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
        {"instructions": "Be kind.", "input": RESPONSES, "output": ANSWERED},
        {"system_prompt": "Be kind.", "conversations": SHAREGPT[1:]},
        {"system": "Be kind.", "messages": OPENAI},
        {"system": [{"type": "text", "text": "Be kind."}], "messages": ANTHROPIC},
        {"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": GEMINI,
         "candidates": [{"content": {"role": "model", "parts": [{"text": "It is on its way."}]}}]},
        {"system_instruction": "Be kind.", "input": TELEMETRY, "output": LAST},
        {"input": [OPENAI[0], *VERCEL], "output": "It is on its way."},
        {"items": SHAREGPT},
        {"item": {"input": OPENAI[:-1], "ideal": "It is on its way."}},
        {"item": {"input": OPENAI[:-1]}, "sample": {"output_text": "It is on its way."}},
        {"type": "sampling", "data": {"prompt": OPENAI[:-1], "sampled": ["It is on its way."]}},
        {"input": {"messages": OPENAI[:-1]}, "preferred_output": [LAST], "non_preferred_output": [OPENAI[1]]},
        {"input_messages": OPENAI[:-1], "output_messages": [LAST]},
        {"id": "t", "input": None, "observations": [GENERATION]},
        {"inputs": {}, "run_type": "llm", "child_runs": [{"run_type": "llm", "inputs": {"messages": OPENAI}}]},
    ],
)  # fmt: skip
def test_every_form_of_a_log_becomes_the_same_conversation(row: dict[str, Any]) -> None:
    assert is_log(row)
    found = said(only(row))

    assert found[-4:] == SPOKEN[-4:]
    assert found[0] == SPOKEN[0]


def test_each_call_of_a_model_in_a_trace_is_a_conversation_of_its_session() -> None:
    span = {"type": "SPAN", "input": {"query": "7"}}
    found = read({"id": "t", "sessionId": "s", "observations": [span, GENERATION, GENERATION]})

    assert [each.id for each in found.conversations] == ["s", "s"]
    assert list(found.refused.values()) == [(1,)]


@pytest.mark.parametrize(
    "entries",
    [
        [{"from": "function_call", "value": '{"name": "find", "arguments": {"order": 7}}'},
         {"from": "function_call", "value": '{"name": "find", "arguments": {"order": 8}}'}],
        [{"type": "function_call", "call_id": "a", "name": "find", "arguments": '{"order": 7}'},
         {"type": "function_call", "call_id": "b", "name": "find", "arguments": '{"order": 8}'}],
    ],
)  # fmt: skip
def test_calls_side_by_side_that_are_entries_of_their_own_are_one_message(entries: list[dict[str, Any]]) -> None:
    found = only({"messages": [{"role": "user", "content": "Where are 7 and 8?"}, *entries, LAST]})

    assert said(found)[1] == ("assistant", 'find({"order":7})\nfind({"order":8})')
    assert [message.role for message in found.messages] == ["user", "assistant", "assistant"]


@pytest.mark.parametrize(
    "reply",
    [{"role": "assistant", "content": None, "refusal": "I cannot do that."},
     {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot do that."}]}],
)  # fmt: skip
def test_what_a_model_refuses_to_do_is_its_reply(reply: dict[str, Any]) -> None:
    assert said(only({"messages": [OPENAI[1], reply]}))[1] == ("assistant", "I cannot do that.")


def test_a_custom_tool_is_called_with_a_text() -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "find", "input": "order 7"}}
    (_, called) = only({"messages": [OPENAI[1], {"role": "assistant", "tool_calls": [call]}]}).messages

    assert called.tool_calls == (ToolCall("find", "order 7", "c1"),)


def test_demands_and_weights_stay_with_the_message_of_their_entry() -> None:
    both = [*ANTHROPIC[:2], {"role": "user", "content": [*ANTHROPIC[2]["content"], {"type": "text", "text": "Well?"}]},
            {**LAST, "demands": ["on its way"], "weight": 0}]  # fmt: skip
    (found,) = read({"messages": both}, demands="demands").conversations

    assert [message.role for message in found.messages] == ["user", "assistant", "tool", "user", "assistant"]
    assert found.demands == (None, None, None, None, ["on its way"])
    assert found.weights == (None, None, None, None, 0.0)


def test_what_an_object_is_in_the_place_of_a_text_is_said() -> None:
    (reason,) = read({"messages": [OPENAI[1], {"role": "assistant", "content": {"answer": "7"}}]}).refused

    assert reason == "the content of a message is {'answer': '7'}, and no text; write it in quotes"


def test_an_image_that_is_written_out_in_a_text_is_refused() -> None:
    shown = f"![a](data:image/png;base64,{'iVBOR' * 100}) what is this?"
    (reason,) = read({"messages": [{"role": "user", "content": shown}, LAST]}).refused

    assert reason == "a text holds the bytes of an image (images, sounds and files are not read)"
    assert not read({"messages": [{"role": "user", "content": "what is data:image/png;base64,?"}, LAST]}).refused


def test_a_row_of_openai_is_written_as_it_was_read() -> None:
    assert messages_to_json(only({"messages": OPENAI}).messages) == OPENAI


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], [{"a": 1}], 7])
def test_a_result_of_a_tool_may_be_any_json(content: object) -> None:
    rows = [*OPENAI[:3], {"role": "tool", "content": content, "tool_call_id": "c1"}, LAST]

    assert json.loads(only({"messages": rows}).messages[3].content) == content


def test_a_place_for_messages_that_nothing_fills_is_no_speaker() -> None:
    row = {"messages": [{"role": "user", "content": "hi"}, {"type": "placeholder", "name": "history"}, LAST]}
    assert list(read(row).refused) == ["the place 'history' for messages is not filled (log what was sent)"]
    assert "'placeholder' is unknown" in next(
        iter(read({"messages": [{"role": "placeholder", "content": "x"}]}).refused)
    )


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
