"""From logged conversations to examples: what of them a model can be sent again, and which replies are scored.

What is left out on the way is counted, and said in a sentence for each reason.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from promptopt.errors import DataError
from promptopt.tasks.demands import demands_of
from promptopt.tasks.reading.chat_rows import NO_MESSAGES, Conversation, Reading, Row, conversations_of
from promptopt.tasks.reading.long_histories import LONGEST_HISTORY, fitting, tokens_of
from promptopt.tasks.reading.row_numbers import row_at, where_is
from promptopt.tasks.reading.speakers import SHOWN_REPLY
from promptopt.tasks.reading.tool_turns import paired_calls, results_behind_calls
from promptopt.text import counted
from promptopt.types import Demand, Example, Message

ScoredTurns = Literal["last", "all", "weighted"]
"""Which replies of a conversation are scored: its last, each, or those whose weight in the log is above 0."""
SCORED: tuple[ScoredTurns, ...] = ("last", "all", "weighted")
_PLAINEST = (
    "docs/chat.md lists the forms that are read; the plainest is a line for each conversation in a .jsonl file: "
    '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}; '
    "of a table or members with other names, --speaker NAME=ROLE of `promptopt init` says who speaks"
)
_DATES_READ = "dates as 2026-11-27 09:05"
_Spoken = tuple[Message, float | None, object]
"""A message with its weight and its demands."""
MOST_CONVERSATIONS = 50_000
"""The most conversations kept of one file. Ours."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A conversation without its system message (`system`), ready to be sent up to any of its replies.

    `demands`: of each of its messages; none at all where it has none.
    """

    conversation: Conversation
    system: str
    demands: tuple[tuple[Demand, ...], ...] = ()


@dataclass(slots=True)
class Remarks:
    """What was left out, by reason, with how often."""

    counts: Counter[str] = field(default_factory=Counter[str])

    def sentences(self, name: str) -> tuple[str, ...]:
        """One for each reason; `name`: of the file."""
        return tuple(f"{name}: {_spoken(reason, count)}" for reason, count in self.counts.items())

    def nothing_left(self, path: Path, reading: Reading) -> DataError:
        """The error of a file none of whose replies can be scored: what most of them were left out for."""
        # Rows that are the newest first, and no time that would tell so, are replies before their questions.
        mended = f", and that times are numbers or {_DATES_READ}" if reading.unordered else ""
        count, reason = max((self.counts[reason], reason) for reason in ("no reply", "greeting", "too long"))
        why = f" ({_spoken(reason, count)})" if count else ""
        return DataError(
            f"{path}: no conversation has a reply that could be scored{why}; see that users ask and the assistant "
            f"answers, at less than about {LONGEST_HISTORY:,} tokens{mended}"
        )


_REASONS: Mapping[str, tuple[str, str]] = {
    "empty": ("empty turn", "left out"),
    "orphan": ("result of a tool", "left out that no call asks for"),
    "moved": ("result of a tool", "moved up behind the call: other messages stood between"),
    "cut call": ("conversation", "cut at a call of a tool that has no result"),
    "unanswered": ("conversation", "cut after the last reply: what the user said then has none"),
    "no reply": ("conversation", "left out without a reply of the assistant"),
    "in pieces": ("message", "joined to the one before: the assistant sent them in a row, and they are one reply"),
    "greeting": ("reply", "not scored, since nobody had asked anything"),
    "long": ("history", f"cut to the last turns, of about {LONGEST_HISTORY:,} tokens at most"),
    "steps": (
        "history",
        f"cut within the last turn, to what the user asked and the last calls with their results, of about "
        f"{LONGEST_HISTORY:,} tokens at most",
    ),
    "too long": ("reply", f"left out: the turn before alone has more than about {LONGEST_HISTORY:,} tokens"),
    "system": ("system message", "kept in place inside of a conversation"),
}


def read_chats(
    path: Path,
    rows: Iterable[Row],
    variables: Sequence[str],
    scored: ScoredTurns,
    seed: int,
    slice: str | None = None,
    demands: str | None = None,
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """The scored turns in a file of chats, and what a user should know.

    `variables`: members that are inputs, too. `slice`: the one that says which part of the data a conversation is of.
    `demands`: the one, of messages or of the row for its last reply, with what a reply has to do (`tasks.demands`).
    Raises DataError where nothing can be used, and for a conversation without one of the variables.
    """
    reading = conversations_of(enumerate(rows, start=1), demands=demands)
    remarks = Remarks()
    cleaned = usable(path, reading, remarks)
    for each in cleaned:
        known = dict(each.conversation.variables)
        lost = next((name for name in variables if name not in known), None)
        if lost is not None:
            raise DataError(
                f"{where_is(path, each.conversation.row)}: the conversation has no value for {lost!r}, which the "
                f"prompt shows; write it under 'variables', or remove the row"
            )
    if slice is not None:
        _check_slice(path, cleaned, slice)
    kept = cleaned
    if len(cleaned) > MOST_CONVERSATIONS:
        places = sorted(random.Random(f"{seed}/rows").sample(range(len(cleaned)), MOST_CONVERSATIONS))
        # In the order of the file: the sample is sorted.
        kept = tuple(cleaned[place] for place in places)
    examples = examples_of(kept, variables, scored, remarks, slice)
    if not examples:
        raise remarks.nothing_left(path, reading)
    said = [*refusals(path, reading), *remarks.sentences(path.name)]
    if len(kept) < len(cleaned):
        said.append(
            f"{path.name} has {len(cleaned):,} conversations; a random {MOST_CONVERSATIONS:,} of them "
            f"(by the seed) are used"
        )
    return examples, tuple(said)


def _check_slice(path: Path, cleaned: Sequence[Cleaned], slice: str) -> None:
    """Raise DataError for a member that no conversation has: a slice without examples would never be looked at."""
    names = dict.fromkeys(name for each in cleaned for name, _ in each.conversation.variables)
    if slice not in names:
        there = f"they have {', '.join(map(repr, islice(names, 20)))}" if names else "they have none"
        raise DataError(f"{path}: no conversation has {slice!r}, which [data] slice names; {there}")


def refusals(path: Path, reading: Reading) -> list[str]:
    """A sentence for each reason why rows were refused, and one on times that cannot be read."""
    said = [
        f"{path.name}: {counted(len(rows), 'row')} left out, such as row {row_at(path, rows[0])}: {reason}"
        for reason, rows in reading.refused.items()
    ]
    if reading.unordered:
        count = counted(len(reading.unordered), "conversation")
        said.append(
            f"{path.name}: the turns of {count}, such as that of row {row_at(path, reading.unordered[0])}, stay in the "
            f"order of the rows: their times are neither numbers nor {_DATES_READ}"
        )
    return said


def usable(path: Path, reading: Reading, remarks: Remarks) -> tuple[Cleaned, ...]:
    """The conversations as they can be sent. Raises DataError where there is none, and for demands that are none."""
    cleaned = tuple(_cleaned(path, each, remarks) for each in reading.conversations)
    found = tuple(each for each in cleaned if any(said.role != "system" for said in each.conversation.messages))
    if found:
        return found
    if reading.refused:
        reason, rows = max(reading.refused.items(), key=lambda entry: len(entry[1]))
        raise DataError(
            f"{path}: no conversation can be used: in row {row_at(path, rows[0])}, {reason}; mend or replace the "
            f"file{f' ({_PLAINEST})' if reason == NO_MESSAGES else ''}"
        )
    raise DataError(f"{path} holds no conversation; give a log of chats ({_PLAINEST})")


def examples_of(
    cleaned: Sequence[Cleaned],
    variables: Sequence[str],
    scored: ScoredTurns,
    remarks: Remarks,
    slice: str | None = None,
) -> tuple[Example, ...]:
    """One example for each scored turn; the turns of one conversation are one group.

    Where no conversation has any reply, each is asked as it stands, without a target.
    """
    answered = any(said.role == "assistant" for each in cleaned for said in each.conversation.messages)
    found: list[Example] = []
    for each in cleaned:
        conversation = each.conversation
        known = dict(conversation.variables)
        fields = tuple((name, known.get(name, "")) for name in variables)
        messages = conversation.messages
        sizes = [tokens_of(message) for message in messages]
        places = _places(conversation, scored, remarks) if answered else [len(messages)]
        for place in places:
            history, cut = fitting(messages[:place], sizes[:place])
            if cut:
                remarks.counts[cut] += 1
            if not history:
                continue
            target = messages[place].written if answered else ""
            # Further right replies are to the last turn alone.
            accepted = conversation.ideal if place == len(messages) - 1 else ()
            part = "" if slice is None else known.get(slice, "")
            asked = each.demands[place] if place < len(each.demands) else ()
            group, tools = conversation.id, conversation.tools
            found.append(Example(fields, target, accepted, (), "", group, history, tools, part, demands=asked))
    return tuple(found)


def _cleaned(path: Path, conversation: Conversation, remarks: Remarks) -> Cleaned:
    messages, weights = list(conversation.messages), list(conversation.weights)
    given = list(conversation.demands) if conversation.demands else [None] * len(messages)
    where = f"{where_is(path, conversation.row)}: demands"
    begin = 0
    while begin < len(messages) and messages[begin].role in ("system", "developer"):
        begin += 1
    system = "\n\n".join(message.content.strip() for message in messages[:begin] if message.content.strip())
    system = in_one_form(system)
    weighed = weights if weights else [None] * len(messages)
    spoken = [
        (message, weight, asked)
        for message, weight, asked in zip(messages[begin:], weighed[begin:], given[begin:], strict=True)
        # A tool may give nothing, and its call still needs the result.
        if message.content.strip() or message.tool_calls or message.role == "tool"
    ]
    remarks.counts["empty"] += len(messages) - begin - len(spoken)
    spoken = [spoken[place] for place in results_behind_calls([message for message, _, _ in spoken], remarks.counts)]
    spoken = _joined_assistant_turns(spoken, remarks)
    remarks.counts["system"] += sum(message.role in ("system", "developer") for message, _, _ in spoken)
    paired = paired_calls([message for message, _, _ in spoken], remarks.counts)
    kept = tuple(message for message, _ in paired)
    held = tuple(spoken[place][1] for _, place in paired)
    # The sign drops what was counted no time, so that no sentence is about nothing.
    remarks.counts = +remarks.counts
    raw = tuple(spoken[place][2] for _, place in paired) if conversation.demands else ()
    asked = tuple(demands_of(each, where) for each in raw)
    return Cleaned(replace(conversation, messages=kept, weights=held if weights else (), demands=raw), system, asked)


def in_one_form(system: str) -> str:
    """A system prompt with the line breaks and the Unicode form that logs of two systems may have in common."""
    return unicodedata.normalize("NFC", system.replace("\r\n", "\n"))


def _joined_assistant_turns(spoken: Sequence[_Spoken], remarks: Remarks) -> list[_Spoken]:
    """The turns, with what the assistant sent in a row as one: a model is asked once, and a server may refuse the rest.

    Pieces that have weights or demands of their own stay apart where those differ.
    """
    found: list[_Spoken] = []
    for message, weight, asked in spoken:
        before = found[-1] if found else None
        joins = before is not None and before[0].role == message.role == "assistant" and not before[0].tool_calls
        if before is not None and joins and before[1:] == (weight, asked):
            remarks.counts["in pieces"] += 1
            text = "\n\n".join(each for each in (before[0].content, message.content) if each.strip())
            found[-1] = replace(before[0], content=text, tool_calls=message.tool_calls), weight, asked
        else:
            found.append((message, weight, asked))
    return found


def _places(conversation: Conversation, scored: ScoredTurns, remarks: Remarks) -> list[int]:
    """Which messages of a conversation are scored."""
    messages, weights = conversation.messages, conversation.weights
    replies = [place for place, said in enumerate(messages) if said.role == "assistant" and said.name != SHOWN_REPLY]
    if not replies:
        remarks.counts["no reply"] += 1
        return []
    if replies[-1] < len(messages) - 1:
        remarks.counts["unanswered"] += 1
    asked = next((place for place, message in enumerate(messages) if message.role in ("user", "tool")), len(messages))
    unasked = sum(place < asked for place in replies)
    if unasked:
        remarks.counts["greeting"] += unasked
        replies = replies[unasked:]
    # Without any weight all replies are, as fine-tuning learns from all of them then.
    if scored == "weighted" and any(weight is not None for weight in weights):
        return [place for place in replies if weights[place] != 0]
    return replies[-1:] if scored == "last" else replies


def _spoken(reason: str, count: int) -> str:
    noun, what = _REASONS[reason]
    plurals = {"history": "histories", "reply": "replies", "result of a tool": "results of tools"}
    return f"{counted(count, noun, plurals.get(noun, noun + 's'))} {what}"
