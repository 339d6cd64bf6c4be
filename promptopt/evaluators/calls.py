"""Calls of tools in a reply, as text: what readers and metrics of texts see of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from promptopt.text import strip_fence
from promptopt.types import Example, Reply, ToolCall, tool_names

_WRITTEN = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
"""How the templates of Hermes and Qwen have a model write a call; engines in this process hand it on as text."""


def with_calls(example: Example, reply: Reply) -> Reply:
    """The reply with the tools that it calls written into its text, as `name(arguments)`, each on a line of its own.

    The target of a turn that calls a tool is written so too. A reply to an example without tools stays as it is.
    """
    if not example.tools and not reply.tool_calls:
        return reply
    # The tags first: what is left may still be a call without them.
    text = _WRITTEN.sub(lambda found: _call(found[1], found[0]), reply.text).strip()
    bare = strip_fence(text)
    if bare.startswith("{"):
        text = _bare_calls(text, bare, tool_names(example.tools))
    return replace(reply, text=replace(reply, text=text).written, tool_calls=())


def _bare_calls(text: str, bare: str, names: Sequence[str]) -> str:
    """What small models write who leave the tags out: a call, or one on each line.

    Only a tool on offer is called, for a reply may be JSON of its own.
    """

    def read(inner: str, whole: str) -> str:
        call = _call(inner, whole)
        return call if any(call.startswith(f"{name}(") for name in names) else whole

    one = read(bare, text)
    if one != text:
        return one
    lines = bare.splitlines()
    found = [read(line.strip(), line) if line.lstrip().startswith("{") else line for line in lines]
    return text if found == lines else "\n".join(found)


def _call(inner: str, whole: str) -> str:
    try:
        value: object = json.loads(inner)
    except (ValueError, RecursionError):
        return whole
    table = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    name = table.get("name")
    given = table.get("arguments", table.get("parameters"))
    return ToolCall.of(name, given).written if isinstance(name, str) and name else whole
