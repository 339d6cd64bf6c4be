"""What stands in a message beside its text, or in entries of its own: calls of tools, their results, thoughts.

Each program has its own names: OpenAI's chats and responses, Anthropic, Gemini, LangChain, the AI SDK of Vercel and the
conventions of OpenTelemetry. All become the same calls and results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from promptopt.errors import DataError
from promptopt.tasks.reading.json_objects import table_of
from promptopt.types import Message, ToolCall, canonical

_TEXT_KINDS = ("text", "input_text", "output_text")
_SOUNDS = ("input_audio", "output_audio", "audio")
_THOUGHTS = ("thinking", "reasoning", "redacted_thinking", "reasoningContent")
_CALLS = ("tool_use", "tool_call", "tool-call", "function_call", "custom_tool_call", "mcp_call", "mcp_tool_use",
          "function.call")  # fmt: skip
_RESULTS = ("tool_result", "tool_call_response", "tool-result", "function_call_output", "custom_tool_call_output",
            "mcp_tool_result", "function.result")  # fmt: skip
# Parts without a type of their own, by the one member that they have: Gemini's, Bedrock's and Haystack's.
_CALLED_BY = ("functionCall", "function_call", "toolUse", "tool_call")
_RESULT_BY = ("functionResponse", "function_response", "toolResult", "tool_call_result")
_SILENT = ("step-start", "source-url", "source-document", "cachePoint", "item_reference", "web_search_call",
           "file_search_call", "code_interpreter_call", "tool_search_call", "mcp_list_tools",
           "server_tool_use")  # fmt: skip
"""Marks, sources, and what the server of a model did by itself: none is said, and none can be sent again."""
_SILENT_PARTS = ("executableCode", "executable_code", "codeExecutionResult", "code_execution_result")
"""Such parts of Gemini's, which have no kind."""
_NAME_FIELDS = ("name", "toolName", "tool_name")
_ARGUMENTS = ("arguments", "args", "input", "tool_kwargs")
# OpenAI's responses have an `id` of the entry beside the one that joins call and result.
_IDS = ("call_id", "toolCallId", "tool_use_id", "toolUseId", "tool_call_id", "id")
_GIVEN = ("content", "output", "response", "result")
_SENTENCE_ENDS = re.compile(r"[.!?:…。！？]\0\S")
"""Between two pieces of a reply: each is one by itself, with nothing to part them."""
_NOT_READ = "images, sounds and files are not read"


