"""The reply of a model in what a program logged as its outputs, whole or as the events of a stream."""

from __future__ import annotations

from typing import cast

from promptopt.tasks.reading.chat_messages import is_message
from promptopt.tasks.reading.chat_parts import is_entry, is_thought
from promptopt.tasks.reading.grouping import Row, unpacked

_OUTPUTS = ("message", "output", "outputs", "expectedOutput", "expected_output", "response", "completion", "answer",
            "content", "text", "reply", "result", "generations", "choices", "candidates", "messages", "body",
            "output_text", "outputBodyJson")  # fmt: skip
_REPLIES = ("response", "output", "outputs", "output_messages", "preferred_output", "expectedOutput",
            "expected_output", "completion", "choices", "candidates", "responseBody", "response_body",
            "backendResponseBody", "full_response", "result")  # fmt: skip
_GROWN = (("text", "text"), ("partial_json", "input"))
"""Members of a piece of Anthropic's streams, each with the member of the block that it is a piece of."""
DEEPEST = 6
"""How many objects are looked into, one within another, for messages."""


def reply_of(row: Row) -> list[object]:
    """The messages in the outputs of a row, if there are any."""
    for name in _REPLIES:
        found = _reply_in(row.get(name), 0)
        if found is not None:
            return found
    return []


def is_answered(row: Row) -> bool:
    """Whether an output of the row is what a model's server answers, beside which a text is what a user said."""
    return any(_of_a_model(row.get(name)) for name in _REPLIES)


def _of_a_model(value: object) -> bool:
    value = unpacked(value)
    if isinstance(value, list):
        said = [each for each in cast("list[object]", value) if not is_thought(each)]
        return bool(said) and all(map(is_message, said))
    return is_message(value) or (isinstance(value, dict) and ("choices" in value or "candidates" in value))


def _reply_in(value: object, depth: int) -> list[object] | None:
    value = unpacked(value)
    if depth > DEEPEST or value is None:
        return None
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}] if value.strip() else None
    if isinstance(value, list):
        whole = cast("list[object]", value)
        if (message := _streamed(whole)) is not None:
            return [message]
        listed = [each for each in whole if not is_thought(each)]
        messages = bool(listed) and all(map(is_message, listed))
        # OpenAI's responses have a text and each call as entries of their own, which are one reply.
        if messages and all(is_entry(each) or _table(each).get("type") == "message" for each in listed):
            return listed
        # The last of a list of messages is the reply; of lists of choices and generations the first counts.
        return _reply_in(listed[-1 if messages else 0], depth + 1) if listed else None
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, object]", value)
    if is_message(table):
        return [table]
    return next((found for name in _OUTPUTS if (found := _reply_in(table.get(name), depth + 1)) is not None), None)


def _streamed(events: list[object]) -> dict[str, object] | None:
    """The message that the events of a stream of Anthropic's make together; None where they are none."""
    tables = [_table(event) for event in events]
    if not tables or tables[0].get("type") != "message_start":
        return None
    blocks: dict[object, dict[str, object]] = {}
    for table in tables:
        place, delta = table.get("index"), _table(table.get("delta"))
        if "content_block" in table:
            blocks[place] = dict(_table(table["content_block"]))
        for name, member in _GROWN:
            grown = delta.get(name)
            if place in blocks and isinstance(grown, str):
                begun = blocks[place].get(member)
                blocks[place][member] = begun + grown if isinstance(begun, str) else grown
    return {"role": "assistant", "content": list(blocks.values())}


def _table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
