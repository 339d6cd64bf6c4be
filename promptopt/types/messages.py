"""What a chat is made of: messages, the tools that they call, and all of it as text."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from promptopt.arguments import told
from promptopt.types.identity import canonical, object_in

_NOT_IN_A_NAME = re.compile(r"[\s<|\\/>]+")
_LONGEST_NAME = 64
"""OpenAI refuses a request with a space or such a sign in the name of a speaker, or with a longer one."""
ChatRole = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks; `developer` is what some servers call the system; `tool` brings the result of a call."""


@told
@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool. `arguments`: canonical JSON of an object. `id`: what the result names it by; may be empty."""

    name: str
    arguments: str = "{}"
    id: str = ""

    @classmethod
    def of(cls, name: str, arguments: object = None, id: str = "") -> ToolCall:
        """The call with its arguments as one text, however they were written: an object, its JSON, or nothing.

        What is no JSON stays as it was written.
        """
        given = arguments
        if isinstance(given, str):
            try:
                given = cast("object", json.loads(given)) if given.strip() else None
            except (ValueError, RecursionError):
                return cls(name, str(arguments), id)
        # Canonical, since calls are compared as texts: the order of members and spaces say nothing.
        return cls(name, canonical({} if given is None else given), id)

    @property
    def holds_object(self) -> bool:
        """Whether the arguments are JSON of an object, as a tool takes them."""
        return object_in(self.arguments) is not None

    @property
    def written(self) -> str:
        """`name(arguments)`: the form in which calls are shown, and compared with the right ones."""
        return f"{self.name}({self.arguments})"


@told
@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One chat message.

    `tool_calls`: what an assistant calls; the content may then be empty. `tool_call_id`: whose result a tool's message
    is. `name`: of a speaker or a tool. `tools`: schemas, each canonical JSON, of the tools that are offered in the
    whole chat; on its first message only, so that what is sent and what it is keyed by stay one value.
    """

    role: ChatRole
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    tools: tuple[str, ...] = ()

    def __repr__(self) -> str:
        named = ((name, getattr(self, name)) for name in self.__slots__)
        shown = (f"{name}={value!r}" for name, value in named if value or name in ("role", "content"))
        return f"Message({', '.join(shown)})"

    def further(self) -> dict[str, Any]:
        """What there is beside role and content, as JSON; empty for a plain message, whose key stays what it was."""
        calls = [[call.name, call.arguments, call.id] for call in self.tool_calls]
        # Short names, as they were first stored: another name would be another key.
        given = {"calls": calls, "of": self.tool_call_id, "name": self.name, "tools": list(self.tools)}
        return {name: value for name, value in given.items() if value}

    @property
    def written(self) -> str:
        """The content, and below it a line for each call."""
        return "\n".join(text for text in (self.content, *(call.written for call in self.tool_calls)) if text)


Content = tuple[Message, ...] | str
"""What a model reads: chat messages, or one plain text to be continued."""


def flat(content: Content, between: str = "\n") -> str:
    """All that is read as one text: what the messages say, with `between` from one to the next."""
    return content if isinstance(content, str) else between.join(message.content for message in content)


def texts_sent(content: Content) -> list[str]:
    """Every text that a model is charged for: calls and the schemas of tools are such, beside what is said."""
    if isinstance(content, str):
        return [content]
    return [text for message in content for text in (message.written, *message.tools)]


def content_to_json(content: Content) -> str | list[list[Any]]:
    """A plain text as itself, chat messages as `[role, content]`, and further members where there are some."""
    if isinstance(content, str):
        return content
    return [
        [message.role, message.content, *([further] if (further := message.further()) else [])] for message in content
    ]


def messages_to_json(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as OpenAI-compatible servers and chat logs write them; `tools` stand beside the list, see `tools_of`.

    Calls without an id get one, and results without one belong to the calls before them, in their order: servers refuse
    a call without an id, and a result that names none.
    """
    return [_as_openai(message) for message in _with_call_ids(messages)]


def tools_of(content: Content) -> list[dict[str, Any]]:
    """The schemas of the tools that are offered, in OpenAI's form."""
    listed = () if isinstance(content, str) else [tool for message in content for tool in message.tools]
    return [cast("dict[str, Any]", json.loads(tool)) for tool in listed]


def tool_names(tools: Sequence[str]) -> list[str]:
    """The names of the tools in schemas as JSON, in order; a schema without one is left out."""
    found: list[str] = []
    for tool in tools:
        value: object = json.loads(tool)
        table = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        inner = table.get("function")
        name = cast("dict[str, object]", inner).get("name") if isinstance(inner, dict) else None
        found += [name] if isinstance(name, str) else []
    return found


def transcript(messages: Sequence[Message]) -> str:
    """Messages as one text, a paragraph each, with their roles where there are several."""
    if len(messages) == 1:
        return messages[0].written
    return "\n\n".join(f"{message.role}: {message.written}" for message in messages)


def _with_call_ids(messages: Sequence[Message]) -> list[Message]:
    """The messages with an id at every call, and at every result that stands behind a call without a result."""
    given = {call.id for message in messages for call in message.tool_calls}
    # Nine letters and digits, which is what Mistral asks of an id.
    fresh = (id for number in itertools.count(1) if (id := f"call{number:05}") not in given)
    found: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.tool_calls:
            calls = tuple(call if call.id else replace(call, id=next(fresh)) for call in message.tool_calls)
            waiting = [call.id for call in calls]
            message = replace(message, tool_calls=calls)
        elif message.role == "tool":
            if not message.tool_call_id and waiting:
                message = replace(message, tool_call_id=waiting[0])
            if message.tool_call_id in waiting:
                waiting.remove(message.tool_call_id)
        found.append(message)
    return found


def _as_openai(message: Message) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.tool_calls
    ]
    name = _NOT_IN_A_NAME.sub("_", message.name)[:_LONGEST_NAME]
    further: Mapping[str, Any] = {"tool_calls": calls, "tool_call_id": message.tool_call_id, "name": name}
    # Servers take no empty text beside calls, and ask for nothing instead.
    content = None if calls and not message.content else message.content
    return {"role": message.role, "content": content, **{name: value for name, value in further.items() if value}}
