"""Layouts: where a prompt's parts, its demonstrations and an example's fields stand in what the model reads.

A layout is compiled once for each prompt; after that an example costs one dictionary and one join. What fills a slot
is never scanned for slots, so braces and template syntax in data reach the model byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promptopt.arguments import told
from promptopt.errors import ConfigError, DataError
from promptopt.tasks.contract import Contract
from promptopt.text import Pattern, counted
from promptopt.types import HISTORY, ChatRole, Content, Example, Message, Prompt

RESERVED = ("demos", "target")
"""Slot names no field and no prompt part may take."""
DEMOS = "{demos}"


@told
@dataclass(frozen=True, slots=True)
class Turns:
    """What the user's and the assistant's turn of one demonstration hold, as patterns.

    `user` empty: the form of the input's own message. `assistant` empty: the worked solution where the demonstration
    has one, else its target.
    """

    user: str = ""
    assistant: str = ""


USER_PROMPT = "user prompt of "
"""How the names of such parts begin; the name of the task follows."""


@dataclass(frozen=True, slots=True)
class UserPrompt:
    """The user prompt of one of several tasks under one system prompt, as a prompt part that its examples alone show.

    `start`: the text that it begins with, under the clauses of `contract`. `written`: a text of it to what makes the
    messages of an example of the task. `of`: what tells this apart from another one, for fingerprints.
    """

    part: str
    start: str
    contract: Contract
    written: Callable[[str], Callable[[Example], tuple[Message, ...]]]
    of: str


@told
@dataclass(frozen=True, slots=True)
class Layout:
    """Either chat `messages`, as (role, pattern) pairs, or one plain `text` pattern to be continued.

    Demonstrations stand in the text, or before the input as turns of the conversation, which chat models learn from.
    In the text: `demo` is the pattern of one, and `{demos}` stands for all of them, one after the other. As turns:
    `demos` is given, and `{demos}` in the last message is where they go. What stands before it opens the first turn
    only (unless it shows an input), and what stands after it is the form of every turn, the input's own included.
    Without `{demos}` all of that message is the form. A prompt without demonstrations reads the same either way.

    Slots are the names of prompt parts, of the example's fields, `{demos}`, and in `demo` and `demos.assistant` also
    `{target}` and `{solution}`: the worked solution where the example has one, else the target. An input of that name
    comes first. Other braces are literal.

    A message that is `{history}` and nothing else stands for all messages of an example that has some, with their own
    roles; anywhere else `{history}` is their transcript. `users`: by the slice of an example, what stands there
    where the prompt has the user prompt of its task as a part (`binding/suite.py`).
    """

    name: str
    messages: tuple[tuple[ChatRole, str], ...] = ()
    text: str = ""
    demo: str = ""
    demos: Turns | None = None
    users: Mapping[str, UserPrompt] = field(default_factory=dict[str, UserPrompt], repr=False)

    def __post_init__(self) -> None:
        if bool(self.messages) == bool(self.text):
            raise ConfigError(f"layout {self.name!r} needs either messages or a text, and not both")
        if self.demos is not None:
            self._check_turns(self.demos)

    def _check_turns(self, turns: Turns) -> None:
        def refused(why: str) -> ConfigError:
            return ConfigError(f"layout {self.name!r} shows demonstrations as turns, {why}")

        if self.text:
            raise refused("and is one text to be continued, which has none; give it a demo pattern instead of demos")
        if self.demo:
            raise refused("and has a pattern for demonstrations in the text too; leave demo or demos out")
        if self.messages[-1][0] != "user":
            raise refused(f"and ends with a message of role {self.messages[-1][0]!r}; let the user's be the last")
        if any(DEMOS in pattern for pattern in self.patterns[:-1]):
            raise refused(f"and has {DEMOS} before its last message; turns go into the last one")
        if self.messages[-1][1].count(DEMOS) > 1:
            raise refused(f"and has {DEMOS} more than once; leave one")
        if DEMOS in turns.user + turns.assistant:
            raise refused(f"and has {DEMOS} inside a turn; it stands in the last message")
        if turns.assistant and "{target}" not in turns.assistant and "{solution}" not in turns.assistant:
            raise refused("and its assistant turn shows neither {target} nor {solution}; write one of them")

    @property
    def shows_demos(self) -> bool:
        """Whether there is a place for demonstrations."""
        return self.demos is not None or bool(self.demo and self.slots(("demos",)))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns in the order the model reads them, demonstrations apart."""
        return tuple(pattern for _, pattern in self.messages) if self.messages else (self.text,)

    def slots(self, known: Collection[str]) -> tuple[str, ...]:
        """Which of `known` occur as slots, in order, repeats included."""
        return tuple(slot for pattern in self.patterns for slot in Pattern(pattern, known).slots)

    def compile(
        self, prompt: Prompt, fields: Collection[str], placeholders: Mapping[str, Collection[str]]
    ) -> Rendering:
        """The layout bound to `prompt`; only the example's fields are still open.

        `placeholders`: for each prompt part, the fields that are slots inside its text too. Raises ConfigError where
        the layout shows a part that the prompt lacks, or the prompt has demonstrations that the layout cannot show.
        """
        if prompt.demos and not self.shows_demos:
            raise ConfigError(
                f"the prompt has {counted(len(prompt.demos), 'demonstration')}, and layout {self.name!r} has no "
                "place for them; "
                f'give it demos = "turns", or a {DEMOS} slot and a demo pattern'
            )
        written = () if self.demos is not None else prompt.demos
        texts = {
            **dict(prompt.texts),
            "demos": "".join(_demonstration_answer(self.demo, fields, demo) for demo in written),
        }
        needed = {*prompt.parts, *placeholders, *fields, "demos"}

        def bound(pattern: str) -> Pieces:
            parsed = Pattern(pattern, needed)
            pieces = [parsed.pieces[0]]
            for slot, literal in zip(parsed.slots, parsed.pieces[2::2], strict=True):
                if slot in fields:
                    pieces += [slot, literal]
                    continue
                if slot not in texts:
                    raise ConfigError(
                        f"layout {self.name!r} shows the part {slot!r}, which the prompt lacks (it has "
                        f"{', '.join(prompt.parts)}); derive prompts from the task's with `task.initial.replace(…)`"
                    )
                # A part's text joins what stands around it, so that only fields stay open.
                inner = Pattern(texts[slot], placeholders.get(slot, ())).pieces
                pieces[-1] += inner[0]
                pieces += inner[1:]
                pieces[-1] += literal
            return tuple(pieces)

        if not self.messages:
            return Rendering(((None, bound(self.text)),))
        messages: list[tuple[ChatRole | None, Pieces]] = [(role, bound(pattern)) for role, pattern in self.messages]
        if self.demos is None or not prompt.demos:
            # Only where the prompt has that part; else the messages that the example's own task made of it stand there.
            own = {name: user.written(texts[user.part]) for name, user in self.users.items() if user.part in texts}
            return Rendering(tuple(messages), own=own)
        turns = self._turns(self.demos, prompt.demos, fields, bound)
        return Rendering((*messages[:-1], *turns), always=len(messages) - 1)

    def _turns(
        self, turns: Turns, demos: Sequence[Example], fields: Collection[str], bound: Callable[[str], Pieces]
    ) -> list[tuple[ChatRole, Pieces]]:
        """The demonstrations as messages, and the input's own after them."""
        before, slot, form = self.messages[-1][1].partition(DEMOS)
        if not slot or len(bound(before)) > 1:
            # There is nothing before the input, or it differs from input to input: every turn has all of the message.
            before, form = "", before + form
        elif before:
            # White space between the two is the first turn's alone.
            before, form = before + form[: len(form) - len(form.lstrip())], form.lstrip()
        user = bound(turns.user if turns.user else form)
        found: list[tuple[ChatRole, Pieces]] = []
        for demo in demos:
            try:
                asked = _fill(user, dict(demo.fields))
            except KeyError as missing:
                raise _lacks(demo, missing) from None
            if turns.assistant:
                said = _demonstration_answer(turns.assistant, fields, demo)
            else:
                said = demo.solution if demo.solution else demo.target
            found.append(("user", (asked if found else bound(before)[0] + asked,)))
            found.append(("assistant", (said,)))
        return [*found, ("user", bound(form))]

    def to_json(self, editables: Collection[str] = ()) -> list[object]:
        """What a fingerprint is made of: everything but the name, and of `users` those that are edited."""
        turns = [] if self.demos is None else [[self.demos.user, self.demos.assistant]]
        users = [[name, user.of] for name, user in self.users.items() if user.part in editables]
        return [self.messages, self.text, self.demo, *turns, *users]


