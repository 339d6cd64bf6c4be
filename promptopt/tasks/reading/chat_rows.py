"""Logs of chats as conversations: which members of a row, in the form of which program, hold what.

OpenAI's chat and fine-tuning rows, requests of its batches and stored completions, OpenAI-Evals samples, ShareGPT,
exports of Langfuse and LangSmith, and transcripts of one row a turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from promptopt.tasks.reading.chat_messages import Unusable, is_message, messages_of
from promptopt.tasks.tool_results import as_openai
from promptopt.types import ChatRole, Message, canonical

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One logged conversation.

    `messages`: all of it, the last reply included, where there is one. `tools`: schemas, as JSON. `variables`: what the
    row says by name, as text. `weights`: for each message whether its row wants it learned from (None: it does not
    say). `ideal`: further right last replies. `row`: the first row that it is from, counted from 1. `demands`: for each
    message what stands in its member of that name, as it is read; those of the row are of its last message.
    """

    id: str
    messages: tuple[Message, ...]
    row: int
    tools: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    weights: tuple[float | None, ...] = ()
    ideal: tuple[str, ...] = ()
    demands: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a log held: the conversations that can be used, and why others cannot, with the rows that they are in."""

    conversations: tuple[Conversation, ...]
    refused: Mapping[str, tuple[int, ...]]


_INPUTS = ("messages", "input", "inputs", "conversation", "conversations", "chat_history", "history", "dialog",
           "prompt", "question", "query", "text", "content", "user_input", "body", "request")  # fmt: skip
_OUTPUTS = ("message", "output", "outputs", "expectedOutput", "expected_output", "response", "completion", "answer",
            "content", "text", "reply", "result", "generations", "choices", "messages", "body")  # fmt: skip
_SESSIONS = ("conversation", "conversation_id", "conversationId", "session_id", "sessionId", "thread_id", "threadId",
             "chat_id", "dialog_id", "dialogue_id", "ticket_id", "call_id")  # fmt: skip
_SPEAKERS = ("speaker", "role", "author", "sender", "from", "participant", "who")
_SPOKEN = ("text", "message", "content", "utterance", "body", "transcript", "value")
_TIMES = ("time", "timestamp", "created_at", "createdAt", "date", "datetime", "sent_at", "turn", "position")
_VARIABLES = ("variables", "prompt_variables", "promptVariables", "metadata")
_SAMPLES = ("ideal", "expectedOutput", "expected_output", "run_type", "trace_id", "traceId", "sessionId")
"""What shows that a text is what a user said: such members stand in samples of evaluations and in traces alone."""
_DEEPEST = 6
"""How many objects are looked into, one within another, for messages."""


def is_log(row: Row) -> bool:
    """Whether the rows of a file like this one hold conversations."""
    named = any(isinstance(row.get(name), list) for name in ("messages", "conversations"))
    return "chosen" not in row and (named or _turn_columns(row) is not None or _entries(row) is not None)


def conversations_of(
    rows: Iterable[tuple[int, Row]],
    speakers: Mapping[str, ChatRole] | None = None,
    group_by: str | None = None,
    demands: str | None = None,
) -> Reading:
    """The conversations in numbered rows. `speakers`: as in `messages_of`. `group_by`: the member that names its group.

    `demands`: the member of rows and messages that holds what a reply has to do; None: it is not looked for. Rows that
    cannot be used are told by reason, and no row of a transcript that holds one is.
    """
    found: list[Conversation] = []
    refused: dict[str, list[int]] = {}
    for number, row in _joined(rows, demands):
        try:
            each = _conversation(number, row, speakers, group_by, demands)
        except Unusable as cause:
            refused.setdefault(cause.reason, []).append(number)
            continue
        if each is not None:
            found.append(each)
    return Reading(tuple(found), {reason: tuple(numbers) for reason, numbers in refused.items()})


def _conversation(
    number: int, row: Row, speakers: Mapping[str, ChatRole] | None, group_by: str | None, demands: str | None
) -> Conversation | None:
    # Langfuse keeps items of a data set that were taken out, with this status.
    if str(row.get("status", "")).upper() == "ARCHIVED":
        raise Unusable("it is archived")
    kind = str(row.get("run_type", row.get("type", ""))).casefold()
    # Runs of LangSmith and observations of Langfuse have kinds: only those of a model hold what it was asked.
    if kind in ("chain", "tool", "retriever", "parser", "prompt", "embedding", "span", "event"):
        raise Unusable(f"its row is a {kind}, not a call of a model")
    entries = _entries(row)
    if entries is None:
        raise Unusable("it holds no messages")
    ideals, last = _ideals(row), _reply(row)
    # Some programs write the reply into the messages too; it must not stand there twice.
    answered = last is not None and not ideals and entries[-1:] != [last]
    whole = [*entries, last] if answered else entries
    messages = messages_of(whole, speakers)
    kept = row.get("accepted")
    accepted = tuple(str(each) for each in cast("list[object]", kept)) if isinstance(kept, list) else ()
    weights = tuple(_weight(entry) for entry in whole) if len(whole) == len(messages) else ()
    if ideals:
        messages = (*messages, Message("assistant", ideals[0]))
        weights = (*weights, None) if weights else ()
    return Conversation(
        _group(row, number, group_by),
        messages,
        number,
        _tools(row),
        _variables(row),
        weights,
        (*ideals[1:], *accepted),
        () if demands is None else _demands(row, whole, len(messages), demands),
    )


def _demands(row: Row, entries: Sequence[object], count: int, name: str) -> tuple[object, ...]:
    """What stands under `name` in each entry that became a message, and at the end what stands there in the row."""
    tables = [cast("dict[str, object]", entry) if isinstance(entry, dict) else {} for entry in entries]
    own = [table.get(name) for table in tables]
    # One of Anthropic's entries may become several messages, and an ideal reply is none of the entries.
    held = [*own, *[None] * (count - len(own))][:count]
    if row.get(name) not in (None, "") and held:
        held[-1] = row[name]
    return tuple(held) if any(each not in (None, "") for each in held) else ()


def _entries(row: Row) -> list[object] | None:
    """The messages of a row, or what was asked in it as one; None where there is nothing of the kind."""
    for name in _INPUTS:
        found = _messages_in(row.get(name), 0)
        if found is not None and (_structured(row[name]) or any(mark in row for mark in _SAMPLES)):
            system = row.get("system")
            return [{"role": "system", "content": system}, *found] if isinstance(system, str) else found
    return None


def _structured(value: object) -> bool:
    """Whether this says by its form that it is a conversation; a text alone may be anything."""
    return not isinstance(_unpacked(value), str)


def _messages_in(value: object, depth: int) -> list[object] | None:
    value = _unpacked(value)
    if depth > _DEEPEST or value is None:
        return None
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value.strip() else None
    if isinstance(value, list):
        listed = cast("list[object]", value)
        # LangChain asks for several prompts at once: a list of lists, mostly of one.
        if listed and isinstance(listed[0], list):
            return _messages_in(cast("object", listed[0]), depth + 1)
        return listed if listed and all(map(is_message, listed)) else _loosely(listed)
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, object]", value)
    if is_message(table):
        return [table]
    system = table.get("system")
    for name in _INPUTS:
        found = _messages_in(table.get(name), depth + 1)
        if found is not None:
            return [{"role": "system", "content": system}, *found] if isinstance(system, str) else found
    return None


def _loosely(listed: list[object]) -> list[object] | None:
    """A list most of whose entries are messages is a conversation, with entries that will be refused."""
    return listed if sum(map(is_message, listed)) * 2 > len(listed) else None


def _reply(row: Row) -> object | None:
    """The message in the outputs of a row, if there is one."""
    for name in ("response", "output", "outputs", "expectedOutput", "expected_output", "completion", "choices"):
        found = _reply_in(row.get(name), 0)
        if found is not None:
            return found
    return None


def _reply_in(value: object, depth: int) -> object | None:
    value = _unpacked(value)
    if depth > _DEEPEST or value is None:
        return None
    if isinstance(value, str):
        return {"role": "assistant", "content": value} if value.strip() else None
    if isinstance(value, list):
        listed = cast("list[object]", value)
        # The last of a list of messages is the reply; of lists of choices and generations the first counts.
        place = -1 if listed and all(map(is_message, listed)) else 0
        return _reply_in(listed[place], depth + 1) if listed else None
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, object]", value)
    if is_message(table):
        return table
    return next((found for name in _OUTPUTS if (found := _reply_in(table.get(name), depth + 1)) is not None), None)


def _unpacked(value: object) -> object:
    """What JSON in a text says, where it is an object or a list; Langfuse writes it so."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return cast("object", json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value


