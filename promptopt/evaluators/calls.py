"""Calls of tools in a reply, as text: what readers and metrics of texts see of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from promptopt.text import strip_fence
from promptopt.types import Example, Reply, ToolCall, tool_names
from promptopt.types.identity import object_in

_TOOL_CALL_TAG = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
"""How the templates of Hermes and Qwen have a model write a call; engines in this process hand it on as text."""


def with_calls(example: Example, reply: Reply) -> Reply:
    """The reply with the tools that it calls written into its text, as `name(arguments)`, each on a line of its own.

    The target of a turn that calls a tool is written so too. A reply to an example without tools stays as it is.
    """
    if not example.tools and not reply.tool_calls:
        return reply
    text = _replaced(reply.text, tool_names(example.tools), lambda call: call.written)
    return replace(reply, text=replace(reply, text=text).written, tool_calls=())


def calls_in(example: Example, text: str) -> tuple[str, list[ToolCall]]:
    """What a text says beside the calls that a model wrote into it, and these calls in order."""
    calls: list[ToolCall] = []

    def kept(call: ToolCall) -> str:
        calls.append(call)
        return ""

    return _replaced(text, tool_names(example.tools), kept).strip(), calls


def _replaced(text: str, names: Sequence[str], written: Callable[[ToolCall], str]) -> str:
    """The text with every call in it as `written` has it.

    Small models leave the tags out: a call, or one on each line. There only a tool on offer is called, for a reply may
    be JSON of its own.
    """

    def tagged(found: re.Match[str]) -> str:
        call = _parsed_call(found[1])
        return found[0] if call is None else written(call)

    # The tags first: what is left may still be a call without them.
    text = _TOOL_CALL_TAG.sub(tagged, text).strip()
    bare = strip_fence(text)
    if not bare.startswith("{"):
        return text
    one = _parsed_call(bare)
    if one is not None and one.name in names:
        return written(one)
    lines = bare.splitlines()
    calls = [_parsed_call(line) if line.lstrip().startswith("{") else None for line in lines]
    offered = [call if call is not None and call.name in names else None for call in calls]
    if not any(offered):
        return text
    return "\n".join(line if call is None else written(call) for line, call in zip(lines, offered, strict=True))


def _parsed_call(inner: str) -> ToolCall | None:
    table = object_in(inner)
    if table is None:
        return None
    name = table.get("name")
    # Llama 3's template has models write `parameters`.
    given = table.get("arguments", table.get("parameters"))
    return ToolCall.of(name, given) if isinstance(name, str) and name else None
