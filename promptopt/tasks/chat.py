"""A first task file for the logs of a chatbot: its system prompt, the variables in it, and the conversations, cleaned.

The conversations are written into a file of their own, in one form whatever log they come from, so that what is
searched on can be read, masked and kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.chat_files import conversation_line, task_file
from promptopt.tasks.chat_template import (
    TEMPLATE_VARIABLE,
    marked_otherwise,
    marks_in,
    named_otherwise,
    of_other_prompts,
    read_off,
    template_of,
    with_values,
)
from promptopt.tasks.demands import DEMANDS, are_demands
from promptopt.tasks.masking import Masker
from promptopt.tasks.reading.chat_rows import Reading, conversations_of, is_log
from promptopt.tasks.reading.chat_turns import Cleaned, Remarks, ScoredTurns, examples_of, in_one_form, refusals, usable
from promptopt.tasks.reading.files import read_rows
from promptopt.tasks.reading.own_names import in_usual_names
from promptopt.tasks.reading.row_numbers import row_at
from promptopt.tasks.reading.speakers import joined_words
from promptopt.tasks.shared_prompt import found_prompt
from promptopt.text import counted, normalise, shorten
from promptopt.types import ChatRole

ROWS_LOOKED_AT = 20
"""Rows, at most, by which a file is known."""
LONGEST_VALUE = 100
"""Characters of a value that names a group of conversations; what is longer is a text. Ours."""


_RATINGS = frozenset({"feedback", "userfeedback", "rating", "userrating", "thumb", "thumbs", "vote", "reaction"})
_BAD = frozenset({"thumbsdown", "down", "downvote", "downvoted", "negative", "bad", "dislike", "disliked", "unhelpful",
                  "nothelpful"})  # fmt: skip
"""Names of what people say of a conversation, and of what they say of a bad one, as `joined_words` writes them."""


@dataclass(frozen=True, slots=True)
class Logs:
    """What is read of a log, and how. `speakers`: roles of names that are not known. `group_by`: a member of its rows.

    `scored`: which replies are. `mask`: whether personal data is replaced; `names`: of people, who are looked for then.
    """

    data: Path
    speakers: Mapping[str, ChatRole] = field(default_factory=dict[str, ChatRole])
    group_by: str | None = None
    scored: ScoredTurns = "last"
    mask: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatDraft:
    """The two texts that make a task: the task file, and the conversations beside it; and what there is to say."""

    task_file: str
    conversations: str
    said: tuple[str, ...]


def holds_chats(data: Path) -> bool:
    """Whether a file holds conversations, by its first rows: that of a header or of a failed call may hold none."""
    return any(map(is_log, islice(read_rows(data), ROWS_LOOKED_AT)))


def draft_chat(logs: Logs, system: str | None, name: str, beside: str) -> ChatDraft:
    """The task named `name` out of logs, its conversations to be saved as `beside`.

    `system`: the system prompt in use today; None: the one that the logs share. Raises DataError where there is none or
    no conversation can be used, and ConfigError for two prompts.
    """
    reading = _read_conversations(logs)
    remarks = Remarks()
    cleaned = usable(logs.data, reading, remarks)
    said = list(refusals(logs.data, reading))
    prompt, notes = _system_prompt(logs.data, cleaned, system)
    said += notes
    if any("\ud800" <= character <= "\udfff" for character in prompt):
        raise ConfigError(
            "the system prompt holds half a character (an emoji cut in two), which no server takes; give it whole with "
            "--system FILE"
        )
    names, cleaned, notes = _with_variables(logs.data, prompt, cleaned)
    said += [*remarks.sentences(logs.data.name), *notes]
    dropped = Remarks()
    examples = examples_of(cleaned, names, logs.scored, dropped)
    if not examples:
        raise dropped.nothing_left(logs.data, reading)
    said += [*dropped.sentences(logs.data.name), *_malformed_calls(logs.data, cleaned)]
    said += [] if logs.group_by is not None else _told_in_pieces(logs.data, cleaned)
    said += _rated_bad(logs.data, cleaned)
    if len({example.group for example in examples}) == 1:
        raise DataError(
            f"{logs.data} holds a single conversation, which stands in one split alone, so nothing could be tested; "
            f"give at least a few dozen (--group-by names the member that tells them apart)"
        )
    lines, notes = _conversation_lines(logs, prompt, names, cleaned, beside)
    said += notes
    bare = sum(not example.demands for example in examples)
    if 0 < bare < len(examples):
        said.append(
            f"{counted(bare, 'reply has', 'replies have')} no demands, so the metric is the words shared with the "
            f"logged reply; give all some, and set metric to demands"
        )
    text = task_file(name, prompt, names, examples, logs.scored, log=logs.data.name, beside=beside)
    return ChatDraft(text, "".join(f"{line}\n" for line in lines), tuple(said))


def _conversation_lines(
    logs: Logs, prompt: str, names: Sequence[str], cleaned: Sequence[Cleaned], beside: str
) -> tuple[list[str], list[str]]:
    """The lines of the conversations' file, and what there is to say of them."""
    said: list[str] = []
    given = (name for each in cleaned for name, _ in each.conversation.variables)
    if otherwise := named_otherwise(prompt, given):
        said.append(otherwise)
    further = _parting(cleaned, names)
    if further:
        said.append(
            f"{beside} keeps {', '.join(map(repr, further))} under 'variables', though the prompt does not name them: "
            f"[data] slice = NAME has parts of the data told apart (docs/check.md)"
        )
    masker = Masker(prompt, logs.names) if logs.mask else None
    lines = [conversation_line(each.conversation, (*names, *further), masker) for each in cleaned]
    if masker is not None:
        said.append(f"{beside}: {masker.said()}")
    return lines, said