def _ideals(row: Row) -> tuple[str, ...]:
    given = row.get("ideal")
    listed = cast("list[object]", given) if isinstance(given, list) else [given]
    return tuple(each.strip() for each in listed if isinstance(each, str) and each.strip())


def _weight(entry: object) -> float | None:
    given: object = cast("dict[str, object]", entry).get("weight") if isinstance(entry, dict) else None
    return float(given) if isinstance(given, int | float) else None


def _places(row: Row) -> Iterator[Row]:
    """The row, and the objects in it where programs put what belongs to a request."""
    yield row
    for name in ("body", "request", "input", "inputs", "extra", "metadata"):
        inner = _unpacked(row.get(name))
        if isinstance(inner, dict):
            table = cast("dict[str, object]", inner)
            yield table
            for below in ("metadata", "invocation_params", "body"):
                if isinstance(table.get(below), dict):
                    yield cast("dict[str, object]", table[below])


def _tools(row: Row) -> tuple[str, ...]:
    for place in _places(row):
        for name in ("tools", "functions"):
            given = _unpacked(place.get(name))
            listed = cast("list[object]", given) if isinstance(given, list) else []
            tables = [cast("dict[str, object]", tool) for tool in listed if isinstance(tool, dict)]
            if tables:
                # The older form of OpenAI's, and Anthropic's, have no envelope.
                return tuple(canonical(tool if "function" in tool else as_openai(tool)) for tool in tables)
    return ()


