"""Calls of tools in a conversation with a played user: read out of a reply, and answered by what the scenario says.

Nothing is run: a result is looked up in data. What goes wrong is told to the assistant as a server would tell it, and
to the user of the run in a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from promptopt.evaluators.calls import calls_in
from promptopt.evaluators.demands import holds_arguments
from promptopt.text import Pattern, shorten, strip_fence
from promptopt.thoughts import spoken
from promptopt.types import Example, Message, Reply, ToolCall, ToolResult, canonical, tool_names
from promptopt.types.identity import object_in

CALL_CHARACTERS = 80
"""Characters of a call in a sentence."""
NAMELESS = "unknown"
"""What a call is named that says no tool's name."""
_OPEN = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
"""A call, also one whose end was cut off or forgotten."""
# With quotation marks forgotten too: `{name: find_order, …}`.
_NAME_ENTRY = re.compile(r"""["']?name["']?\s*[:=]\s*["']?([\w.:-]{1,200})""")


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply that calls tools, and what they gave. `problems`: a sentence for each call that came to nothing.

    `unfit`: those of them that a further result in the data would mend, a call for each tool.
    """

    messages: tuple[Message, ...]
    problems: tuple[str, ...] = ()
    unfit: tuple[ToolCall, ...] = ()


def answered(example: Example, reply: Reply, earlier: int) -> Answered | None:
    """What comes of the calls in a reply; None where there are none. `earlier`: calls in the conversation so far."""
    said, calls = _calls(example, reply)
    if not calls:
        return None
    kept: list[ToolCall] = []
    told: list[Message] = []
    problems: list[str] = []
    unfit: dict[str, ToolCall] = {}
    for number, call in enumerate(calls, start=earlier + 1):
        id = call.id if call.id else f"call_{number}"
        gives, problem = _result_of_call(example, call)
        # What is no JSON would be refused by servers, and by chat templates; the result quotes it.
        kept.append(ToolCall(call.name, "{}" if object_in(call.arguments) is None else call.arguments, id))
        told.append(Message("tool", gives if gives is not None else f"Error: {problem}.", tool_call_id=id))
        problems += [] if gives is not None else [problem]
        if gives is None and call.name in tool_names(example.tools) and object_in(call.arguments) is not None:
            unfit.setdefault(call.name, call)
    spoke = Message("assistant", said, tool_calls=tuple(kept))
    return Answered((spoke, *told), tuple(problems), tuple(unfit.values()))


def _calls(example: Example, reply: Reply) -> tuple[str, list[ToolCall]]:
    """What a reply says beside its calls, and the calls, those first that the engine read."""
    said = spoken(reply.text)
    text, calls = calls_in(example, "" if said is None else said)
    bare = strip_fence(text)
    name = _NAME_ENTRY.search(bare) if bare.startswith("{") else None
    if name is not None and name[1] in tool_names(example.tools):
        # Without tags, and no JSON: nobody says such a thing to a user.
        return "", [*reply.tool_calls, *calls, ToolCall(name[1], bare)]
    for found in _OPEN.finditer(text):
        name = _NAME_ENTRY.search(found[1])
        calls.append(ToolCall(NAMELESS if name is None else name[1], found[1].strip()))
    return _OPEN.sub("", text).strip(), [*reply.tool_calls, *calls]


def _result_of_call(example: Example, call: ToolCall) -> tuple[str | None, str]:
    """What a tool gives on a call, or why nothing."""
    names = tool_names(example.tools)
    shown = shorten(call.written, CALL_CHARACTERS)
    if call.name not in names:
        return None, f"{shown} calls a tool that there is not; there is {', '.join(names)}"
    arguments = object_in(call.arguments)
    if arguments is None:
        return None, f"{shown} has arguments that are no JSON object"
    for result in example.results:
        if result.tool == call.name and holds_arguments(call, result.arguments):
            gives = filled(result, arguments)
            if gives is not None:
                return gives, ""
    return None, f"{shown} has no result"


def filled(result: ToolResult, arguments: Mapping[str, object]) -> str | None:
    """What a result says on a call with these arguments; None where the call lacks one that stands in it."""
    if any(name not in arguments for name in result.slots):
        return None
    values = {name: _canonical_text(arguments[name]) for name in result.slots}
    if not result.structured:
        return Pattern(result.gives, result.slots).render(values)
    return canonical(_each(json.loads(result.gives), result.slots, values))


def _each(value: object, slots: Sequence[str], values: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return Pattern(value, slots).render(values)
    if isinstance(value, dict):
        return {name: _each(each, slots, values) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_each(each, slots, values) for each in cast("list[object]", value)]
    return value


def _canonical_text(value: object) -> str:
    return value if isinstance(value, str) else canonical(value)


def heard(messages: Sequence[Message]) -> list[Message]:
    """What the user of a conversation sees of it: no calls of tools, and nothing that those gave."""
    return [
        replace(message, tool_calls=()) for message in messages if message.role in ("user", "assistant")
        and message.content
    ]  # fmt: skip