def _malformed_calls(path: Path, cleaned: Sequence[Cleaned]) -> list[str]:
    """A sentence on logged calls of tools whose arguments are no JSON object, where there are some."""
    found = [(each.conversation.row, call) for each in cleaned for message in each.conversation.messages
             for call in message.tool_calls if not call.holds_object]  # fmt: skip
    if not found:
        return []
    number, first = found[0]
    return [
        f"{counted(len(found), 'call of a tool has', 'calls of tools have')} arguments that are no JSON object, as "
        f"that of {first.name} in row {row_at(path, number)}; they stay as they were logged, and a server may refuse "
        f"them: mend them, or take their rows out"
    ]


def _rated_bad(path: Path, cleaned: Sequence[Cleaned]) -> list[str]:
    """A sentence on conversations that people rated bad, where there are some: their replies count as right."""
    found = [
        (each.conversation.row, name, value)
        for each in cleaned
        for name, value in each.conversation.variables
        if joined_words(name) in _RATINGS and joined_words(value) in _BAD
    ]
    if not found:
        return []
    row, name, value = found[0]
    count = counted(len(dict.fromkeys(row for row, _, _ in found)), "conversation is", "conversations are")
    return [
        f"{count} rated bad, as row {row_at(path, row)} ({name}: {value}), and their replies are held for right as all "
        f"others are; take those rows out, or say what a reply has to hold by demands (docs/chat.md)"
    ]


def _told_in_pieces(path: Path, cleaned: Sequence[Cleaned]) -> list[str]:
    """A sentence on conversations of several rows none of which goes on from another, where there are some."""
    rows: dict[str, list[Cleaned]] = {}
    for each in cleaned:
        rows.setdefault(each.conversation.id, []).append(each)
    apart = [held[1].conversation.row for held in rows.values() if len(held) > 1 and not _any_goes_on(held)]
    if not apart:
        return []
    stand = counted(len(apart), "conversation stands", "conversations stand")
    return [
        f"{stand} in several rows, none of which holds what another does, as that of row {row_at(path, apart[0])}: "
        f"each row is sent as it is, without the others; where a row holds only what was new then, write all messages "
        f"of a conversation into one"
    ]


