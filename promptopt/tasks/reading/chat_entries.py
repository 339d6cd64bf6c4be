"""Where in a row of a log its messages stand: under which names, in the form of which program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeGuard, cast

from promptopt.tasks.reading.chat_exports import exported
from promptopt.tasks.reading.chat_messages import is_message
from promptopt.tasks.reading.chat_replies import DEEPEST, REPLIES, is_answered, reply_of
from promptopt.tasks.reading.grouping import BODIES, unpacked
from promptopt.tasks.reading.speakers import (
    PARTICIPANTS,
    answered_by_users,
    as_spoken,
    is_speaker,
    joined_words,
    known_role,
    spoken_alone,
    turns_of,
)
from promptopt.tasks.reading.spoken import pair_in, spoken_in, turns_at
from promptopt.tasks.reading.transcripts import TIMES, Row, moment_of

# In the order in which they are looked for: conversations under the names of each program (Gemini has `contents`,
# ShareGPT `conversations` or `items`), and at the end those of a single text.
_INPUTS = ("messages", "input", "inputs", "conversation", "conversations", "contents", "items", "input_messages",
           "chat_history", "history", "dialog", "prompt", "question", "query", "text", "content", "user_input", "body",
           "request", "params", "dialogue", "turns", "exchanges", "interactions", "transcript", "chat_messages",
           "comments", "events", "entries", "message", "chat", "kwargs", *BODIES, "inputBodyJson", "data",
           "values", "value")  # fmt: skip
_PLAIN_INPUTS = _INPUTS[: _INPUTS.index("request")]
"""Those that may be a text alone, which a user said."""
_SYSTEMS = ("system", "system_prompt", "instructions", "systemInstruction", "system_instruction", "preamble",
            "systemPrompt")  # fmt: skip
_HISTORIES = ("chat_history", "chatHistory", "history", "conversation_history", "message_history")
_QUESTIONS = ("message", "input", "question", "query", "prompt", "user_input")
"""What a user asked behind a history that stands under a name of its own."""
_SAMPLES = ("ideal", "expectedOutput", "expected_output", "run_type", "trace_id", "traceId", "sessionId")
"""What shows that a text is what a user said: such members stand in samples of evaluations and in traces alone."""
_EXCHANGED = ("conversation", "conversations", "turns", "exchanges", "interactions", "dialog", "dialogue", "chat",
              *_HISTORIES)  # fmt: skip
"""Under these names a list of questions and answers is a conversation; elsewhere it is a list of examples."""
_PROMPTED = ("config", "session")
"""Objects beside the messages in which a prompt stands, as Gemini's clients and OpenAI's sessions have it."""
_NO_LOGS = {"chosen", "rejected", "tools", "functions", *REPLIES}
"""What is not looked into where the names say nothing: pairs of replies, and what a model answered."""
WITHIN = ("observations", "child_runs", "traces", "spans", "scopeSpans", "scope_spans", "resourceSpans",
          "resource_spans")  # fmt: skip
"""Where an exported trace holds the calls of a model that it is of."""
_CUT = re.compile(r'\s*\[?\s*\{\s*"')


def entries_of(row: Row) -> list[object] | None:
    """The messages of a row, or what was asked in it as one; None where there is nothing of the kind."""
    if (asked := _behind_history(row, 0)) is not None:
        return _with_system(row, asked)
    plain: bool | None = None
    for name in _INPUTS:
        found = messages_under(row.get(name), 0, name)
        if found is None or (name == "data" and len(found) < 2 and not reply_of(row)):
            # Tools for labelling have the text of a row in `data`.
            continue
        if not _structured(row[name]) and name in _PLAIN_INPUTS and plain is None:
            plain = any(mark in row for mark in _SAMPLES) or is_answered(row)
        if _structured(row[name]) or (name in _PLAIN_INPUTS and plain):
            return _with_system(row, found)
    spoken = spoken_in(row)
    found = _by_form(row, 0) if spoken is None else spoken
    return None if found is None else _with_system(row, found)


def _with_system(table: Row, entries: list[object]) -> list[object]:
    """The entries behind the system prompt that stands beside them, where they do not begin with it themselves."""
    # Elsewhere `system` may be that of a computer.
    beside = [(cast("Row", table[each]), _SYSTEMS[1:]) for each in _PROMPTED if isinstance(table.get(each), dict)]
    held = ((place, name) for place, names in ((table, _SYSTEMS), *beside) for name in names if place.get(name))
    place, name = next(held, (table, ""))
    given = place.get(name)
    inner = cast("dict[str, object]", given).get("parts") if isinstance(given, dict) else given
    own = cast("dict[str, object]", entries[0]) if entries and isinstance(entries[0], dict) else {}
    there = own.get("role", own.get("from")) in ("system", "developer")
    if not isinstance(inner, str | list | dict) or (there and (name != "system" or own.get("content") == inner)):
        return entries
    return [{"role": "system", "content": cast("object", inner)}, *entries]


def _structured(value: object) -> bool:
    """Whether this says by its form that it is a conversation; a text alone may be anything."""
    return not isinstance(unpacked(value), str)


def messages_under(value: object, depth: int, name: str = "") -> list[object] | None:
    """The messages that a member of this name holds; a text is what a user said. None where it holds neither."""
    value = unpacked(value)
    if depth > DEEPEST or value is None:
        return None
    if isinstance(value, str):
        # The beginning of JSON is what a program cut off, and not what a user said.
        return [{"role": "user", "content": value}] if value.strip() and not _CUT.match(value) else None
    if isinstance(value, list):
        listed = cast("list[object]", value)
        if name == "contents":
            # To Gemini what names no role is the user's.
            listed = [{"role": "user", **each} if _is_bare(each) else each for each in listed]
        if (pairs := _speaker_pairs(listed)) is not None:
            return pairs
        # LangChain asks for several prompts at once: a list of lists, mostly of one.
        if listed and isinstance(listed[0], list):
            return messages_under(cast("object", listed[0]), depth + 1)
        said = (
            listed if listed and all(map(is_message, listed)) else _message_list(listed, exchanged=name in _EXCHANGED)
        )
        return None if said is None else _in_order(answered_by_users(said))
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, object]", value)
    if is_message(table):
        return [table]
    if (asked := _behind_history(table, depth)) is not None:
        return _with_system(table, asked)
    for each in _INPUTS:
        found = messages_under(table.get(each), depth + 1, each)
        if found is not None:
            return _with_system(table, found)
    return None if (found := _by_form(table, depth + 1)) is None else _with_system(table, found)


def opened_envelope(row: Row) -> Row | None:
    """The row with what an object in it says, where that holds messages or calls of a model; None without one.

    Programs have names of their own for such an object, so that it is known by what it holds.
    """
    return next((within for _, within in _envelopes(row, 2)), None)


def holds_model_calls(row: Row) -> bool:
    """Whether this lists calls of a model, as a trace does."""
    return any(isinstance(unpacked(row.get(name)), list) for name in WITHIN)


def _envelopes(row: Row, levels: int) -> Iterator[tuple[str, Row]]:
    for name, value in row.items():
        inner = unpacked(value) if name not in _NO_LOGS else None
        table = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
        # Who takes part in a chat may stand beside what was said.
        people = {each: row[each] for each in PARTICIPANTS if each in row}
        if holds_model_calls(table) or (table and _is_conversation(turns_of({**people, **table}))):
            yield name, {**row, **table}
        elif levels > 1:
            yield from ((name, {**row, **within}) for _, within in _envelopes(table, levels - 1))


def _is_conversation(table: Row) -> bool:
    if not any(isinstance(value, list | dict | str) for value in table.values()):
        return False
    found = entries_of(exported(table))
    return found is not None and "user" in _roles(found) and (len(found) > 1 or bool(reply_of(table)))


def _by_form(table: Row, depth: int) -> list[object] | None:
    """The messages of a list whose name says nothing: one in which a user speaks, and more than one turn stands."""
    for name, value in table.items() if depth <= DEEPEST else ():
        listed = unpacked(value) if name not in _NO_LOGS else None
        if isinstance(listed, list) and listed:
            found = messages_under(cast("object", listed), depth)
            if found is not None and len(found) > 1 and "user" in _roles(found):
                return found
    return None


def _is_bare(entry: object) -> TypeGuard[dict[str, object]]:
    return isinstance(entry, dict) and "parts" in entry and "role" not in entry


def _roles(entries: Sequence[object]) -> set[str]:
    """The roles of those who speak in the entries, as far as their names are known."""
    tables = [as_spoken(cast("dict[str, object]", each)) for each in entries if isinstance(each, dict)]
    said = [str(each.get("role", each.get("from", each.get("type")))) for each in tables]
    return {known_role(each) for each in said if is_speaker(each)}


def _speaker_pairs(listed: Sequence[object]) -> list[object] | None:
    """A list of speaker and text, as `[["human", "…"], ["ai", "…"]]`; None for any other."""
    pairs = [cast("list[object]", each) for each in listed if isinstance(each, list)]
    if len(pairs) < len(listed) or not all(len(each) == 2 and isinstance(each[1], str) for each in pairs):
        return None
    if not pairs or not all(isinstance(each[0], str) and is_speaker(each[0]) for each in pairs):
        return None
    return [{"role": each[0], "content": each[1]} for each in pairs]


def _in_order(entries: list[object]) -> list[object]:
    """The entries, the earliest first: interfaces list messages as their pages do, from the newest on."""
    tables = [cast("dict[str, object]", each) for each in entries if isinstance(each, dict)]
    if not tables or _moment(tables[0]) is None:
        return entries
    moments = [moment for each in tables if (moment := _moment(each)) is not None]
    # Equal times throughout tell no order.
    falls = all(one >= two for one, two in pairwise(moments)) and moments[:1] > moments[-1:]
    return entries[::-1] if falls and len(moments) == len(entries) else entries


def _moment(table: Row) -> float | None:
    plain = {joined_words(name): value for name, value in table.items()}
    return next((moment_of(plain[name]) for name in map(joined_words, TIMES) if name in plain), None)


def _behind_history(table: Row, depth: int) -> list[object] | None:
    """What a user asked, behind the history that stands beside it; None where there are not both."""
    names = _QUESTIONS if "instruction" not in table else ("instruction", "input")
    asks = [str(table[name]) for name in names if isinstance(table.get(name), str) and table[name]]
    # Alpaca has what an instruction is about beside it, and both are asked.
    question = "\n".join(asks if "instruction" in table else asks[:1])
    given = next((unpacked(table[name]) for name in _HISTORIES if name in table), None)
    if not question.strip() or _CUT.match(question) or not isinstance(given, list) or "messages" in table:
        return None
    listed = cast("list[object]", given)
    pairs = [cast("list[object]", each) for each in listed if isinstance(each, list)]
    if pairs and len(pairs) == len(listed) and all(len(each) == 2 for each in pairs):
        roles = ("user", "assistant")
        found: list[object] | None = [{"role": role, "content": said} for each in pairs
                                      for role, said in zip(roles, each, strict=True) if said]  # fmt: skip
    else:
        found = messages_under(listed, depth + 1, _HISTORIES[0]) if listed else []
    if found is None:
        return None
    last = cast("dict[str, object]", found[-1]) if found and isinstance(found[-1], dict) else {}
    # Some programs write the question into the history too; a prompt beside one that ends in a question is no turn.
    asked = question == table.get("prompt") and last.get("role") in ("user", "human")
    return found if asked or question in last.values() else [*found, {"role": "user", "content": question}]


def _message_list(listed: Sequence[object], *, exchanged: bool) -> list[object] | None:
    """A list most of whose entries are messages is a conversation, with entries that will be refused.

    `exchanged`: whether questions and answers are, too.
    """
    tables = [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]
    pairs = [pair for each in tables if (pair := pair_in(each, session=exchanged)) is not None]
    if exchanged and not pairs:
        pairs = [("input", "output") for each in tables if isinstance(each.get("output"), str) and "input" in each]
    # An exchange that an event began has a reply alone.
    if len(tables) == len(listed) and len(pairs) * 2 > len(listed):
        known = [moment for each in tables if (moment := _moment(each)) is not None]
        # Dialogflow's are the newest first.
        order = sorted(range(len(tables)), key=known.__getitem__) if len(known) == len(tables) else range(len(tables))
        turns = [turn for place in order for turn in turns_at(tables[place], pairs[0])]
        return _with_system(tables[0], turns) if exchanged else turns
    said = spoken_alone(list(listed))
    return said if sum(map(is_message, said)) * 2 > len(said) else None


def is_cut_off(row: Row) -> bool:
    """Whether a member that should hold messages is JSON whose end is missing."""
    return any(isinstance(held := unpacked(row.get(name)), str) and _CUT.match(held) is not None for name in _INPUTS)