def _variables(row: Row) -> tuple[tuple[str, str], ...]:
    """Texts and numbers by name: those of the row itself come last, for names that nothing else gives."""
    found: dict[str, str] = {}
    for name in _VARIABLES:
        inner = _unpacked(row.get(name))
        if isinstance(inner, dict):
            for key, value in cast("dict[str, object]", inner).items():
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    found.setdefault(key, str(value))
    for key, value in row.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found.setdefault(key, str(value))
    return tuple(found.items())


def _group(row: Row, number: int, group_by: str | None) -> str:
    for place in _places(row):
        for name in _SESSIONS if group_by is None else (group_by,):
            value = place.get(name)
            if isinstance(value, str | int) and str(value).strip():
                return str(value).strip()
    if group_by is not None:
        raise Unusable(f"it has no {group_by!r} to group by")
    # A name that no other row has: it is a group of its own.
    return f"row {number}"


def _joined(rows: Iterable[tuple[int, Row]], demands: str | None) -> Iterator[tuple[int, Row]]:
    """The rows; those of a transcript, of one turn each, put together by conversation, in the order of time and row."""
    turns: dict[str, list[tuple[int, Row]]] = {}
    columns: tuple[str, str, str, str | None] | None = None
    for number, row in rows:
        columns = _turn_columns(row) if columns is None else columns
        if columns is None:
            yield number, row
        else:
            turns.setdefault(str(row.get(columns[0], "")), []).append((number, row))
    if columns is None:
        return
    session, speaker, text, time = columns
    for name, spoken in turns.items():
        ordered = spoken if time is None else sorted(spoken, key=lambda turn: (_when(turn[1].get(time)), turn[0]))
        messages = [
            {"role": str(row.get(speaker) or ""), "content": _text(row.get(text)),
             **({demands: row[demands]} if demands is not None and demands in row else {})}
            for _, row in ordered
        ]  # fmt: skip
        others = {key: value for key, value in ordered[0][1].items() if key not in (*columns, demands)}
        # What else a transcript says of a conversation is taken from its first turn.
        yield spoken[0][0], {**others, session: name, "messages": messages}


def _turn_columns(row: Row) -> tuple[str, str, str, str | None] | None:
    """The columns of a transcript: conversation, speaker, text, and time where there is one."""

    def first(names: Sequence[str], *, beside: Sequence[str] = ()) -> str | None:
        plain = {key.strip().casefold(): key for key, value in row.items() if not isinstance(value, list | dict)}
        return next((plain[name.casefold()] for name in names
                     if name.casefold() in plain and plain[name.casefold()] not in beside), None)  # fmt: skip

    session = first((*_SESSIONS, "session", "thread", "chat", "dialog", "dialogue", "ticket"))
    speaker = first(_SPEAKERS)
    if session is None or speaker is None:
        return None
    text = first(_SPOKEN, beside=(session, speaker))
    return None if text is None else (session, speaker, text, first(_TIMES))


def _when(value: object) -> tuple[float, str]:
    """Numbers in their order, then texts in theirs: dates as ISO 8601 writes them sort as texts."""
    text = _text(value).strip()
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
