"""Transcripts as tables, a row for each turn or pair of turns: which columns say who spoke, what, where and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from promptopt.tasks.reading.branches import branch_of, places_in_tree
from promptopt.tasks.reading.chat_exports import exported
from promptopt.tasks.reading.chat_messages import is_message
from promptopt.tasks.reading.chat_parts import is_parts, parsed
from promptopt.tasks.reading.speakers import (
    FILES,
    SPEAKERS,
    is_pictured,
    is_public,
    is_speaker,
    joined_words,
    plain_text,
)
from promptopt.tasks.reading.spoken import Pair, pair_in, turns_at

Row = Mapping[str, object]

SESSIONS = ("conversation", "conversation_id", "session_id", "thread_id", "chat_id", "dialog_id", "dialogue_id",
            "ticket_id", "call_id", "convo_id",
            "message_tree_id", "chat_session_id", "helicone_session_id", "langfuse_session_id")  # fmt: skip
"""Members that say which conversation a row is of, however words are joined in them."""
_SPOKEN = ("text", "message", "content", "utterance", "body", "transcript", "value", "message_text", "message_body",
           "message_content", "msg", "parts")  # fmt: skip
TIMES = ("time", "timestamp", "created_at", "date", "datetime", "sent_at", "turn", "position", "create_time", "ts",
          "message_index", "turn_index", "turn_id", "sequence")  # fmt: skip
_MESSAGE_COLUMNS = ("message", "data", "history", "messagedata")
_REPLY_FIELDS = {"response", "reply", "output", "outputs", "completion", "choices"}
"""Members beside which a message is what was asked, and not a turn of a transcript."""
_FURTHER_FIELDS = ("tool_calls", "tool_call_id", "function_call", "name", "weight")
"""Further members of a message that a row may hold."""


@dataclass(frozen=True, slots=True)
class TurnColumns:
    """Columns of a transcript: conversation and time (None: there is none), and where what was said stands.

    `said`: speaker and text, a pair of turns (`paired`), or the one column with a whole message.
    """

    session: str
    said: tuple[str, str] | Pair | tuple[str]
    time: str | None
    paired: bool = False

    def turns(self, row: Row, demands: str | None) -> list[object]:
        """What the row says, as messages; nothing where the customer did not see it."""
        if not is_public(row):
            return []
        placed = places_in_tree(row)
        if len(self.said) == 1:
            held = parsed(row.get(self.said[0]))
            return [{**placed, **cast("dict[str, object]", held)}] if is_message(held) else []
        files = {name: parsed(row[name]) for name in FILES if row.get(name) not in (None, "")}
        if self.paired:
            turns = turns_at(row, self.said)
            return [{**cast("dict[str, object]", turns[0]), **files}, *turns[1:]] if turns else []
        speaker, text = self.said
        said = _text_or_parts(row.get(text))
        if isinstance(said, str):
            files = {"files": ["picture"]} if is_pictured(said) else files
            said = plain_text(said)
        further = {
            name: parsed(row[name]) for name in _FURTHER_FIELDS if row.get(name) not in (None, "") and name != speaker
        }
        asked = {demands: row[demands]} if demands is not None and demands in row else {}
        turn = {"role": _cell_as_text(row.get(speaker)), "content": said, **further, **asked}
        # A row that says neither who nor what is none.
        return [{**placed, **turn, **files}] if any(turn.values()) else []


def joined_turns(
    rows: Iterable[tuple[int, Row]], demands: str | None, unordered: list[int]
) -> Iterator[tuple[int, Row]]:
    """The rows; those of a transcript put together by conversation, in the order of time and row.

    `unordered`: takes the first row of each conversation whose times cannot be read, so that its rows stay as they are.
    """
    turns: dict[str, list[tuple[int, Row]]] = {}
    columns: TurnColumns | None = None
    for number, given in rows:
        row = exported(given)
        columns = turn_columns(row) if columns is None else columns
        if columns is None:
            yield number, row
        else:
            session = _cell_as_text(row.get(columns.session)).strip()
            # Of a row that does not say so, nobody knows which conversation it is of: it stands alone.
            turns.setdefault(session if session else f"\n{number}", []).append((number, row))
    if columns is None:
        return
    for name, spoken in turns.items():
        ordered = spoken if columns.time is None else _in_time(spoken, columns.time, unordered)
        messages = branch_of([each for _, row in ordered for each in columns.turns(row, demands)])
        own = (columns.session, columns.time, demands, *columns.said, *(() if columns.paired else _FURTHER_FIELDS))
        others = {key: value for key, value in ordered[0][1].items() if key not in own}
        # Under a name that says so too: `ticket` may be the text of one elsewhere.
        session = {} if name.startswith("\n") else {columns.session: name, SESSIONS[1]: name}
        # What else a transcript says of a conversation is taken from its first turn.
        yield spoken[0][0], {**others, **session, "messages": messages}


def turn_columns(row: Row) -> TurnColumns | None:
    """The columns of a transcript: conversation, speaker and text, or a pair of them, and time where there is one."""
    flat = {joined_words(key): key for key, value in row.items() if not isinstance(value, list | dict)}

    def first(names: Sequence[str], *, beside: Sequence[str] = ()) -> str | None:
        found = (flat.get(joined_words(name)) for name in names)
        return next((name for name in found if name is not None and name not in beside), None)

    session = first((*SESSIONS, "session", "thread", "chat", "dialog", "dialogue", "ticket", "thread_ts"))
    if session is None:
        return None
    speakers = [flat[joined_words(name)] for name in SPEAKERS if joined_words(name) in flat]
    # A table may name people in one column, and say in another what they are.
    known = [name for name in speakers if is_speaker(_cell_as_text(row[name]))]
    speaker = next(iter([*known, *speakers]), None)
    listed = {joined_words(key): key for key, value in row.items() if _is_list_of_parts(value)}
    flat = {**listed, **flat}
    text = None if speaker is None else first(_SPOKEN, beside=(session, speaker))
    if speaker is not None and text is not None:
        return TurnColumns(session, (speaker, text), first(TIMES))
    pair = pair_in(row, session=True)
    if pair is not None:
        return TurnColumns(session, pair, first(TIMES), paired=True)
    # LangChain's histories in data bases, and n8n's, have the message in one column.
    whole = [key for key in row if joined_words(key) in _MESSAGE_COLUMNS and is_message(parsed(row[key]))]
    return TurnColumns(session, (whole[0],), first(TIMES)) if whole and not _REPLY_FIELDS & set(row) else None


def _in_time(spoken: list[tuple[int, Row]], time: str, unordered: list[int]) -> list[tuple[int, Row]]:
    moments = {number: moment_of(row.get(time)) for number, row in spoken}
    known = {number: moment for number, moment in moments.items() if moment is not None}
    if len(known) == len(spoken):
        return sorted(spoken, key=lambda turn: (known[turn[0]], turn[0]))
    # 1/10 may be a day in January or in October: a wrong order would make another conversation of it.
    if len(spoken) > 1:
        unordered.append(spoken[0][0])
    return spoken


def moment_of(value: object) -> float | None:
    """Seconds or another number that grows with time; None for what is neither a number nor a date as ISO 8601."""
    text = _cell_as_text(value).strip()
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        # A conversation's times are of one zone, so any zone puts them in order.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return number if math.isfinite(number) else None


def _text_or_parts(value: object) -> object:
    """A text, or the parts of a message, which a table holds as JSON."""
    inner = parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else value
    if isinstance(inner, dict):
        # Python's spelling of an object is nothing that anybody said.
        held = cast("dict[str, object]", inner)
        return held["text"] if isinstance(held.get("text"), str) else held
    return inner if _is_list_of_parts(inner) else _cell_as_text(value)


def _is_list_of_parts(value: object) -> bool:
    return isinstance(value, list) and is_parts(cast("object", value))


def _cell_as_text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
