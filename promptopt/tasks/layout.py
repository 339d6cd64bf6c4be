"""Layouts: where a prompt's parts, its demonstrations and an example's fields stand in what the model reads.

A layout is compiled once for each prompt; after that an example costs one dictionary and one join, and what fills a
slot is never scanned for slots, so braces and template syntax in data reach the model byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from promptopt.errors import ConfigError, DataError
from promptopt.text import Pattern
from promptopt.types import Content, Example, Message, Prompt

ChatRole = Literal["system", "user", "assistant"]
RESERVED = ("demos", "target")
"""Slot names no field and no prompt part may take."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Either chat `messages`, as (role, pattern) pairs, or one plain `text` pattern to be continued.

    `demo` is the pattern of one demonstration; `{demos}` stands for all of them, one after the other. Slots are the
    names of prompt parts, of the example's fields, `{demos}`, and `{target}` in `demo` only; other braces are literal.
    """

    name: str
    messages: tuple[tuple[ChatRole, str], ...] = ()
    text: str = ""
    demo: str = ""

    def __post_init__(self) -> None:
        if bool(self.messages) == bool(self.text):
            raise ConfigError(f"layout {self.name!r} needs either messages or a text, and not both")

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
        demos = self._demonstrations(prompt, fields)
        texts = {**dict(prompt.texts), "demos": demos}
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
                inner = Pattern(texts[slot], placeholders.get(slot, ())).pieces
                pieces[-1] += inner[0]
                pieces += inner[1:]
                pieces[-1] += literal
            return tuple(pieces)

        if self.messages:
            return Rendering(tuple((role, bound(pattern)) for role, pattern in self.messages))
        return Rendering(((None, bound(self.text)),))

    def _demonstrations(self, prompt: Prompt, fields: Collection[str]) -> str:
        if not prompt.demos:
            return ""
        if not self.slots(("demos",)) or not self.demo:
            raise ConfigError(
                f"the prompt has {len(prompt.demos)} demonstrations, and layout {self.name!r} has no place for them; "
                f"give it a {{demos}} slot and a demo pattern"
            )
        pattern = Pattern(self.demo, (*fields, "target"))
        return "".join(pattern.render({**dict(demo.fields), "target": demo.target}) for demo in prompt.demos)

    def to_json(self) -> list[object]:
        """What a fingerprint is made of: everything but the name."""
        return [self.messages, self.text, self.demo]


Pieces = tuple[str, ...]
"""Literal texts at even positions, names of fields at odd ones."""


class Rendering:
    """One layout around one prompt: call it with an example."""

    __slots__ = ("_fixed", "_patterns", "shared")

    def __init__(self, patterns: tuple[tuple[ChatRole | None, Pieces], ...]) -> None:
        """`patterns`: a role (None: plain text) and its pieces, in the order read."""
        # A message without fields is the same for every example; an empty one is never sent.
        self._fixed = tuple(
            Message(role, pieces[0]) if role is not None and len(pieces) == 1 else None for role, pieces in patterns
        )
        self._patterns = patterns
        self.shared = 0
        """How many leading characters, over the contents of all messages, come before the first field."""
        for _, pieces in patterns:
            self.shared += len(pieces[0])
            if len(pieces) > 1:
                break

    def __call__(self, example: Example) -> tuple[Content, int]:
        """What the model reads, and how many leading characters of it are the same for every example.

        A message with nothing in it is left out. Raises DataError when the example lacks a field.
        """
        values = dict(example.fields)
        try:
            if self._patterns[0][0] is None:
                return _fill(self._patterns[0][1], values), self.shared
            messages: list[Message] = []
            for fixed, (role, pieces) in zip(self._fixed, self._patterns, strict=True):
                if fixed is not None:
                    messages.append(fixed)
                elif role is not None:
                    messages.append(Message(role, _fill(pieces, values)))
        except KeyError as missing:
            raise DataError(
                f"example {example.id} has no field {missing.args[0]!r}, only {', '.join(map(repr, values))}; "
                f"every example of a task has the same fields"
            ) from None
        return tuple([message for message in messages if message.content]), self.shared


def _fill(pieces: Pieces, values: Mapping[str, str]) -> str:
    filled = list(pieces)
    filled[1::2] = [values[name] for name in pieces[1::2]]
    return "".join(filled)
