"""OpenAI-Evals `samples.jsonl`: `{"input": [messages] or text, "ideal": text or list of texts}`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from promptopt.errors import DataError
from promptopt.tasks.reading.conversations import message_in, transcript
from promptopt.types import Example


def is_sample(row: Mapping[str, object]) -> bool:
    """Whether a row is an OpenAI-Evals sample."""
    return "input" in row and "ideal" in row


def fold_sample(path: Path, row: Mapping[str, object]) -> tuple[str, Example]:
    """The system text of a sample, and the rest of it as an example with the one field `input`.

    Messages before the last user message (a conversation, few-shot turns) stay in the input, one paragraph each.
    Raises DataError for rows of another form.
    """
    if not is_sample(row):
        raise DataError(f"{path}: a row has {', '.join(map(repr, row))}; every sample needs 'input' and 'ideal'")
    ideal = row["ideal"]
    answers = cast("list[object]", ideal) if isinstance(ideal, list) else [ideal]
    if not answers or not all(isinstance(answer, str) and answer.strip() for answer in answers):
        raise DataError(f"{path}: 'ideal' is {ideal!r}, expected a text or a list of texts; repair that sample")
    # Any of them is right to OpenAI's evals; the first stands for them where one text is shown.
    target, *accepted = (str(answer).strip() for answer in answers)
    given = row["input"]
    if isinstance(given, str):
        return "", Example((("input", given),), target, tuple(accepted))
    messages = [_message(path, entry) for entry in cast("list[object]", given)] if isinstance(given, list) else []
    asked = [(role, content) for role, content in messages if role != "system"]
    if not asked:
        raise DataError(f"{path}: a sample has no user message in 'input' (found {given!r:.80}); add one")
    system = "\n\n".join(content for role, content in messages if role == "system")
    return system, Example((("input", transcript(asked)),), target, tuple(accepted))


def _message(path: Path, entry: object) -> tuple[str, str]:
    message = message_in(entry)
    if message is None:
        raise DataError(f"{path}: a message is {entry!r:.80}, expected an object with 'role' and 'content' texts")
    return message
