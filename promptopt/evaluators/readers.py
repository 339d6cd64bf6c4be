"""Readers: what a model meant as its answer, found in what it said. Pure text in, text out; None is "cannot be read".

Unreadable is an outcome of its own, never a guess: a reply that names two labels, or none, has no answer, and what a
model says while it thinks aloud is none. `docs/reading-answers.md` says what each reader makes of what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from promptopt.arguments import takes
from promptopt.errors import ConfigError, UnknownName
from promptopt.evaluators.naming import LabelReader
from promptopt.evaluators.numerals import number
from promptopt.evaluators.options import choice
from promptopt.protocols import READERS, Reader
from promptopt.text import Regex
from promptopt.thoughts import spoken
from promptopt.type_words import callable_name

NAMES = (*READERS, "regex:PATTERN")
"""The names `resolve` knows."""

_LINE_END = re.compile("\r\n?|[\n\v\f\x85\u2028\u2029]")
_FENCE = re.compile(r"(?:```|~~~)[\w+#.-]{0,20}")
_OF_THOUGHTS = re.compile(r"think|thought|reasoning|analysis|scratchpad|reflection", re.IGNORECASE)


def resolve(
    reader: str | Reader,
    labels: Sequence[str] = (),
    comma: bool = False,
    largest: int = 0,
    proportions: bool | None = None,
) -> Reader:
    """The reader of that name; a callable is its own reader.

    labels: the answers there are; `label` needs them, `choice` accepts only their letters when each of them is one.
    comma: the right answers write decimals with a comma, which tells `number` what "1,234" means.
    largest: the largest right answer, by which `number` knows what "1 234 567" and "5k" mean (`digits.largest`).
    proportions: whether right answers lie between 0 and 1, so that 75% is 0.75 to `number` (`digits.proportions`).
    Raises UnknownName; ConfigError for a bad pattern, no labels, or labels that no reply could tell apart.
    """
    if not isinstance(reader, str):
        if not takes(reader, "reply"):
            raise ConfigError(
                f"answer reader {callable_name(reader)!r} takes other arguments than the reply; give it this one"
            )
        return reader
    if reader.startswith("regex:"):
        return _PatternReader.of(reader.removeprefix("regex:"))
    if reader == "label":
        return LabelReader(tuple(labels))
    if reader == "choice":
        # Only where every label is a letter, alone or in brackets: words that begin with one are no options.
        letters = [letter for label in labels if len(label.strip()) <= 3 and (letter := choice(label)) is not None]
        return _ChoiceReader(tuple(letters)) if letters and len(letters) == len(labels) else choice
    counted = partial(number, comma=comma, largest=largest, proportions=proportions)
    plain: dict[str, Reader] = {"text": text, "line": line, "number": counted}
    if reader not in plain:
        raise UnknownName("answer reader", reader, NAMES)
    return plain[reader]


def text(reply: str) -> str | None:
    """What is said, trimmed, once a thought has ended. An empty reply has no answer."""
    said = spoken(reply)
    return said.strip() if said is not None and said.strip() else None


def line(reply: str) -> str | None:
    """The first line that is not empty and no fence, trimmed, once a thought has ended."""
    said = text(reply)
    if said is None:
        return None
    lines = [stripped for line in _LINE_END.split(said) if (stripped := line.strip())]
    return next((line for line in lines if not _FENCE.fullmatch(line)), None)


@dataclass(frozen=True, slots=True)
class _PatternReader:
    """First group of the first match, trimmed; the whole match where the pattern has no group.

    It looks at what is said once a thought has ended, unless the pattern names the marks of thoughts itself.
    """

    pattern: Regex

    @classmethod
    def of(cls, source: str) -> _PatternReader:
        """Raises ConfigError for what is no regular expression."""
        try:
            return cls(Regex.of(source))
        except ConfigError as cause:
            raise ConfigError(f"answer 'regex:{source}': {cause}; write one that Python's re module accepts") from cause

    def __call__(self, reply: str) -> str | None:
        # Whoever names a mark of thoughts in a pattern wants to see them.
        said = reply if _OF_THOUGHTS.search(self.pattern.source) else spoken(reply)
        match = None if said is None else self.pattern.search(said)
        found = match and match.group(1 if self.pattern.groups else 0)
        return found.strip() if found is not None else None


@dataclass(frozen=True, slots=True)
class _ChoiceReader:
    """`choice`, where only some letters are options."""

    letters: tuple[str, ...]

    def __call__(self, reply: str) -> str | None:
        found = choice(reply)
        return found if found in self.letters else None
