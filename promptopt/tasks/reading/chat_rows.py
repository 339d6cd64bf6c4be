"""Logs of chats as conversations: which members of a row, in the form of which program, hold what.

OpenAI's chat and fine-tuning rows, requests of its batches and stored completions, OpenAI-Evals samples, ShareGPT,
exports of Langfuse and LangSmith, and transcripts of one row a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from promptopt.tasks.reading.chat_beside import demands_of, ideals_of, tools_in_row, variables_of, weight_of
from promptopt.tasks.reading.chat_entries import (
    WITHIN,
    entries_of,
    holds_model_calls,
    is_cut_off,
    messages_under,
    opened_envelope,
)
from promptopt.tasks.reading.chat_exports import exported
from promptopt.tasks.reading.chat_messages import answered_by_system, placed_messages
from promptopt.tasks.reading.chat_parts import Unusable
from promptopt.tasks.reading.chat_replies import reply_of
from promptopt.tasks.reading.grouping import group_of, growing, session_of, unpacked
from promptopt.tasks.reading.json_objects import tables_among
from promptopt.tasks.reading.responses import with_history
from promptopt.tasks.reading.speakers import turns_of
from promptopt.tasks.reading.spoken import spoken_in
from promptopt.tasks.reading.tagged_tools import tools_in_text
from promptopt.tasks.reading.telemetry import span_of
from promptopt.tasks.reading.transcripts import Row, joined_turns, turn_columns
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


_ELSEWHERE = "signed_body_url"
"""Where Helicone keeps the bodies of a request that was exported without them."""
_OF_A_MODEL = ("llm", "generation", "chat_model", "chat", "text_completion", "generate_content")
_NOT_OF_A_MODEL = ("chain", "tool", "retriever", "parser", "prompt", "embedding", "span", "event", "agent", "evaluator",
                   "guardrail", "reranker", "score", "function")  # fmt: skip
"""Kinds of runs of LangSmith, of observations of Langfuse, and of spans."""


def is_log(row: Row) -> bool:
    """Whether the rows of a file like this one hold conversations."""
    row = exported(row)
    named = any(isinstance(row.get(name), list) for name in ("messages", "conversations"))
    if not named and "instruction" in row and row.get("history") in ([], None):
        # A table of Alpaca's, until one of its rows has a history.
        return False
    table = turn_columns(row) is not None
    held = named or table or _ELSEWHERE in row or any(entries_of(each) is not None for each in _shallow(0, row, {}))
    # Pairs of preferred and rejected replies can hold messages too, and are read as pairs.
    return "chosen" not in row and held


def conversations_of(
    rows: Iterable[tuple[int, Row]],
    speakers: Mapping[str, ChatRole] | None = None,
    group_by: str | None = None,
    demands: str | None = None,
) -> Reading:
    """The conversations in numbered rows; `speakers`: as in `placed_messages`.

    `group_by`: the member that names the group of a conversation. `demands`: the member of rows and messages that holds
    what a reply has to do; None: it is not looked for. Rows that cannot be used are told by reason, and no row of a
    transcript that holds one is.
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
            # The name was put down before its row proved of no use.
            del names[len(found) :]
            refused.setdefault(cause.reason if isinstance(cause, Unusable) else _DEEP, []).append(number)

    for number, row in joined_turns(with_history(rows, refused), demands, unordered):
        for each in _shallow(number, row, refused):
            whole = _conversation_of_chain(each)
            if whole is None:
                take(number, each)
            else:
                chains.append((number, whole))
                refused.setdefault(_OTHER.format(_run_kind(each)), []).append(number)
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
_BODILESS = "it holds neither what was asked nor the reply (export requests with their bodies)"
_UNASKED = "it holds a reply and not what was asked (join it to its request first: in a batch by custom_id)"
_ANSWERS = ("custom_id", "choices", "candidates")
"""Members of what a model's server answers; where it stands alone, the requests are in another file."""
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
    """What `_without_envelope` finds; nothing, with its reason, where Python cannot look into it."""
    try:
        return list(_without_envelope(row))
    except RecursionError:
        refused.setdefault(_DEEP, []).append(number)
        return []


def _run_kind(row: Row) -> str:
    return str(row.get("run_type", row.get("type", ""))).casefold()


def _conversation_of_chain(row: Row) -> Row | None:
    """A run of a chain that gives a whole conversation, as a row of that; None for any other row."""
    said = messages_under(row.get("outputs"), 0) if _run_kind(row) == "chain" else None
    return None if said is None or len(said) < 2 else {**row, "run_type": "", "inputs": said, "outputs": None}


def _without_envelope(row: Row) -> Iterator[Row]:
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
    if not holds_model_calls(row) and entries_of(row) is None and (within := opened_envelope(row)) is not None:
        # Diagnostic logs of Azure, say, keep what was asked and answered one level down.
        row = turns_of(exported(within))
    inner = [each for name in WITHIN for each in tables_among(unpacked(row.get(name)))]
    if not inner or (entries_of(row) is not None and not any(map(_asks_a_model, inner))):
        yield row
        return
    # Those below belong to the conversation that the trace is of, wherever it says so.
    session = session_of(row)
    named = {} if session is None else {"conversation_id": session}
    for each in inner:
        yield from _without_envelope({**named, **each})


def _asks_a_model(row: Row) -> bool:
    """Whether this is a call of a model, or holds one at any depth."""
    row = span_of(row)
    within = (each for name in WITHIN for each in tables_among(unpacked(row.get(name))))
    return _run_kind(row) in _OF_A_MODEL or any(map(_asks_a_model, within))


def _conversation(number: int, row: Row, speakers: Mapping[str, ChatRole] | None, demands: str | None) -> Conversation:
    # Langfuse keeps items of a data set that were taken out, with this status.
    if str(row.get("status", "")).upper() == "ARCHIVED":
        raise Unusable("it is archived")
    # Only the runs of a model hold what it was asked.
    if _run_kind(row) in _NOT_OF_A_MODEL:
        raise Unusable(_OTHER.format(_run_kind(row)))
    # Rows for KTO have good and bad replies.
    if row.get("label") is False and "completion" in row:
        raise Unusable("its label says that the reply is a bad one")
    entries = entries_of(row)
    if entries is None and speakers:
        entries = spoken_in(row, speakers)
    if entries is None:
        alone = _UNASKED if any(name in row for name in _ANSWERS) and reply_of(row) else NO_MESSAGES
        raise Unusable(_BODILESS if _ELSEWHERE in row else _CUT_OFF if is_cut_off(row) else alone)
    ideals, last = ideals_of(row), reply_of(row)
    # Some programs write the reply into the messages too; it must not stand there twice.
    answered = last and not ideals and entries[-len(last) :] != last
    whole = [*entries, *last] if answered else entries
    placed = placed_messages(whole, speakers)
    messages = answered_by_system(tuple(message for message, _ in placed))
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
        tools_in_row(row) or next((tools for each in messages[:1] if (tools := tools_in_text(each.content))), ()),
        variables_of(row),
        weights,
        (*ideals[1:], *accepted),
        () if demands is None else demands_of(row, whole, [place for _, place in placed], demands),
    )
