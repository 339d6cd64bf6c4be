"""Conversations that a row holds as plain text: one cell with a line for each turn, or a column for each speaker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from promptopt.tasks.reading.chat_messages import is_speaker, known_role

_CELLS = ("transcript", "conversation", "dialogue", "dialog", "chat", "messages", "chat_history", "chat_log", "log",
          "text", "content", "body")  # fmt: skip
"""Members that may hold a whole conversation as a text."""
_TURN = re.compile(
    r"\s*(?:\[[^\]\n]{1,40}\]\s*|\d[\d:., /-]{2,20}\s+)?([^\W\d][^\W\d ]{1,11})\s?(?:\([^()\n]{1,40}\))?\s?:\s*(.*)"
)
"""A line that begins a turn, as `Customer: …` or `[10:05] Agent (Ann): …`."""
_SAID = ("message", "reply", "response", "text", "query", "input", "question", "utterance", "content", "turn", "answer",
         "output")  # fmt: skip
_PAIRS = (("user", "assistant"), ("human", "assistant"), ("human", "ai"))
"""Columns that are named by speakers alone: other pairs are names of people and of models."""


def spoken_in(row: Mapping[str, object]) -> list[object] | None:
    """The turns of a row as messages, where a cell or two columns hold them by name; else None."""
    for name in _CELLS:
        cell = row.get(name)
        if isinstance(cell, str) and (turns := _turns(cell)):
            return turns
    return _columns(row)


def _turns(text: str) -> list[object]:
    """The turns of a text whose lines begin with who speaks; none where it does not begin so, or one alone speaks."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        begun = _TURN.fullmatch(line)
        if begun is not None and is_speaker(begun[1]):
            found.append((begun[1], [begun[2]]))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            return []
    if not {"user", "assistant"} <= {known_role(speaker) for speaker, _ in found}:
        return []
    return [{"role": speaker, "content": "\n".join(lines).strip()} for speaker, lines in found]


def _columns(row: Mapping[str, object]) -> list[object] | None:
    """One turn of each, from the columns of the two who speak, such as `user_message` and `bot_reply`."""
    texts = {name: value for name, value in row.items() if isinstance(value, str) and value.strip()}
    by_role: dict[str, list[str]] = {}
    for name, role in _named(texts):
        by_role.setdefault(role, []).append(texts[name])
    asked, answered = by_role.get("user", []), by_role.get("assistant", [])
    if len(asked) != 1 or len(answered) != 1:
        return None
    return [{"role": "user", "content": asked[0]}, {"role": "assistant", "content": answered[0]}]


def _named(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    plain = {name.strip().casefold(): name for name in texts}
    for asks, answers in _PAIRS:
        if asks in plain and answers in plain:
            yield from ((plain[asks], "user"), (plain[answers], "assistant"))
            return
    for name in texts:
        # userMessage, user_message, User message.
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").casefold().split()
        if len(words) == 2 and words[1] in _SAID and is_speaker(words[0]):
            yield name, known_role(words[0])
