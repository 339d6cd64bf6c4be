"""What programs write around messages: parts, steps, spans of tracing, envelopes; all become the same conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import NO_MESSAGES, Conversation, Reading, conversations_of, is_log

ASKED, ANSWERED, GIVEN = "Where is 7?", "It is on its way.", {"place": "Graz"}
SPOKEN = [("system", "Be kind."), ("user", ASKED), ("assistant", 'find({"order":7})'), ("tool", '{"place":"Graz"}'),
          ("assistant", ANSWERED)]  # fmt: skip
OPENAI: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": None,
     "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"order":7}'}}]},
    {"role": "tool", "content": '{"place":"Graz"}', "tool_call_id": "c1"},
]  # fmt: skip
LAST = {"role": "assistant", "content": ANSWERED}


def read(*rows: dict[str, Any]) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


def only(row: dict[str, Any]) -> Conversation:
    (found,) = read(row).conversations
    return found


def said(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message.role, message.written) for message in only(row).messages]


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


CONVERSE = [
    {"role": "user", "content": [{"text": ASKED}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "find", "input": {"order": 7}}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"json": GIVEN}]}}]},
]
REASONED = [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": ANSWERED}]
GEMINI = [
    {"role": "user", "parts": [{"text": ASKED}]},
    {"role": "model", "parts": [{"function_call": {"name": "find", "args": {"order": 7}}}]},
    {"role": "function", "parts": [{"function_response": {"name": "find", "response": GIVEN}}]},
    {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": ANSWERED}]},
]
TOOL = {"type": "tool-find", "toolCallId": "c1", "state": "output-available", "input": {"order": 7}, "output": GIVEN}
OLD = {"state": "result", "toolCallId": "c1", "toolName": "find", "args": {"order": 7}, "result": GIVEN}
DYNAMIC = {**TOOL, "type": "dynamic-tool", "toolName": "find"}
SYSTEM = {"role": "system", "parts": [text("Be kind.")]}
USER = {"role": "user", "parts": [text(ASKED), {"type": "data-plan", "data": {}}]}


def answered(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    steps = [{"type": "step-start"}, *parts, {"type": "step-start"}, text(ANSWERED), {"type": "source-url", "url": "x"}]
    return [SYSTEM, USER, {"role": "assistant", "parts": steps}]


@pytest.mark.parametrize(
    "row",
    [
        {"input": {"inputBodyJson": {"system": [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}],
                                     "messages": CONVERSE}},
         "output": {"outputBodyJson": {"output": {"message": {"role": "assistant", "content": REASONED}}}}},
        {"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": GEMINI},
        {"messages": answered(TOOL)},
        {"messages": answered(DYNAMIC)},
        {"messages": answered({"type": "tool-invocation", "toolInvocation": OLD})},
        {"messages": [SYSTEM, USER, {"role": "assistant", "content": ANSWERED, "toolInvocations": [OLD]}]},
        {"params": {"messages": OPENAI}, "result": {"type": "succeeded", "message": LAST}},
        {"trace_id": "t", "run_type": "chain", "inputs": {"messages": OPENAI[1:2]},
         "outputs": {"messages": [*OPENAI, LAST]}},
        {"instructions": "Be kind.", "input": ASKED,
         "output": [{"type": "web_search_call", "id": "w", "status": "completed"},
                    {"type": "mcp_call", "id": "c1", "name": "find", "arguments": '{"order":7}', "output": GIVEN},
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWERED}]}]},
        {"entries": [*OPENAI, {"role": "assistant", "content": [text({"value": ANSWERED, "annotations": []})]}]},  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_parts_and_envelopes_of_programs_become_the_same_conversation(row: dict[str, Any]) -> None:
    assert is_log(row)
    assert said(row) == SPOKEN


INPUT = "gen_ai.input.messages"
CONVENTION: dict[str, Any] = {
    "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.conversation.id": "s",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be kind."}]),
    INPUT: json.dumps([{"role": "user", "parts": [{"type": "text", "content": ASKED}]},
                       {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "find",
                                                        "arguments": {"order": 7}}]},
                       {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": GIVEN}]}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": ANSWERED}]}]),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "find", "parameters": {"type": "object"}}]),
}  # fmt: skip


def openinference(prefix: str, envelope: str) -> dict[str, Any]:
    """Messages under flat names, as OpenInference and OpenLLMetry write them."""
    found: dict[str, Any] = {}
    for place, message in enumerate(OPENAI):
        for name, value in message.items():
            if name != "tool_calls" and value is not None:
                found[f"{prefix}.{place}.{envelope}{name}"] = value
    call = f"{prefix}.2.{envelope}tool_calls.0.{'tool_call.' if envelope else ''}"
    function = f"{call}function." if envelope else call
    return {**found, f"{call}id": "c1", f"{function}name": "find", f"{function}arguments": '{"order":7}'}


PHOENIX = {"openinference.span.kind": "LLM", "session.id": "s", "llm.output_messages.0.message.role": "assistant",
           "llm.output_messages.0.message.content": ANSWERED,
           "llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "find"}}',
           **openinference("llm.input_messages", "message.")}  # fmt: skip
LLMETRY = {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": ANSWERED,
           "llm.request.functions.0.name": "find", "traceloop.association.properties.session_id": "s",
           **openinference("gen_ai.prompt", "")}  # fmt: skip


def in_columns(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"attributes.{name}": value for name, value in attributes.items()}


def in_otlp(attributes: dict[str, Any]) -> dict[str, Any]:
    listed = [{"key": name, "value": {"stringValue": value}} for name, value in attributes.items()]
    spans = [{"name": "chat", "attributes": listed}]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}


@pytest.mark.parametrize("attributes", [CONVENTION, PHOENIX, LLMETRY], ids=["gen_ai", "openinference", "openllmetry"])
@pytest.mark.parametrize(
    "write", [lambda each: {"attributes": each}, in_columns, in_otlp], ids=["object", "columns", "otlp"]
)
def test_attributes_of_spans_are_read_however_they_are_written(attributes: dict[str, Any], write: Any) -> None:
    row = write(attributes)
    assert is_log(row)
    found = only(row)

    assert said(row) == SPOKEN
    assert found.id == "s"
    assert [json.loads(tool)["function"]["name"] for tool in found.tools] == ["find"]


def test_messages_that_lie_in_objects_of_a_span_are_read() -> None:
    message = {"message": {"role": "user", "content": ASKED}}
    row = {"context": {"trace_id": "t"}, "attributes": {"llm": {"input_messages": [message],
                                                               "output_messages": [{"message": LAST}]}}}  # fmt: skip

    assert said(row) == [("user", ASKED), ("assistant", ANSWERED)]
    assert only(row).id == "t"


@pytest.mark.parametrize(
    "kind", [{"gen_ai.operation.name": "execute_tool"}, {"gen_ai.operation.name": "invoke_agent"},
             {"openinference.span.kind": "AGENT"}, {"openinference.span.kind": "EMBEDDING"}]
)  # fmt: skip
def test_spans_of_other_kinds_are_no_call_of_a_model(kind: dict[str, str]) -> None:
    span = {INPUT: CONVENTION[INPUT], **kind}
    found = read({"attributes": CONVENTION}, {"attributes": span})

    assert len(found.conversations) == 1
    ((reason, rows),) = found.refused.items()
    assert rows == (2,)
    assert "no call of a model" in reason


def test_attributes_that_say_nothing_of_a_model_leave_a_row_as_it_is() -> None:
    assert said({"attributes": {"a.b": 1, "a.0": 2}, "v.x": "1", "messages": [*OPENAI, LAST]}) == SPOKEN
    assert list(read({"attributes": {"http.method": "GET"}}).refused) == [NO_MESSAGES]


def test_messages_that_a_program_cut_off_are_told_so() -> None:
    (reason,) = read({"attributes": {INPUT: CONVENTION[INPUT][:60]}}).refused

    assert "cut off" in reason
    assert "raise the limit" in reason


def test_what_is_nested_too_deeply_is_refused_with_its_row() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2_000):
        deep = {"tool": deep}
    found = read({"messages": OPENAI}, {"attributes": deep, "messages": OPENAI})

    assert list(found.refused.values()) == [(2,)]
    assert len(found.conversations) == 1


def test_a_text_and_the_calls_behind_it_are_one_reply() -> None:
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]}
    calls = [{"type": "function_call", "call_id": id, "name": "find", "arguments": "{}"} for id in ("a", "b")]
    *_, reply = only({"input": ASKED, "output": [{"type": "reasoning", "summary": []}, spoken, *calls]}).messages

    assert reply.content == "Let me look."
    assert [call.id for call in reply.tool_calls] == ["a", "b"]


def test_runs_of_a_chain_are_read_where_there_is_no_call_of_a_model_and_left_out_beside_one() -> None:
    chain = {"run_type": "chain", "inputs": {"messages": OPENAI[:2]}, "outputs": {"messages": [*OPENAI[:2], LAST]}}
    call = {"run_type": "llm", "inputs": {"messages": OPENAI[:2]}, "outputs": {"message": LAST}}

    assert len(read(chain, chain).conversations) == 2
    beside = read(chain, call)
    assert len(beside.conversations) == 1
    assert list(beside.refused.values()) == [(1,)]


SCHEMA = {"type": "object", "properties": {"order": {"type": "integer"}}}


@pytest.mark.parametrize(
    "given",
    [
        {"tools": [{"type": "function", "name": "find", "parameters": SCHEMA}, {"type": "web_search"}]},
        {"tools": [{"functionDeclarations": [
            {"name": "find", "parameters": {"type": "OBJECT", "properties": {"order": {"type": "INTEGER"}}}}]}]},
        {"input": {"inputBodyJson": {"toolConfig": {"tools": [
            {"toolSpec": {"name": "find", "inputSchema": {"json": SCHEMA}}}]}}}},
        {"params": {"tools": [{"name": "find", "input_schema": SCHEMA}]}},
    ],
)  # fmt: skip
def test_tools_of_each_program_are_kept_in_openais_form(given: dict[str, Any]) -> None:
    (tool,) = only({"messages": OPENAI, **given}).tools

    assert json.loads(tool) == {"type": "function", "function": {"name": "find", "parameters": SCHEMA}}
