"""Logs of chats as conversations: which members of a row, in the form of which program, hold what.

OpenAI's chat and fine-tuning rows, requests of its batches and stored completions, OpenAI-Evals samples, ShareGPT,
exports of Langfuse and LangSmith, and transcripts of one row a turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from promptopt.tasks.reading.chat_messages import is_message, placed_messages
from promptopt.tasks.reading.chat_parts import Unusable, is_thought
from promptopt.tasks.reading.spoken import spoken_in
from promptopt.tasks.reading.transcripts import SESSIONS, Row, folded, joined, turn_columns
from promptopt.tasks.tool_results import as_openai
from promptopt.types import ChatRole, Message, canonical


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
    """What a log held: the conversations that can be used, and why others cannot, with the rows that they are in.

    `unordered`: the first row of each whose times cannot be read.
    """

    conversations: tuple[Conversation, ...]
    refused: Mapping[str, tuple[int, ...]]
    unordered: tuple[int, ...] = ()


# In the order in which they are looked for: conversations under the names of each program (Gemini has `contents`,
# ShareGPT `conversations` or `items`), and at the end those of a single text.
_BODIES = ("requestBody", "request_body", "backendRequestBody")
_INPUTS = ("messages", "input", "inputs", "conversation", "conversations", "contents", "items", "input_messages",
           "chat_history", "history", "dialog", "prompt", "question", "query", "text", "content", "user_input", "body",
           "request", "dialogue", "turns", "exchanges", "transcript", *_BODIES, "inputBodyJson")  # fmt: skip
_OUTPUTS = ("message", "output", "outputs", "expectedOutput", "expected_output", "response", "completion", "answer",
            "content", "text", "reply", "result", "generations", "choices", "candidates", "messages", "body",
            "output_text", "outputBodyJson")  # fmt: skip
_REPLIES = ("response", "output", "outputs", "output_messages", "preferred_output", "expectedOutput",
            "expected_output", "completion", "choices", "candidates", "responseBody", "response_body",
            "backendResponseBody")  # fmt: skip
_BESIDE = ("body", "request", "input", "inputs", "extra", "metadata", *_BODIES)
_ASKED = _INPUTS[: _INPUTS.index("request")]
"""Those that may be a text alone, which a user said."""
_SYSTEMS = ("system", "system_prompt", "instructions", "systemInstruction", "system_instruction")
_WITHIN = ("observations", "child_runs")
"""Where an exported trace holds the calls of a model that it is of."""
_VARIABLES = ("variables", "prompt_variables", "promptVariables", "metadata")
_SAMPLES = ("ideal", "expectedOutput", "expected_output", "run_type", "trace_id", "traceId", "sessionId")
"""What shows that a text is what a user said: such members stand in samples of evaluations and in traces alone."""
_DEEPEST = 6
"""How many objects are looked into, one within another, for messages."""


def is_log(row: Row) -> bool:
    """Whether the rows of a file like this one hold conversations."""
    named = any(isinstance(row.get(name), list) for name in ("messages", "conversations"))
    held = named or turn_columns(row) is not None or any(_entries(each) is not None for each in _opened(row))
    # Pairs of preferred and rejected replies can hold messages too, and are read as pairs.
    return "chosen" not in row and held


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
    unordered: list[int] = []
    for number, row in joined(rows, demands, unordered):
        for each in _opened(row):
            try:
                found.append(_conversation(number, each, speakers, group_by, demands))
            except Unusable as cause:
                refused.setdefault(cause.reason, []).append(number)
    reasons = {reason: tuple(numbers) for reason, numbers in refused.items()}
    return Reading(tuple(found), reasons, tuple(unordered))


def _opened(row: Row) -> Iterator[Row]:
    """The row without the envelope that some programs put it in; of a trace, each call that stands in it."""
    item, data = row.get("item"), row.get("data")
    if isinstance(item, dict):
        # Runs of OpenAI's evals: what was asked, and beside it what a model made of it.
        sample = row.get("sample")
        said = cast("dict[str, object]", sample).get("output_text") if isinstance(sample, dict) else None
        row = {**row, **cast("dict[str, object]", item), **({"output": said} if isinstance(said, str) else {})}
    elif row.get("type") == "sampling" and isinstance(data, dict):
        # Events that OpenAI-Evals logs.
        event = cast("dict[str, object]", data)
        row = {**row, "input": event.get("prompt"), "output": event.get("sampled")}
    beside = _unpacked(row.get("properties"))
    if isinstance(beside, dict) and _entries(row) is None:
        # Diagnostic logs of Azure keep what was asked and answered one level down.
        row = {**row, **cast("dict[str, object]", beside)}
    inner = [each for name in _WITHIN for each in _tables(row.get(name))]
    if not inner or _entries(row) is not None:
        yield row
        return
    # Those below belong to the conversation that the trace is of.
    named = {name: row[name] for name in row if folded(name) in map(folded, SESSIONS)}
    for each in inner:
        yield from _opened({**named, **each})


def _tables(value: object) -> list[Row]:
    value = _unpacked(value)
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Row", each) for each in listed if isinstance(each, dict)]


def _conversation(
    number: int, row: Row, speakers: Mapping[str, ChatRole] | None, group_by: str | None, demands: str | None
) -> Conversation:
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
    placed = placed_messages(whole, speakers)
    messages = tuple(message for message, _ in placed)
    kept = row.get("accepted")
    accepted = tuple(str(each) for each in cast("list[object]", kept)) if isinstance(kept, list) else ()
    weights = tuple(_weight(whole[place]) for _, place in placed)
    if ideals:
        messages = (*messages, Message("assistant", ideals[0]))
        weights = (*weights, None)
        placed = (*placed, (messages[-1], -1))
    return Conversation(
        _group(row, number, group_by),
        messages,
        number,
        _tools(row),
        _variables(row),
        weights,
        (*ideals[1:], *accepted),
        () if demands is None else _demands(row, whole, [place for _, place in placed], demands),
    )


def _demands(row: Row, entries: Sequence[object], places: Sequence[int], name: str) -> tuple[object, ...]:
    """What stands under `name` in the entry of each message, and at the end what stands there in the row.

    `places`: of each message's entry; -1 for a reply that is none of the entries.
    """
    tables = [cast("dict[str, object]", entry) if isinstance(entry, dict) else {} for entry in entries]
    held = [tables[place].get(name) if place >= 0 else None for place in places]
    if row.get(name) not in (None, "") and held:
        held[-1] = row[name]
    return tuple(held) if any(each not in (None, "") for each in held) else ()


def _entries(row: Row) -> list[object] | None:
    """The messages of a row, or what was asked in it as one; None where there is nothing of the kind."""
    for name in _INPUTS:
        found = _messages_in(row.get(name), 0)
        if found is not None and (_structured(row[name]) or (name in _ASKED and any(mark in row for mark in _SAMPLES))):
            return _with_system(row, found)
    return None if (spoken := spoken_in(row)) is None else _with_system(row, spoken)


def _with_system(table: Row, entries: list[object]) -> list[object]:
    """The entries behind the system prompt that stands beside them, where they do not begin with it themselves."""
    name = next((name for name in _SYSTEMS if table.get(name)), None)
    given = None if name is None else table[name]
    inner = cast("dict[str, object]", given).get("parts") if isinstance(given, dict) else given
    own = cast("dict[str, object]", entries[0]) if entries and isinstance(entries[0], dict) else {}
    there = own.get("role", own.get("from")) in ("system", "developer")
    if not isinstance(inner, str | list) or (there and (name != "system" or own.get("content") == inner)):
        return entries
    return [{"role": "system", "content": cast("object", inner)}, *entries]


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
    for name in _INPUTS:
        found = _messages_in(table.get(name), depth + 1)
        if found is not None:
            return _with_system(table, found)
    return None


def _loosely(listed: list[object]) -> list[object] | None:
    """A list most of whose entries are messages is a conversation, with entries that will be refused."""
    return listed if sum(map(is_message, listed)) * 2 > len(listed) else None


def _reply(row: Row) -> object | None:
    """The message in the outputs of a row, if there is one."""
    for name in _REPLIES:
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
        listed = [each for each in cast("list[object]", value) if not is_thought(each)]
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
    try:
        return float(given) if isinstance(given, int | float | str) else None
    except ValueError:
        return None


def _places(row: Row) -> Iterator[Row]:
    """The row, and the objects in it where programs put what belongs to a request."""
    yield row
    for name in _BESIDE:
        inner = _unpacked(row.get(name))
        if isinstance(inner, dict):
            table = cast("dict[str, object]", inner)
            yield table
            for below in ("metadata", "invocation_params", "body", "inputBodyJson"):
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
        named = {folded(key): value for key, value in place.items()} if group_by is None else place
        for name in map(folded, SESSIONS) if group_by is None else (group_by,):
            value = named.get(name)
            if isinstance(value, str | int) and str(value).strip():
                return str(value).strip()
    if group_by is not None:
        raise Unusable(f"it has no {group_by!r} to group by")
    # A name that no other row has: it is a group of its own.
    return f"row {number}"