class Unusable(DataError):
    """A conversation that cannot be used; `reason` is half a sentence that other rows may share."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_thought(entry: object) -> bool:
    """Whether this is not said: what a model thought before it spoke, and what its server did by itself."""
    table = table_of(entry)
    kind = next(iter(table)) if len(table) == 1 and not _type(table) else _type(table)
    # Anthropic has a kind for the result of each tool of its servers; those of a program's own have none in front.
    given = kind.endswith("_tool_result") and kind not in _RESULTS
    silent = kind in (*_THOUGHTS, *_SILENT) or (not _type(table) and any(name in table for name in _SILENT_PARTS))
    # The AI SDK lets programs stream data of their own beside what is said.
    return silent or given or kind.startswith("data-") or table.get("thought") is True


def is_entry(entry: object) -> bool:
    """Whether this is a call, a result or a thought that stands beside messages, and not within one."""
    table = table_of(entry)
    return "role" not in table and (is_thought(entry) or is_call(table) or _type(table) in _RESULTS)


def is_call(table: Mapping[str, object]) -> bool:
    """Whether this is a call of a tool by its type and its name."""
    return _type(table) in _CALLS and any(isinstance(table.get(name), str) for name in _NAME_FIELDS)


def entry_of(table: Mapping[str, object]) -> list[Message]:
    """The messages that a call or a result is which stands beside messages; none for a thought."""
    text, calls, results = content_of([dict(table)])
    # The servers of some models run a tool themselves: call and result are then one entry.
    done = _tool_message(table) if calls and not results and _first_given(table, _GIVEN) is not None else None
    asked = [Message("assistant", text, tuple(calls))] if calls else []
    return [*results, *asked, *([done] if done is not None else [])]


def content_of(content: object, *, reply: bool = False) -> tuple[str, list[ToolCall], list[Message]]:
    """The text of a content, the calls that stand in it, and the results. Raises Unusable for anything else.

    `reply`: of a model's, whose texts go on from one another where nothing stands between: each has sources of its own.
    """
    if content is None or isinstance(content, str):
        return "" if content is None else content, [], []
    parts = cast("list[object]", content) if isinstance(content, list) else [content]
    # An object without these is JSON where a text should stand.
    bare = isinstance(content, dict) and not ({"type", "text"} & set(table_of(cast("object", content))))
    if bare or not isinstance(content, list | dict):
        raise Unusable(f"the content of a message is {cast('object', content)!s:.40}, and no text; write it in quotes")
    texts: list[str] = []
    calls: list[ToolCall] = []
    results: list[Message] = []
    goes_on = False
    for part in parts:
        went_on, goes_on = goes_on, False
        if isinstance(part, str):
            texts.append(part)
            continue
        table = table_of(part)
        kind, text = _type(table), _text_of(table)
        if is_thought(table):
            continue
        if is_call(table) or _first_object(table, _CALLED_BY) is not None:
            calls.append(_called(table))
        elif kind in _RESULTS or _first_object(table, _RESULT_BY) is not None:
            results.append(_tool_message(table))
        elif text is not None:
            begun = texts.pop() if went_on and not _SENTENCE_ENDS.search(f"{texts[-1]}\0{text}") else ""
            texts.append(f"{begun}{text}")
            goes_on = reply
        else:
            what = kind if kind else ", ".join(table) if table else "nothing"
            raise Unusable(f"a message holds {what[:40]!r} beside text ({_NOT_READ})")
    return "\n".join(text for text in texts if text), calls, results


def steps_of(content: object) -> list[object]:
    """A content in steps where calls and their results stand in one message, each up to the results; else itself."""
    if not isinstance(content, list):
        return [content]
    steps: list[list[object]] = [[]]
    called = given = False
    parts = [each for part in cast("list[object]", content) for each in _call_and_result(part)]
    for part in parts:
        result = _type(part) in _RESULTS
        if called and given and not result:
            steps.append([])
            called = False
        called, given = called or is_call(table_of(part)), result
        steps[-1].append(part)
    return cast("list[object]", steps)


def calls_beside(table: Mapping[str, object]) -> list[ToolCall]:
    """The calls that stand beside the content of a message. Raises Unusable for one without a name."""
    further = table_of(table.get("additional_kwargs"))
    listed: list[object] = []
    # LangChain keeps what the provider sent beside its own form, which is whole where both are there.
    for place in (further, table):
        found = place.get("tool_calls")
        listed = cast("list[object]", found) if isinstance(found, list) and found else listed
    old = table.get("function_call", further.get("function_call"))
    return [call_of(cast("object", each)) for each in (*listed, old) if isinstance(each, dict)]


def call_of(entry: object) -> ToolCall:
    """One call, in an envelope or without. Raises Unusable for one without a name."""
    table = table_of(entry)
    # OpenAI's custom tools take a text, in an envelope of their own.
    inner = table.get("function", table.get("custom"))
    function = cast("dict[str, object]", inner) if isinstance(inner, dict) else table
    name = _first_given(function, _NAME_FIELDS)
    if not isinstance(name, str) or not name:
        raise Unusable(f"a call of a tool has no name ({shortened_entry(entry)})")
    id = _first_given(table, _IDS)
    return ToolCall.of(name, _first_given(function, _ARGUMENTS), str(id) if id else "")


def is_parts(content: object) -> bool:
    """Whether this is a text, nothing, or a list of a message's parts."""
    listed = cast("list[object]", content) if isinstance(content, list) else [content]
    tables = [cast("dict[str, object]", part) for part in listed if isinstance(part, dict)]
    plain = all(part is None or isinstance(part, str | dict) for part in listed)
    return plain and all(_type(table) or _first_object(table, _RESULT_BY) is not None for table in tables)


