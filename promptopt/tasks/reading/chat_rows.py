"""Logs of chats as conversations: which members of a row, in the form of which program, hold what.

OpenAI's chat and fine-tuning rows, requests of its batches and stored completions, OpenAI-Evals samples, ShareGPT,
exports of Langfuse and LangSmith, and transcripts of one row a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from promptopt.tasks.reading.chat_beside import demands_of, ideals_of, tools_of, variables_of, weight_of
from promptopt.tasks.reading.chat_exports import exported
from promptopt.tasks.reading.chat_messages import is_message, placed_messages
from promptopt.tasks.reading.chat_parts import Unusable
from promptopt.tasks.reading.chat_replies import DEEPEST, is_answered, reply_of
from promptopt.tasks.reading.grouping import BODIES, group_of, growing, unpacked
from promptopt.tasks.reading.responses import with_history
from promptopt.tasks.reading.speakers import joined_words, spoken_alone, turns_of
from promptopt.tasks.reading.spoken import pair_in, spoken_in, turns_at
from promptopt.tasks.reading.telemetry import span_of
from promptopt.tasks.reading.transcripts import SESSIONS, Row, joined, moment_of, turn_columns
from promptopt.types import ChatRole, Message


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
_INPUTS = ("messages", "input", "inputs", "conversation", "conversations", "contents", "items", "input_messages",
           "chat_history", "history", "dialog", "prompt", "question", "query", "text", "content", "user_input", "body",
           "request", "params", "dialogue", "turns", "exchanges", "interactions", "transcript", "chat_messages",
           "comments", "events", "entries", "message", "chat", "kwargs", *BODIES, "inputBodyJson")  # fmt: skip
_ASKED = _INPUTS[: _INPUTS.index("request")]
"""Those that may be a text alone, which a user said."""
_SYSTEMS = ("system", "system_prompt", "instructions", "systemInstruction", "system_instruction", "preamble",
            "systemPrompt")  # fmt: skip
_HISTORIES = ("chat_history", "chatHistory", "history", "conversation_history", "message_history")
_QUESTIONS = ("message", "input", "question", "query", "prompt", "user_input")
"""What a user asked behind a history that stands under a name of its own."""
_WITHIN = ("observations", "child_runs", "traces", "spans", "scopeSpans", "scope_spans", "resourceSpans",
           "resource_spans")  # fmt: skip
"""Where an exported trace holds the calls of a model that it is of."""
_OF_A_MODEL = ("llm", "generation", "chat", "text_completion", "generate_content")
_NOT_OF_A_MODEL = ("chain", "tool", "retriever", "parser", "prompt", "embedding", "span", "event", "agent", "evaluator",
                   "guardrail", "reranker", "score", "function")  # fmt: skip
"""Kinds of runs of LangSmith, of observations of Langfuse, and of spans."""
_SAMPLES = ("ideal", "expectedOutput", "expected_output", "run_type", "trace_id", "traceId", "sessionId")
"""What shows that a text is what a user said: such members stand in samples of evaluations and in traces alone."""
_TIMES = ("createTime", "created_at", "timestamp", "time")


def is_log(row: Row) -> bool:
    """Whether the rows of a file like this one hold conversations."""
    row = exported(row)
    named = any(isinstance(row.get(name), list) for name in ("messages", "conversations"))
    table = turn_columns(row) is not None
    held = named or table or any(_entries(each) is not None for each in _shallow(0, row, {}))
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
    names: list[str | None] = []
    refused: dict[str, list[int]] = {}
    unordered: list[int] = []
    chains: list[tuple[int, Row]] = []

    def take(number: int, row: Row) -> None:
        try:
            names.append(group_of(row, number, group_by))
            found.append(_conversation(number, row, speakers, demands))
        except (Unusable, RecursionError) as cause:
            del names[len(found) :]
            refused.setdefault(cause.reason if isinstance(cause, Unusable) else _DEEP, []).append(number)

    for number, row in joined(with_history(rows, refused), demands, unordered):
        for each in _shallow(number, row, refused):
            whole = _whole(each)
            if whole is None:
                take(number, each)
            else:
                chains.append((number, whole))
                refused.setdefault(_OTHER.format(_kind(each)), []).append(number)
    if not found and chains:
        # An export of the outermost runs alone: a conversation stands in what came out of them.
        refused.clear()
        for number, row in chains:
            take(number, row)
    told = [(name, each.row, each.messages) for name, each in zip(names, found, strict=True)]
    grouped = tuple(replace(each, id=id) for each, id in zip(found, growing(told), strict=True))
    reasons = {reason: tuple(numbers) for reason, numbers in refused.items()}
    return Reading(grouped, reasons, tuple(unordered))


NO_MESSAGES = "it holds no messages"
"""Why a row is left out in which nothing looks like a conversation."""
_CUT = re.compile(r'\s*\[?\s*\{\s*"')
_CUT_OFF = "its messages are JSON that was cut off (raise the limit that the tracing program has for attributes)"
_LAID_OUT = re.compile(
    r"\s*(?:<\|begin_of_text\|>|<\|start_header_id\|>|<\|im_start\|>(?:system|user)|<\|(?:system|user)\|>|<bos>|"
    r"<start_of_turn>user|(?:<s>\s*)?\[INST\]|<｜begin▁of▁sentence｜>)"
)
"""How a prompt begins over which a chat template was laid."""
_TEMPLATED = (
    "its prompt is one text with the marks of a chat template (log the messages before the template is laid over them)"
)
_DEEP = "it is nested too deeply to be read (write flat objects)"
_OTHER = "its row is of the kind {!r}, no call of a model (export those of type llm or GENERATION)"


def _shallow(number: int, row: Row, refused: dict[str, list[int]]) -> list[Row]:
    """What `_opened` finds; nothing, with its reason, where Python cannot look into it."""
    try:
        return list(_opened(row))
    except RecursionError:
        refused.setdefault(_DEEP, []).append(number)
        return []


def _kind(row: Row) -> str:
    return str(row.get("run_type", row.get("type", ""))).casefold()


def _whole(row: Row) -> Row | None:
    """A run of a chain that gives a whole conversation, as a row of that; None for any other row."""
    said = _messages_in(row.get("outputs"), 0) if _kind(row) == "chain" else None
    return None if said is None or len(said) < 2 else {**row, "run_type": "", "inputs": said, "outputs": None}


def _opened(row: Row) -> Iterator[Row]:
    """The row without the envelope that some programs put it in; of a trace, each call that stands in it."""
    row = turns_of(span_of(row))
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
    beside = unpacked(row.get("properties"))
    if isinstance(beside, dict) and _entries(row) is None:
        # Diagnostic logs of Azure keep what was asked and answered one level down.
        row = {**row, **cast("dict[str, object]", beside)}
    inner = [each for name in _WITHIN for each in _tables(row.get(name))]
    if not inner or (_entries(row) is not None and not any(_kind(each) in _OF_A_MODEL for each in inner)):
        yield row
        return
    # Those below belong to the conversation that the trace is of.
    named = {name: row[name] for name in row if joined_words(name) in map(joined_words, SESSIONS)}
    for each in inner:
        yield from _opened({**named, **each})


def _tables(value: object) -> list[Row]:
    value = unpacked(value)
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Row", each) for each in listed if isinstance(each, dict)]


def _conversation(number: int, row: Row, speakers: Mapping[str, ChatRole] | None, demands: str | None) -> Conversation:
    # Langfuse keeps items of a data set that were taken out, with this status.
    if str(row.get("status", "")).upper() == "ARCHIVED":
        raise Unusable("it is archived")
    # Only the runs of a model hold what it was asked.
    if _kind(row) in _NOT_OF_A_MODEL:
        raise Unusable(_OTHER.format(_kind(row)))
    # Rows for KTO have good and bad replies.
    if row.get("label") is False and "completion" in row:
        raise Unusable("its label says that the reply is a bad one")
    entries = _entries(row)
    if entries is None and speakers:
        entries = spoken_in(row, speakers)
    if entries is None:
        cut = any(isinstance(row.get(name), str) and _CUT.match(str(row[name])) for name in _INPUTS)
        raise Unusable(_CUT_OFF if cut else NO_MESSAGES)
    ideals, last = ideals_of(row), reply_of(row)
    # Some programs write the reply into the messages too; it must not stand there twice.
    answered = last and not ideals and entries[-len(last) :] != last
    whole = [*entries, *last] if answered else entries
    placed = placed_messages(whole, speakers)
    messages = tuple(message for message, _ in placed)
    if messages and messages[0].role == "user" and _LAID_OUT.match(messages[0].content):
        raise Unusable(_TEMPLATED)
    kept = row.get("accepted")
    accepted = tuple(str(each) for each in cast("list[object]", kept)) if isinstance(kept, list) else ()
    weights = tuple(weight_of(whole[place]) for _, place in placed)
    if ideals:
        messages = (*messages, Message("assistant", ideals[0]))
        weights = (*weights, None)
        placed = (*placed, (messages[-1], -1))
    return Conversation(
        "",
        messages,
        number,
        tools_of(row),
        variables_of(row),
        weights,
        (*ideals[1:], *accepted),
        () if demands is None else demands_of(row, whole, [place for _, place in placed], demands),
    )


def _entries(row: Row) -> list[object] | None:
    """The messages of a row, or what was asked in it as one; None where there is nothing of the kind."""
    if (asked := _behind_history(row, 0)) is not None:
        return _with_system(row, asked)
    plain: bool | None = None
    for name in _INPUTS:
        found = _messages_in(row.get(name), 0)
        if found is None:
            continue
        if not _structured(row[name]) and name in _ASKED and plain is None:
            plain = any(mark in row for mark in _SAMPLES) or is_answered(row)
        if _structured(row[name]) or (name in _ASKED and plain):
            return _with_system(row, found)
    return None if (spoken := spoken_in(row)) is None else _with_system(row, spoken)


def _with_system(table: Row, entries: list[object]) -> list[object]:
    """The entries behind the system prompt that stands beside them, where they do not begin with it themselves."""
    name = next((name for name in _SYSTEMS if table.get(name)), None)
    given = None if name is None else table[name]
    inner = cast("dict[str, object]", given).get("parts") if isinstance(given, dict) else given
    own = cast("dict[str, object]", entries[0]) if entries and isinstance(entries[0], dict) else {}
    there = own.get("role", own.get("from")) in ("system", "developer")
    if not isinstance(inner, str | list | dict) or (there and (name != "system" or own.get("content") == inner)):
        return entries
    return [{"role": "system", "content": cast("object", inner)}, *entries]


def _structured(value: object) -> bool:
    """Whether this says by its form that it is a conversation; a text alone may be anything."""
    return not isinstance(unpacked(value), str)


def _messages_in(value: object, depth: int) -> list[object] | None:
    value = unpacked(value)
    if depth > DEEPEST or value is None:
        return None
    if isinstance(value, str):
        # The beginning of JSON is what a program cut off, and not what a user said.
        return [{"role": "user", "content": value}] if value.strip() and not _CUT.match(value) else None
    if isinstance(value, list):
        listed = cast("list[object]", value)
        # LangChain asks for several prompts at once: a list of lists, mostly of one.
        if listed and isinstance(listed[0], list):
            return _messages_in(cast("object", listed[0]), depth + 1)
        return listed if listed and all(map(is_message, listed)) else _listed(listed)
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, object]", value)
    if is_message(table):
        return [table]
    if (asked := _behind_history(table, depth)) is not None:
        return _with_system(table, asked)
    for name in _INPUTS:
        found = _messages_in(table.get(name), depth + 1)
        if found is not None:
            return _with_system(table, found)
    return None


def _behind_history(table: Row, depth: int) -> list[object] | None:
    """What a user asked, behind the history that stands beside it; None where there are not both."""
    question = next((str(table[name]) for name in _QUESTIONS if isinstance(table.get(name), str) and table[name]), "")
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
        found = _messages_in(listed, depth + 1) if listed else []
    if found is None:
        return None
    last = cast("dict[str, object]", found[-1]) if found and isinstance(found[-1], dict) else {}
    # Some programs write the question into the history too; a prompt beside one that ends in a question is no turn.
    asked = question == table.get("prompt") and last.get("role") in ("user", "human")
    return found if asked or question in last.values() else [*found, {"role": "user", "content": question}]


def _listed(listed: Sequence[object]) -> list[object] | None:
    """A list most of whose entries are messages is a conversation, with entries that will be refused."""
    tables = [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]
    pairs = [pair for each in tables if (pair := pair_in(each)) is not None]
    # An exchange that an event began has a reply alone.
    if len(tables) == len(listed) and len(pairs) * 2 > len(listed):
        moments = [next((moment_of(each[name]) for name in _TIMES if name in each), None) for each in tables]
        known = [moment for moment in moments if moment is not None]
        # Dialogflow's are the newest first.
        order = sorted(range(len(tables)), key=known.__getitem__) if len(known) == len(tables) else range(len(tables))
        return [turn for place in order for turn in turns_at(tables[place], pairs[0])]
    said = spoken_alone(list(listed))
    return said if sum(map(is_message, said)) * 2 > len(said) else None
