"""What a program asks the task model through: one handle a cell, which counts and keeps what was asked."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from promptopt.errors import ConfigError
from promptopt.types import (
    Cell,
    Content,
    Example,
    Message,
    ProgramText,
    Prompt,
    Reply,
    Request,
    Sampling,
    Score,
    TracedCall,
)

SHORT_REPLY_CHARACTERS = 32
"""Characters of a reply that is likely to come up again. Ours."""

Output = str | tuple[str, Sequence[TracedCall]] | Score
"""What a program gives back: a text, alone or with a trace of its own in place of the recorded one; or its own Score,
which no metric is asked about."""

Program = Callable[[Prompt, Example, Any], Output | Awaitable[Output]]
"""(prompt, example, ask) to an output; `ask` is a `ModelHandle`, which an async program awaits."""


class TellsOfItself(Protocol):
    """A program that has something to say of how it was run."""

    def said(self) -> Sequence[str]:
        """What a user should know so far, in sentences."""
        ...


class ChecksItself(Protocol):
    """A program that scores its own cells, and knows after a few whether that goes well."""

    def check(self) -> None:
        """Called after each batch of cells; the first of a run has a few. Raises EvaluatorError to end the run."""
        ...


class TellsItsText(Protocol):
    """A program that says itself how it reads, as one whose source is not its own."""

    def program_text(self) -> ProgramText:
        """The program as people read it."""
        ...


class ProgramStopped(BaseException):
    """Raised inside a program whose cell is over. A BaseException, so that `except Exception` lets it through."""


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """A call that a cell made: the request, the part it is said to use, and which equal request of the cell it is."""

    request: Request
    part: str
    number: int

    @property
    def text(self) -> str:
        """The content as one text."""
        content = self.request.content
        if isinstance(content, str):
            return content
        return "\n\n".join(f"{message.role}: {message.content}" for message in content)


@dataclass(slots=True)
class Record:
    """What a cell asked and was answered, in order."""

    cell: Cell
    asked: list[ProgramCall] = field(default_factory=list[ProgramCall])
    replies: list[Reply] = field(default_factory=list[Reply])
    _counts: dict[Request, int] = field(default_factory=dict[Request, int])

    def add(self, request: Request, part: str) -> ProgramCall:
        """The next call."""
        number = self._counts.get(request, 0)
        self._counts[request] = number + 1
        call = ProgramCall(request, part, number)
        self.asked.append(call)
        return call

    def trace(self) -> tuple[TracedCall, ...]:
        """The calls that were answered; where a program names no part, the one whose text stands in the request."""
        return tuple(
            TracedCall(call.part if call.part else _part_in(call.text, self.cell.prompt), call.text, _once(reply.text))
            # A cell that was cut off asked more than it was answered.
            for call, reply in zip(self.asked, self.replies, strict=False)
        )


class ModelHandle:
    """The task model, as a program sees it: `ask(content)` gives a `Reply`, whose `text` is what the model said.

    An async program awaits it: `(await ask(content)).text`.
    """

    __slots__ = ("_answer", "_now", "_sampling")

    def __init__(
        self, answer: Callable[[Request, str], Any], now: Callable[[Request, str], Reply], sampling: Sampling
    ) -> None:
        """`answer`: what gives the reply, or an awaitable of it; `now`: the reply, whatever the program is.

        `sampling`: what is used where a call names none.
        """
        self._answer, self._now, self._sampling = answer, now, sampling

    def __call__(
        self,
        content: str | Content | Sequence[Message | Mapping[str, str] | tuple[str, str]],
        sampling: Sampling | None = None,
        *,
        part: str = "",
        shared: int = 0,
        route: str = "",
        judging: bool = False,
    ) -> Any:
        """The reply to a text, or to chat messages (`Message`, `(role, text)`, or a table of `role` and `content`).

        `sampling`: the evaluator's, if None. `part`: the prompt part that stands in the content, for traces; where it
        is not given, it is looked for. `shared`, `route`, `judging`: as in `Request`. Equal sampled requests of a cell
        are separate draws, equal greedy ones are one call. Raises ConfigError for a content of another kind.
        """
        chosen = self._sampling if sampling is None else sampling
        request = Request(_checked_content(content), chosen, shared=shared, route=route, judging=judging)
        return self._answer(request, part)

    def now(self, content: Content, sampling: Sampling, *, route: str = "", judging: bool = False) -> Reply:
        """The reply itself, where what asks cannot await: all else of an async program waits for it too."""
        return self._now(Request(content, sampling, route=route, judging=judging), "")

    @property
    def sampling(self) -> Sampling:
        """What is used where a call names none."""
        return self._sampling


def _checked_content(given: object) -> Content:
    if isinstance(given, str):
        return given
    if not isinstance(given, Sequence):
        raise ConfigError(f"a program asked {given!r:.80}; give a text, or a list of messages")
    messages = [_message(each) for each in cast("Sequence[object]", given)]
    if not messages:
        raise ConfigError("a program asked an empty list of messages; give it one or more")
    return tuple(messages)


def _message(given: object) -> Message:
    if isinstance(given, Message):
        return given
    pair: tuple[object, ...] = ()
    if isinstance(given, Mapping):
        table = cast("Mapping[str, object]", given)
        pair = (table.get("role"), table.get("content"))
    elif isinstance(given, tuple | list):
        pair = tuple(cast("Sequence[object]", given))
    if len(pair) == 2 and pair[0] in ("system", "user", "assistant") and isinstance(pair[1], str):
        return Message(cast("Any", pair[0]), pair[1])
    raise ConfigError(
        f"a program asked with the message {given!r:.80}; give ('user', 'the text'), or another role in its place"
    )


def _once(text: str) -> str:
    """A short text as the one object that stands for it everywhere: a label may be the reply to a million calls."""
    return sys.intern(text) if len(text) <= SHORT_REPLY_CHARACTERS else text


def _part_in(text: str, prompt: Prompt) -> str:
    """The one part whose text stands in `text`; empty where there is none, or more than one."""
    # An empty part stands in every text.
    found = [part for part, own in prompt.texts if own.strip() and own in text]
    return found[0] if len(found) == 1 else ""
