"""The reply of a model in what a program logged as its outputs, whole or as the events of a stream."""

from __future__ import annotations

from typing import cast

from promptopt.tasks.reading.chat_messages import is_message
from promptopt.tasks.reading.chat_parts import is_entry, is_thought
from promptopt.tasks.reading.grouping import Row, unpacked
from promptopt.tasks.reading.json_objects import table_of
from promptopt.tasks.reading.streams import events_in, streamed

_OUTPUTS = ("message", "output", "outputs", "expectedOutput", "expected_output", "response", "completion", "answer",
            "content", "text", "reply", "result", "generations", "choices", "candidates", "messages", "body",
            "output_text", "outputBodyJson", "expected", "value")  # fmt: skip
REPLIES = ("response", "output", "outputs", "output_messages", "preferred_output", "expectedOutput",
            "expected_output", "completion", "choices", "candidates", "responseBody", "response_body",
            "backendResponseBody", "BackendResponseBody", "ResponseMessages", "full_response", "result",
            "expected", "$ai_output_choices", "$ai_output")  # fmt: skip
DEEPEST = 6
"""How many objects are looked into, one within another, for messages."""


def reply_of(row: Row) -> list[object]:
    """The messages in the outputs of a row, if there are any."""
    # Cohere's answer is a text beside what was asked.
    beside = ("text",) if {"message", "chat_history"} <= set(row) else ()
    nothing: list[object] = []
    replies = (_reply_in(row.get(name), 0) for name in (*REPLIES, *beside))
    return next((found for found in replies if found is not None), nothing)


def is_answered(row: Row) -> bool:
    """Whether an output of the row is what a model's server answers, beside which a text is what a user said."""
    return any(_of_a_model(row.get(name)) for name in REPLIES)


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
        # Only what makes a message of a stream is one: a reply may speak of such lines.
        if (pieces := events_in(value)) and streamed(pieces) is not None:
            return _reply_in(pieces, depth + 1)
        return [{"role": "assistant", "content": value}] if value.strip() else None
    if isinstance(value, list):
        whole = cast("list[object]", value)
        if (message := streamed(whole)) is not None:
            return [message] if is_message(message) else _reply_in(message, depth + 1)
        listed = [each for each in whole if not is_thought(each)]
        messages = bool(listed) and all(map(is_message, listed))
        # OpenAI's responses have a text and each call as entries of their own, which are one reply.
        if messages and all(is_entry(each) or table_of(each).get("type") == "message" for each in listed):
            return listed
        # The last of a list of messages is the reply; of choices the one with the number 0, of generations the first.
        first = next((each for each in listed if table_of(each).get("index") == 0), next(iter(listed), None))
        return _reply_in(listed[-1] if messages else first, depth + 1)
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, object]", value)
    if is_message(table):
        return [table]
    if isinstance(table.get("parts"), list) and "role" not in table:
        return [{"role": "model", **table}]
    return next((found for name in _OUTPUTS if (found := _reply_in(table.get(name), depth + 1)) is not None), None)