Pieces = tuple[str, ...]
"""Literal texts at even positions, names of fields at odd ones."""
_HISTORY: Pieces = ("", HISTORY, "")


class Rendering:
    """One layout around one prompt: call it with an example."""

    __slots__ = ("_always", "_fixed", "_own", "_patterns", "shared")

    def __init__(
        self,
        patterns: tuple[tuple[ChatRole | None, Pieces], ...],
        *,
        always: int | None = None,
        own: Mapping[str, Callable[[Example], tuple[Message, ...]]] | None = None,
    ) -> None:
        """`patterns`: a role (None: plain text) and its pieces, in the order read.

        `always`: from which message on even an empty one is sent: of turns none can be left out without another
        speaking twice. `own`: by the slice of an example, the messages of what it was made of.
        """
        self._own = dict[str, Callable[[Example], tuple[Message, ...]]]() if own is None else own
        # A message without fields is the same for every example; an empty one is never sent.
        self._fixed = tuple(
            Message(role, pieces[0]) if role is not None and len(pieces) == 1 else None for role, pieces in patterns
        )
        self._patterns = patterns
        self._always = len(patterns) if always is None else always
        self.shared = 0
        """How many leading characters, over the contents of all messages, come before the first field."""
        for _, pieces in patterns:
            self.shared += len(pieces[0])
            if len(pieces) > 1:
                break

    def __call__(self, example: Example) -> tuple[Content, int]:
        """What the model reads, and how many leading characters of it are the same for every example.

        A message with nothing in it is left out, but for turns. Raises DataError when the example lacks a field.
        """
        values = dict(example.fields)
        try:
            if self._patterns[0][0] is None:
                return _fill(self._patterns[0][1], values), self.shared
            messages: list[Message] = []
            for place, (fixed, (role, pieces)) in enumerate(zip(self._fixed, self._patterns, strict=True)):
                if pieces == _HISTORY and example.source is not None and example.slice in self._own:
                    messages += self._own[example.slice](example.source)
                elif pieces == _HISTORY and example.messages:
                    messages += example.messages
                elif role is not None:
                    message = Message(role, _fill(pieces, values)) if fixed is None else fixed
                    messages += [message] if message.content or place >= self._always else []
        except KeyError as missing:
            raise _lacks(example, missing) from None
        if example.tools and messages:
            # Tools are kept with the first message, so that a conversation is one value; whoever sends it takes them
            # out.
            messages[0] = replace(messages[0], tools=example.tools)
        return tuple(messages), self.shared


def _demonstration_answer(pattern: str, fields: Collection[str], demo: Example) -> str:
    """A pattern that tells the answer, around one demonstration."""
    answers = {"solution": demo.solution if demo.solution else demo.target, "target": demo.target}
    try:
        return Pattern(pattern, (*fields, *answers)).render({**answers, **dict(demo.fields)})
    except KeyError as missing:
        raise _lacks(demo, missing) from None


def _lacks(example: Example, missing: KeyError) -> DataError:
    return DataError(
        f"example {example.id} has no field {missing.args[0]!r}, only "
        f"{', '.join(repr(name) for name, _ in example.fields)}; every example of a task has the same fields"
    )


def _fill(pieces: Pieces, values: Mapping[str, str]) -> str:
    filled = list(pieces)
    filled[1::2] = [values[name] for name in pieces[1::2]]
    return "".join(filled)