def _any_goes_on(held: Sequence[Cleaned]) -> bool:
    # The reply is not in what a log holds of the next call, where only what was asked is kept: the first words are.
    firsts = [[(said.role, said.written) for said in each.conversation.messages[:1]] for each in held]
    return any(one == other for place, one in enumerate(firsts) for other in firsts[:place])


def _read_conversations(logs: Logs) -> Reading:
    """The conversations, with their demands where those are meant: a log may have a member of that name by chance."""
    # What is a log by its own names needs no others, and a file may be long.
    own = bool(logs.speakers) and not holds_chats(logs.data)
    usual = in_usual_names(list(read_rows(logs.data)), logs.speakers, logs.group_by) if own else None

    def read(demands: str | None) -> Reading:
        rows = read_rows(logs.data) if usual is None else map(usual, read_rows(logs.data))
        return conversations_of(enumerate(rows, start=1), logs.speakers, logs.group_by, demands)

    # What stands under that name is known only once it was read; where nothing does, once is enough.
    reading = read(DEMANDS)
    asked = [raw for each in reading.conversations for raw in each.demands]
    return reading if not asked or any(map(are_demands, asked)) else read(None)


def _system_prompt(path: Path, cleaned: Sequence[Cleaned], system: str | None) -> tuple[str, list[str]]:
    """The system prompt: the one given, or the one that all conversations with a system message share."""
    logged: dict[str, list[int]] = {}
    for each in cleaned:
        logged.setdefault(each.system, []).append(each.conversation.row)
    # Programs of two systems may break lines and indent them in their own ways.
    versions: dict[str, str] = {}
    for text in logged:
        if text.strip():
            versions.setdefault(normalise(text), text)
    shown = list(versions.values())
    if system is not None:
        prompt = in_one_form(system).strip()
        others = of_other_prompts(prompt, logged)
        told = marked_otherwise(prompt, [(text, len(rows)) for text, rows in others.items()])
        return prompt, [told if told else _under_others(path, others, "given")] if others else []
    if not shown:
        raise ConfigError(
            f"{path}: no conversation has a system message; give the prompt in use today with --system FILE, an empty "
            f"file where the bot has none"
        )
    bare = len(logged.get("", ()))
    said = [f"{counted(bare, 'conversation has', 'conversations have')} no system message"] if bare else []
    if len(shown) == 1:
        return shown[0], said
    held = [each for each in cleaned if each.system.strip()]
    found = found_prompt([each.system for each in held], [dict(each.conversation.variables) for each in held])
    if found is None:
        raise _several_prompts(path, shown, logged)
    others = of_other_prompts(found.text, logged)
    return found.text, [*said, found.sentence(), *([_under_others(path, others, "found")] if others else [])]


def _under_others(path: Path, others: Mapping[str, Sequence[int]], which: str) -> str:
    rows = [row for each in others.values() for row in each]
    return (
        f"{counted(len(rows), 'conversation was', 'conversations were')} logged under another system prompt, such as "
        f"that of row {row_at(path, rows[0])}; the one {which} takes its place"
    )


def _several_prompts(path: Path, shown: Sequence[str], logged: Mapping[str, Sequence[int]]) -> ConfigError:
    first, second = (_first_difference(shown[place], shown[1 - place]) for place in (0, 1))
    rows = [row_at(path, logged[text][0]) for text in shown]
    return ConfigError(
        f"{path}: the conversations have {len(shown)} system prompts, such as {first} (row {rows[0]}) and {second} "
        f"(row {rows[1]}); give the one to be improved with --system FILE, with its variables as {{{{name}}}}"
    )


