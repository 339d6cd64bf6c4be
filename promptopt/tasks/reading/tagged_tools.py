"""Tools, calls and results that stand in texts between tags, as the templates of Hermes and Qwen write them.

ShareGPT's data sets for tools have them so, and so do logs of engines that hand on what a model wrote.
"""

from __future__ import annotations

from typing import cast

from promptopt.tasks.reading.chat_parts import parsed
from promptopt.tasks.reading.chat_tools import tools_in
from promptopt.tasks.reading.json_objects import as_python_shows, table_of
from promptopt.types import Message, ToolCall, canonical

_CALL, _RESULT, _TOOLS = "tool_call", "tool_response", "tools"
_OF_A_RESULT = {"name", "content", "tool_call_id"}
"""Members of a result in an envelope, of which `content` is what the tool gave."""


def calls_in_text(text: str) -> tuple[str, list[ToolCall]]:
    """What a reply says beside the calls in it, and these. What is between the tags and no call stays as it is."""
    # By hand: an expression would look to the end of the text for each tag that is never closed.
    said, *pieces = text.split(f"<{_CALL}>")
    calls: list[ToolCall] = []
    for piece in pieces:
        inner, closing, behind = piece.partition(f"</{_CALL}>")
        call = _tagged_call(inner) if closing else None
        calls += [] if call is None else [call]
        said += f"<{_CALL}>{piece}" if call is None else behind
    return (said.strip(), calls) if calls else (text, [])


def results_in_text(text: str) -> list[Message]:
    """The results of tools that a turn is; none where it says anything else."""
    before, *pieces = text.split(f"<{_RESULT}>")
    parted = [piece.partition(f"</{_RESULT}>") for piece in pieces]
    if before.strip() or not all(closing and not behind.strip() for _, closing, behind in parted):
        return []
    return [_tagged_result(inner.strip()) for inner, _, _ in parted]


def tools_in_text(text: str) -> tuple[str, ...]:
    """The schemas that a system prompt lists between tags, as a list or an object a line; the first list that is one.

    Such a prompt also speaks of the tags, with nothing in them.
    """
    for piece in text.split(f"<{_TOOLS}>")[1:]:
        inner, closing, _ = piece.partition(f"</{_TOOLS}>")
        whole = _value_in(inner) if closing else None
        lines = inner.split("\n") if closing else []
        held = cast("list[object]", whole) if isinstance(whole, list) else list(map(_value_in, lines))
        if found := tools_in(held):
            return found
    return ()


def _value_in(text: str) -> object:
    return as_python_shows(parsed(text.strip()))


def _tagged_call(inner: str) -> ToolCall | None:
    table = table_of(_value_in(inner))
    name, given = table.get("name"), table.get("arguments", table.get("parameters"))
    # A text that only shows how a call looks has no arguments.
    whole = isinstance(name, str) and name and isinstance(parsed(given), dict)
    return ToolCall.of(str(name), given) if whole else None


def _tagged_result(inner: str) -> Message:
    table = table_of(_value_in(inner))
    # The calls have no ids, so that the name tells whose result this is.
    if "content" not in table or not _OF_A_RESULT.issuperset(table):
        return Message("tool", inner)
    content, name = table["content"], table.get("name")
    return Message("tool", content if isinstance(content, str) else canonical(content),
                   name=name if isinstance(name, str) else "")  # fmt: skip
