"""Templates and reply parsing: pure text in, text out. Nothing here executes what it reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache


def counted(number: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 call`, `1,204 calls`; `many`: where an s does not make the plural."""
    return f"{number:,} {one if number == 1 else many if many else one + 's'}"


class Pattern:
    """A text with slots. `{name}` is a slot where `name` is known; every other brace is itself.

    Rendering is one pass: what fills a slot is never scanned for slots, so braces and template syntax in data survive.
    """

    __slots__ = ("pieces", "slots", "source")

    def __init__(self, source: str, known: Collection[str]) -> None:
        """`known`: the names that are slots here."""
        self.source = source
        names = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
        parts = re.split(r"\{(" + names + r")\}", source) if names else [source]
        self.pieces: tuple[str, ...] = tuple(parts)
        """Literal texts at even positions, slot names at odd ones."""
        self.slots: tuple[str, ...] = tuple(parts[1::2])

    def render(self, values: Mapping[str, str]) -> str:
        """The text with every slot filled. Raises KeyError for a slot without a value."""
        pieces = list(self.pieces)
        pieces[1::2] = [values[name] for name in self.slots]
        return "".join(pieces)


@lru_cache(maxsize=64)
def _tag_pattern(tag: str) -> re.Pattern[str]:
    name = re.escape(tag)
    return re.compile(rf"<\s*{name}\s*>(.*?)<\s*/\s*{name}\s*>", re.IGNORECASE | re.DOTALL)


def find_spans(text: str, tag: str) -> list[str]:
    """The trimmed texts between `<tag>` and `</tag>`, in order; code fences around a span are taken off.

    Tags may differ in case and inner spaces. A start tag without an end tag ends the scan.
    """
    return [strip_fence(match.group(1)) for match in _tag_pattern(tag).finditer(text)]


_FENCE = re.compile(r"^\s*```[^\n`]*\n(.*?)\n?\s*```\s*$", re.DOTALL)


def strip_fence(text: str) -> str:
    """The text without one pair of code fences around all of it, trimmed."""
    match = _FENCE.match(text)
    return (match.group(1) if match else text).strip()


_WORD = re.compile(r"\n+|[^\S\n]*\S+|[^\S\n]+")


def words(text: str) -> list[str]:
    """The text in pieces which joined give it back: words with the spaces before them, and runs of line breaks."""
    return _WORD.findall(text)


def normalise(text: str) -> str:
    """The text with every run of white space as one space, trimmed: two texts that differ in nothing else are equal."""
    return " ".join(text.split())


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
r"""Characters that act on a terminal, or turn the order in which a text is read: all controls but line breaks and tabs
(a carriage return writes over its line), marks and overrides of direction, and lone surrogates."""


def visible(text: str) -> str:
    r"""`text` with control characters as `\x1b`, `\u202e`, so that what others wrote cannot act on a terminal.

    Line breaks and tabs stay; a Windows line break is a line break.
    """
    return _UNSEEN.sub(lambda found: _escape(found[0]), text.replace("\r\n", "\n"))


def visible_json(text: str) -> str:
    """JSON text that says the same, with such characters escaped."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters: the middle of a longer text gives way to a visible mark with the number left out."""
    if len(text) <= limit:
        return text
    mark = f" […{len(text) - limit} characters left out…] "
    head = limit * 2 // 3
    return text[:head] + mark + text[len(text) - (limit - head) :]
