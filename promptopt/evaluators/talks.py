"""One conversation of a simulated user as it goes on, and what a judge is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promptopt.evaluators.repetitions import ask_each
from promptopt.evaluators.talk_figures import figures_of
from promptopt.protocols import Ask, Role
from promptopt.types import HISTORY, Cell, Example, Message, Reply, Request, Score, transcript

NOTE = (
    "What is called the reply below is a whole conversation. A user with this scenario had it with an assistant, which "
    "does not know the scenario. Only what the assistant says and leads to counts."
)
TOOLS = "Its calls of tools stand as name(arguments), and what these gave it as tool; the user saw neither."
"""Beside the note, where there are tools."""


@dataclass(slots=True)
class Talk:
    """One conversation as it goes on. `score`: where it is settled already; `over`: whether it has ended.

    `problems`: what came of calls of tools that came to nothing.
    """

    cell: Cell
    messages: list[Message]
    ends: bool = False
    over: bool = False
    score: Score | None = None
    problems: list[str] = field(default_factory=list[str])

    @property
    def turn(self) -> int:
        """How many messages of the user there are."""
        return sum(message.role == "user" for message in self.messages)

    @property
    def called(self) -> int:
        """How many calls of tools there are."""
        return sum(len(message.tool_calls) for message in self.messages)

    def settle(self, score: Score) -> None:
        """It has this score, and goes on no more."""
        parts = (*score.parts, *figures_of(self.messages, ended=self.ends))
        self.score, self.over = replace(score, output=transcript(self.messages), parts=parts), True


def scenario_in(cell: Cell) -> str:
    """The scenario of a cell as a text."""
    return cell.example[HISTORY]


def unplayed(cell: Cell) -> Talk:
    """The conversation of a cell as it stands before anybody plays."""
    return Talk(cell, list(cell.example.messages))


def so_far(talk: Talk) -> Example:
    """The example with the conversation in the place of the scenario."""
    example, messages = talk.cell.example, tuple(talk.messages)
    fields = tuple((name, transcript(messages) if name == HISTORY else value) for name, value in example.fields)
    return replace(example, fields=fields, messages=messages)


def scene(example: Example) -> Example:
    """The example as a judge is shown it."""
    note = f"{NOTE} {TOOLS}" if example.tools else NOTE
    return replace(example, fields=(("what is graded", note), ("scenario", example[HISTORY])), messages=())


def assistant_said(talk: Talk) -> str:
    """All that the assistant said."""
    return "\n\n".join(message.written for message in talk.messages if message.role == "assistant")


def replies_of(talks: Sequence[Talk], requests: Sequence[Request], ask: Ask, role: Role) -> list[Reply]:
    """The replies in order; every repetition is another draw, of both who speak."""
    return ask_each(requests, [talk.cell.repetition for talk in talks], ask, role)
