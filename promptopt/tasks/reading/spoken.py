"""Conversations that a row holds as plain text: one cell with a line for each turn, or a column for each speaker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from promptopt.tasks.reading.speakers import is_speaker, joined_words, known_role
from promptopt.text import lines_of
from promptopt.types import ChatRole

_CELLS = ("transcript", "conversation", "dialogue", "dialog", "chat", "messages", "chat_history", "chat_log", "log",
          "text", "content", "body")  # fmt: skip
"""Members that may hold a whole conversation as a text."""
_TURN = re.compile(
    r"\s*(?:\[[^\]\n]{1,40}\]\s*|\d[\d:., /-]{2,20}(?:\s?[AaPp]\.?[Mm]\.?)?(?: -)?\s{1,4})?"
    r"[#*]{0,4}\s?([^\W\d][^\W\d ]{1,11}(?: [^\W\d ]{2,12})?)\s?(?:\([^()\n]{1,40}\))?\s?:(?:\*\*)?\s*(.*)"
)
"""A line that begins a turn, as `Customer: …` or `[10:05] Agent (Ann): …`."""
_HEAD = re.compile(
    r"\s*(?:\[[^\]\n]{1,40}\]\s*)?([^\W\d][^\W\d ]{1,11}(?: [^\W\d ]{2,12})?)\s{0,4}[-,]?\s?[\[(]?"
    r"(?:[\d/.-]{4,10},? )?\d{1,2}:\d\d(?::\d\d)?(?:\s?[AaPp]\.?[Mm]\.?)?[\])]?\s*"
)
"""A line with who speaks and when, and nothing else: what is said stands below, as in `Agent (10:05 AM)`."""
_INLINE = re.compile(
    r"(?:(?<=[.?!…;\"”')\]])|\s?\|)\s{0,4}\|?\s{0,4}(?=[#*]{0,4}\s?[A-Z][\w]{1,11}(?: [A-Z]?\w{2,12})?\s?:)"
)
"""Where in a text of one line the next turn may begin: behind the end of a sentence, before a name and a colon."""
_SPEECH_WORDS = ("message", "reply", "response", "text", "query", "input", "question", "utterance", "content", "turn",
                 "answer", "output")  # fmt: skip
_SPEAKER_COLUMNS = (("user", "assistant"), ("human", "assistant"), ("human", "ai"))
"""Columns that are named by speakers alone: other pairs are names of people and of models."""
_OF_A_SESSION = (("prompt", "response"), ("prompt", "completion"), ("question", "answer"), ("question", "response"),
                 ("query", "answer"), ("query", "response"), ("message", "reply"), ("message", "response"),
                 ("user_input", "response"), ("user_query", "response"), ("request", "response"))  # fmt: skip
"""Columns that are a turn of each only beside the name of a conversation: samples of evaluations have them too."""
_EXCHANGES = (
    ("request.queryInput.text.text", "response.queryResult.responseMessages.text.text"),
    ("response.queryResult.transcript", "response.queryResult.responseMessages.text.text"),
    ("response.queryResult.text", "response.queryResult.responseMessages.text.text"),
    ("queryResult.queryText", "queryResult.fulfillmentText"),
    ("queryResult.queryText", "queryResult.fulfillmentMessages.text.text"),
    ("queryResult.text", "queryResult.responseMessages.text.text"),
    ("queryResult.transcript", "queryResult.responseMessages.text.text"),
    ("inputTranscript", "messages.content"),
    ("request.input.text", "response.output.generic.text"),
    ("inputs.question", "outputs.answer"),
)
"""Where programs keep what was asked and said: Dialogflow CX and ES, Lex, Watson, Prompt flow; dots are levels."""
Pair = tuple[str, str]


def spoken_in(row: Mapping[str, object], speakers: Mapping[str, ChatRole] | None = None) -> list[object] | None:
    """The turns of a row as messages, where a cell or two columns hold them by name; else None.

    `speakers`: roles of further names.
    """
    further: dict[str, ChatRole] = {}
    if speakers is not None:
        further = {name.casefold(): role for name, role in speakers.items()}
    for name in _CELLS:
        cell = row.get(name)
        if isinstance(cell, str) and (turns := _turns(cell, further)):
            return turns
    pair = pair_in(row)
    return None if pair is None else turns_at(row, pair)


def _turns(text: str, further: Mapping[str, ChatRole]) -> list[object]:
    """The turns of a text whose lines begin with who speaks; none where it does not begin so, or one alone speaks."""
    found: list[tuple[str, list[str]]] = []
    lines = lines_of(text.strip())
    # Exports to tables lose line breaks: then all turns stand in one line.
    for line in _INLINE.split(lines[0]) if len(lines) == 1 else lines:
        headed = _HEAD.fullmatch(line)
        begun = _TURN.fullmatch(line) if headed is None else headed
        if headed is not None and is_speaker(headed[1]):
            found.append((headed[1], []))
        elif begun is not None and headed is None and (is_speaker(begun[1]) or begun[1].casefold() in further):
            found.append((begun[1], [begun[2]]))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            return []
    roles = {further[name.casefold()] if name.casefold() in further else known_role(name) for name, _ in found}
    # A note that begins "User:" is no conversation: both have to speak.
    if not {"user", "assistant"} <= roles:
        return []
    return [{"role": speaker, "content": "\n".join(lines).strip()} for speaker, lines in found]


def pair_in(row: Mapping[str, object], *, session: bool = False) -> Pair | None:
    """Where in a row, or in an entry of a list, one turn of the user's and one of the bot's stand.

    `session`: whether the row says which conversation it is of.
    """
    found = next((pair for pair in _EXCHANGES if all(_text_at(row, path) for path in pair)), None)
    if found is not None:
        return found
    texts = {name: value for name, value in row.items() if isinstance(value, str) and value.strip()}
    by_role: dict[str, list[str]] = {}
    for name, role in _speaker_columns(texts):
        by_role.setdefault(role, []).append(name)
    asked, answered = by_role.get("user", []), by_role.get("assistant", [])
    if len(asked) == len(answered) == 1:
        return asked[0], answered[0]
    plain = {joined_words(name): name for name in texts if texts[name].lstrip()[:1] not in ("{", "[")}
    pairs = ((joined_words(asks), joined_words(answers)) for asks, answers in _OF_A_SESSION if session)
    return next(((plain[asks], plain[answers]) for asks, answers in pairs if asks in plain and answers in plain), None)


def turns_at(row: Mapping[str, object], pair: Pair) -> list[object]:
    """The turns that stand in a row by `pair_in`; a reply that is missing is none."""
    said = (("user", _text_at(row, pair[0])), ("assistant", _text_at(row, pair[1])))
    return [{"role": role, "content": text} for role, text in said if text]


def _text_at(row: Mapping[str, object], path: str) -> str:
    # A column of that name, with its dots, goes before levels.
    if path in row:
        return str(row[path]) if isinstance(row[path], str) else ""
    levels: list[object] = [row]
    for name in path.split("."):
        tables = [cast("dict[str, object]", each) for each in levels if isinstance(each, dict)]
        held = [table.get(name) for table in tables]
        several = [cast("list[object]", each) if isinstance(each, list) else [each] for each in held]
        levels = [each for listed in several for each in listed]
    return "\n".join(each for each in levels if isinstance(each, str) and each)


def _speaker_columns(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    plain = {name.strip().casefold(): name for name in texts}
    for asks, answers in _SPEAKER_COLUMNS:
        if asks in plain and answers in plain:
            yield from ((plain[asks], "user"), (plain[answers], "assistant"))
            return
    for name in texts:
        # userMessage, user_message, User message.
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").casefold().split()
        if len(words) == 2 and words[1] in _SPEECH_WORDS and is_speaker(words[0]):
            yield name, known_role(words[0])