def _first_difference(text: str, other: str, most: int = 60) -> str:
    """The text from a little before the place where it differs from the other."""
    same = next((place for place, (one, two) in enumerate(zip(text, other, strict=False)) if one != two),
                min(len(text), len(other)))  # fmt: skip
    begin = max(0, same - most // 3)
    return repr(("…" if begin else "") + shorten(text[begin:], most))


def _with_variables(
    path: Path, prompt: str, cleaned: Sequence[Cleaned]
) -> tuple[tuple[str, ...], tuple[Cleaned, ...], list[str]]:
    """The variables of the prompt that the log gives values of, the conversations with all of them, and remarks."""
    marked = marks_in(prompt)
    named = tuple(dict.fromkeys(marked))
    template = template_of(prompt)
    filled: list[Cleaned] = []
    spaced = 0
    for each in cleaned:
        found = read_off(template, marked, each.system) if each.system else None
        spaced += found is not None and with_values(prompt, found) != each.system.strip()
        # A log of the template itself says nothing of what stood for its variables.
        read = {key: value for key, value in (found or {}).items() if not TEMPLATE_VARIABLE.fullmatch(value)}
        values = {**dict(each.conversation.variables), **read}
        filled.append(replace(each, conversation=replace(each.conversation, variables=tuple(values.items()))))
    given = [{name for name, _ in each.conversation.variables} for each in filled]
    names = tuple(name for name in named if any(name in known for known in given))
    static = [name for name in named if name not in names]
    notes = [
        f"{counted(spaced, 'conversation was', 'conversations were')} logged with other spaces or line breaks in the "
        f"system prompt than it has here"
    ] if spaced else []  # fmt: skip
    if static:
        notes.append(
            f"no conversation says what {' or '.join(map(repr, static))} stands for, so the model sees the mark as "
            f"it is written; give values under 'variables' in the rows of the log, or write the text into the prompt"
        )
    whole = tuple(each for each, known in zip(filled, given, strict=True) if known.issuperset(names))
    if len(whole) < len(filled):
        lost = next(each for each, known in zip(filled, given, strict=True) if not known.issuperset(names))
        missing = next(name for name in names if name not in dict(lost.conversation.variables))
        left_out = counted(len(filled) - len(whole), "conversation")
        notes.append(
            f"{left_out} left out, such as row {row_at(path, lost.conversation.row)}: no value for the variable "
            f"{missing!r} of the prompt"
        )
    return names, whole, notes


def _parting(cleaned: Sequence[Cleaned], names: Sequence[str]) -> tuple[str, ...]:
    """What the log says of conversations by a name that is none of `names`, and that tells groups of them apart.

    What differs from each to each (an id, a time), or from none, tells no groups apart.
    """
    values: dict[str, Counter[str]] = {}
    groups: dict[tuple[str, str], set[str]] = {}
    for each in cleaned:
        for name, value in each.conversation.variables:
            values.setdefault(name, Counter())[value] += 1
            groups.setdefault((name, value), set()).add(each.conversation.id)
    return tuple(
        name
        for name, found in values.items()
        # A name of a conversation is the same in all rows of it.
        if name not in names
        and any(len(groups[name, value]) > 1 for value in found)
        and 1 < len(found) <= found.total() / 2
        and max(map(len, found)) <= LONGEST_VALUE
    )


def speakers_of(given: Iterable[str]) -> dict[str, ChatRole]:
    """`NAME=role` pairs as a user gives them. Raises ConfigError."""
    roles: tuple[ChatRole, ...] = ("user", "assistant", "system", "tool")
    found: dict[str, ChatRole] = {}
    for pair in given:
        name, _, said = pair.rpartition("=")
        role: ChatRole | None = next((each for each in roles if each == said.strip()), None)
        if not name.strip() or role is None:
            raise ConfigError(f"--speaker {pair!r} is no NAME=ROLE; the roles are {', '.join(roles)}")
        found[name.strip()] = role
    return found