def parsed(value: object) -> object:
    """What JSON in a text says; the text where it is none."""
    try:
        return cast("object", json.loads(value)) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def shortened_entry(entry: object) -> str:
    """The beginning of an entry, for an error."""
    return repr(str(entry)[:40])


def _call_and_result(part: object) -> list[object]:
    """The parts of a message of the AI SDK that are a call and its result in one, as both; any other as it is."""
    table = table_of(part)
    held = {**table, **table_of(table.get("toolInvocation"))}
    kind, name = _type(table), held.get("toolName")
    if kind.startswith("tool-") and kind not in (*_CALLS, *_RESULTS, "tool-invocation"):
        name = kind.removeprefix("tool-")
    if kind in (*_CALLS, *_RESULTS) or not isinstance(name, str) or "toolCallId" not in held:
        return [part]
    id, given = held["toolCallId"], _first_given(held, ("output", "result", "errorText"))
    call = {"type": "tool-call", "toolCallId": id, "toolName": name, "input": _first_given(held, _ARGUMENTS)}
    return [call] if given is None else [call, {"type": "tool-result", "toolCallId": id, "output": given}]


def _first_object(table: Mapping[str, object], names: Sequence[str]) -> dict[str, object] | None:
    """The object under the first of these names that holds one."""
    return next((cast("dict[str, object]", table[name]) for name in names if isinstance(table.get(name), dict)), None)


def _called(table: Mapping[str, object]) -> ToolCall:
    inner = _first_object(table, _CALLED_BY)
    return call_of(table if inner is None else inner)


def _tool_message(table: Mapping[str, object]) -> Message:
    inner = _first_object(table, _RESULT_BY)
    given = table if inner is None else inner
    # Haystack keeps the call, with its id, as the origin of its result.
    id = _first_given({**table_of(given.get("origin")), **given}, _IDS)
    # Without an id it is the name that tells whose result this is.
    name = None if id else _first_given(given, _NAME_FIELDS)
    said = _given(_first_given(given, _GIVEN))
    return Message("tool", said, tool_call_id=str(id) if id else "", name=name if isinstance(name, str) else "")


def _given(value: object) -> str:
    """What a tool gave, as text: any JSON that is neither a text nor a message's parts is handed on as such."""
    table = table_of(value)
    # The AI SDK says of what kind a result is.
    if isinstance(table.get("type"), str) and "value" in table:
        return _given(table["value"])
    listed = _list_of_parts(value)
    # Those of Bedrock have a text or an object, and no kind.
    if listed and all(len(each) == 1 and ({"json", "text"} & set(each)) for each in listed):
        return "\n".join(_given(held) for each in listed for held in each.values())
    return content_of(value if is_parts(value) else canonical(value))[0]


def _list_of_parts(value: object) -> list[dict[str, object]]:
    return [table_of(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _text_of(table: Mapping[str, object]) -> str | None:
    """The text of a part; what a model refuses to say is what it says."""
    kind = _type(table)
    if kind == "refusal" and isinstance(table.get("refusal"), str):
        return str(table["refusal"])
    # What Bedrock's guard is to look at is a text in an envelope.
    guarded = table_of(table_of(table.get("guardContent")).get("text")).get("text")
    if isinstance(guarded, str):
        return guarded
    # Cohere gives results of tools as documents.
    document = table_of(table.get("document"))
    if kind == "document" and "data" in document:
        return _given(document["data"])
    # Gemini's parts have a text and no kind.
    text = _first_given(table, ("text", "content")) if kind in _TEXT_KINDS else table.get("text") if not kind else None
    # A sound that was written down is read as that.
    text = table.get("transcript") if kind in _SOUNDS else text
    # Messages of OpenAI's threads have what they cite beside the text.
    text = table_of(text).get("value", text)
    return text if isinstance(text, str) else None


def _type(entry: object) -> str:
    # LlamaIndex calls parts blocks.
    kind = table_of(entry).get("type", table_of(entry).get("block_type"))
    return kind if isinstance(kind, str) else ""


def _first_given(table: Mapping[str, object], names: Sequence[str]) -> object:
    return next((table[name] for name in names if table.get(name) is not None), None)
