"""Transcripts as tables, a row for each turn: which columns say who spoke, what, where and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

Row = Mapping[str, object]

SESSIONS = ("conversation", "conversation_id", "session_id", "thread_id", "chat_id", "dialog_id", "dialogue_id",
            "ticket_id", "call_id")  # fmt: skip
"""Members that say which conversation a row is of, however words are joined in them."""
_SPEAKERS = ("speaker", "role", "author", "sender", "from", "participant", "who")
_SPOKEN = ("text", "message", "content", "utterance", "body", "transcript", "value")
_TIMES = ("time", "timestamp", "created_at", "date", "datetime", "sent_at", "turn", "position")


def joined(rows: Iterable[tuple[int, Row]], demands: str | None, unordered: list[int]) -> Iterator[tuple[int, Row]]:
    """The rows; those of a transcript put together by conversation, in the order of time and row.

    `unordered`: takes the first row of each conversation whose times cannot be read, so that its rows stay as they are.
    """
    turns: dict[str, list[tuple[int, Row]]] = {}
    columns: tuple[str, str, str, str | None] | None = None
    for number, row in rows:
        columns = turn_columns(row) if columns is None else columns
        if columns is None:
            yield number, row
        else:
            turns.setdefault(str(row.get(columns[0], "")), []).append((number, row))
    if columns is None:
        return
    session, speaker, text, time = columns
    for name, spoken in turns.items():
        ordered = spoken if time is None else _in_time(spoken, time, unordered)
        messages = [
            {"role": str(row.get(speaker) or ""), "content": _text(row.get(text)),
             **({demands: row[demands]} if demands is not None and demands in row else {})}
            for _, row in ordered
        ]  # fmt: skip
        others = {key: value for key, value in ordered[0][1].items() if key not in (*columns, demands)}
        # What else a transcript says of a conversation is taken from its first turn.
        yield spoken[0][0], {**others, session: name, "messages": messages}


def turn_columns(row: Row) -> tuple[str, str, str, str | None] | None:
    """The columns of a transcript: conversation, speaker, text, and time where there is one."""

    def first(names: Sequence[str], *, beside: Sequence[str] = ()) -> str | None:
        plain = {folded(key): key for key, value in row.items() if not isinstance(value, list | dict)}
        return next((plain[folded(name)] for name in names
                     if folded(name) in plain and plain[folded(name)] not in beside), None)  # fmt: skip

    session = first((*SESSIONS, "session", "thread", "chat", "dialog", "dialogue", "ticket"))
    speaker = first(_SPEAKERS)
    if session is None or speaker is None:
        return None
    text = first(_SPOKEN, beside=(session, speaker))
    return None if text is None else (session, speaker, text, first(_TIMES))


def folded(name: str) -> str:
    """A name of a member without case and without what joins its words: `Ticket ID` is `ticket_id` and `ticketId`."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _in_time(spoken: list[tuple[int, Row]], time: str, unordered: list[int]) -> list[tuple[int, Row]]:
    moments = {number: _moment(row.get(time)) for number, row in spoken}
    known = {number: moment for number, moment in moments.items() if moment is not None}
    if len(known) == len(spoken):
        return sorted(spoken, key=lambda turn: (known[turn[0]], turn[0]))
    # 1/10 may be a day in January or in October: a wrong order would make another conversation of it.
    if len(spoken) > 1:
        unordered.append(spoken[0][0])
    return spoken


def _moment(value: object) -> float | None:
    """Seconds or another number that grows with time; None for what is neither a number nor a date as ISO 8601."""
    text = _text(value).strip()
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


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
