"""Spans of tracing programs as rows: what their attributes say of a call of a model, under the usual names.

OpenTelemetry's conventions for generative models, OpenInference's (Phoenix), OpenLLMetry's and those of the AI SDK. The
attributes may be one object, a list as OTLP writes them, or a column each; dots in a name are levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from promptopt.tasks.reading.chat_parts import parsed

Row = Mapping[str, object]
# In the order in which they are looked for, by the member that they become. Weave's tables and others that were made
# flat have the members of requests and replies as columns.
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "input": ("gen_ai.input.messages", "llm.input_messages", "gen_ai.prompt", "ai.prompt.messages",
              "mlflow.spanInputs", "request_data", "inputs.messages", "request.messages", "request_body.messages"),
    "output": ("gen_ai.output.messages", "llm.output_messages", "gen_ai.completion", "ai.response.text",
               "mlflow.spanOutputs", "response_data", "output.choices", "response.choices", "response_body.choices"),
    "system": ("gen_ai.system_instructions",),
    "tools": ("gen_ai.tool.definitions", "llm.tools", "llm.request.functions", "ai.prompt.tools"),
    "conversation_id": ("gen_ai.conversation.id", "session.id", "langfuse.session.id",
                        "traceloop.association.properties.session_id", "traceloop.association.properties.thread_id"),
    "trace_id": ("context.trace_id", "trace_id", "traceId"),
    "run_type": ("openinference.span.kind", "span_kind", "span_attributes.type", "gen_ai.operation.name",
                 "mlflow.spanType"),
}  # fmt: skip
_RUN_TYPES = {
    "execute_tool": "tool",
    "invoke_agent": "chain",
    "agent": "chain",
    "task": "chain",
    "embeddings": "embedding",
}
"""What conventions call the kinds of calls that LangSmith calls otherwise."""
EVENTS = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
          "gen_ai.tool.message": "tool", "gen_ai.choice": "assistant"}  # fmt: skip
"""Events that are a message, as the conventions had it first."""
_ENVELOPES = ("message", "tool_call", "message_content", "tool")
_PLACE_DIGITS = 20
"""Of a place in a list, at most: Python refuses to count by numbers of thousands. Ours."""


def span_of(row: Row) -> Row:
    """The row with what its attributes say; the row itself where it is no span."""
    given = row.get("attributes")
    held = cast("dict[str, object]", given) if isinstance(given, dict) else _of_otlp(given)
    # Logfire keeps the events of a span among its attributes.
    told, input, output = _of_events(parsed(row.get("events", held.get("events"))))
    # In this order: what a span says itself goes before what its events say.
    held = {**told, **held}
    dotted = {name: value for name, value in row.items() if "." in name}
    if not held and not dotted and not input and "span_attributes" not in row:
        return row
    named = {**row, **{name.removeprefix("attributes."): value for name, value in dotted.items()},
             **held}  # fmt: skip
    whole = _nested(named)
    found = {
        member: _undotted(parsed(value))
        for member, paths in _MEMBERS.items()
        if (value := next((each for path in paths if (each := _at(whole, path)) not in (None, "", [], {})), None))
        is not None
    }
    for name, messages in (("input", input), ("output", output)):
        if messages:
            found.setdefault(name, messages)
    if "input" not in found and "input" not in row:
        return row
    kind = str(found.get("run_type", "llm")).casefold()
    return {**row, **found, "run_type": _RUN_TYPES.get(kind, kind)}


def _undotted(value: object) -> object:
    """Messages of OpenInference that a table holds as JSON, whose names have dots; any other value as it is."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    dotted = any(isinstance(each, dict) and "message.role" in each for each in listed)
    return _nested(listed) if dotted else cast("object", value)


def _of_events(value: object) -> tuple[dict[str, object], list[object], list[object]]:
    """What the events of a span say: attributes of it, and messages, the replies apart."""
    attributes: dict[str, object] = {}
    input: list[object] = []
    output: list[object] = []
    for event in cast("list[object]", value) if isinstance(value, list) else []:
        table = cast("dict[str, object]", event) if isinstance(event, dict) else {}
        given, name = table.get("attributes", table), str(table.get("name", table.get("event.name")))
        said = cast("dict[str, object]", given) if isinstance(given, dict) else _of_otlp(given)
        if name in EVENTS:
            (output if name == "gen_ai.choice" else input).append(message_of_event(name, said))
        elif name.startswith("gen_ai."):
            attributes |= said
    return attributes, input, output


def message_of_event(name: str, body: Row) -> dict[str, object]:
    """The message of such an event, which stands in it as it is, as JSON, or under a name."""
    inner = [parsed(body[each]) for each in ("gen_ai.event.content", "message") if each in body]
    within = [cast("dict[str, object]", each) for each in inner if isinstance(each, dict)]
    found = {key: parsed(value) if key == "tool_calls" else value for key, value in body.items()}
    deeper = cast("dict[str, object]", within[0].get("message", within[0])) if within else {}
    return {"role": EVENTS[name], "content": "", **found, **deeper}


def _of_otlp(value: object) -> dict[str, object]:
    """The pairs of key and value that OTLP writes as a list."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    pairs = [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]
    return {str(pair["key"]): _otlp_value(pair.get("value")) for pair in pairs if "key" in pair}


def _otlp_value(value: object) -> object:
    """A value that stands in OTLP under the name of its kind, such as `stringValue`."""
    table = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if len(table) != 1:
        return cast("object", value)
    inner = next(iter(table.values()))
    listed = cast("dict[str, object]", inner).get("values") if isinstance(inner, dict) else None
    if not isinstance(listed, list):
        return cast("object", inner)
    values = cast("list[object]", listed)
    return _of_otlp(values) if "kvlistValue" in table else [_otlp_value(each) for each in values]


def _nested(value: object) -> object:
    """Names with dots as levels, numbers among them as places of a list, and no envelopes around messages."""
    if isinstance(value, list):
        return [_nested(each) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    found: dict[str, object] = {}
    for name, inner in cast("dict[str, object]", value).items():
        *outer, last = name.split(".")
        place = found
        for each in outer:
            below = place.setdefault(each, {})
            # Where a name holds a text and has names below it, the text stays.
            place = cast("dict[str, object]", below) if isinstance(below, dict) else {}
        within = _nested(inner)
        there = place.get(last)
        both = isinstance(there, dict) and isinstance(within, dict)
        place[last] = {**cast("dict[str, object]", there), **cast("dict[str, object]", within)} if both else within
    return _without_envelopes(found)


def _without_envelopes(table: dict[str, object]) -> object:
    table = {name: _without_envelopes(cast("dict[str, object]", each)) if isinstance(each, dict) else each
             for name, each in table.items()}  # fmt: skip
    # By number: as texts, 10 would stand before 2.
    if table and all(name.isdecimal() and len(name) <= _PLACE_DIGITS for name in table):
        return [table[name] for name in sorted(table, key=int)]
    inner = next(iter(table.values()), None)
    if len(table) == 1 and next(iter(table)) in _ENVELOPES and isinstance(inner, dict):
        return cast("object", inner)
    # OpenInference has the schema of a tool as JSON in a text.
    if len(table) == 1 and "json_schema" in table:
        return parsed(inner)
    # OpenInference has parts under a name of their own.
    return {**table, "content": table["contents"]} if "role" in table and "contents" in table else table


def _at(value: object, path: str) -> object:
    for name in path.split("."):
        value = cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
    return value
