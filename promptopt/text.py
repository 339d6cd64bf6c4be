"""Templates and reply parsing: pure text in, text out. Nothing here executes what it reads."""

from __future__ import annotations

import math
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from promptopt.errors import ConfigError, Endless


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


_WORD_OR_GAP = re.compile(r"\n+|[^\S\n]*\S+|[^\S\n]+")


def words(text: str) -> list[str]:
    """The text in pieces which joined give it back: words with the spaces before them, and runs of line breaks."""
    return _WORD_OR_GAP.findall(text)


_LINE_END = re.compile(r"\r\n|\n|\r")


def lines_of(text: str) -> list[str]:
    """The lines of a text as files have them. Not `splitlines`, which also ends one at U+2028 and U+0085.

    JSON holds these signs as they are, so a line of it may.
    """
    return _LINE_END.split(text)


def first_line(error: BaseException) -> str:
    """The first line of what an error says; the name of its kind, where it says nothing."""
    return next((line for line in map(str.strip, str(error).splitlines()) if line), type(error).__name__)


def normalise(text: str) -> str:
    """The text with every run of white space as one space, trimmed: two texts that differ in nothing else are equal."""
    return " ".join(text.split())


def caseless(text: str) -> str:
    """The text in one case. The four letters i of Turkish are one: a reader does not know which language it reads."""
    return text.casefold() if text.isascii() else text.casefold().replace("i\u0307", "i").replace("ı", "i")


INVISIBLE = {ord(sign): "" for sign in "\u00ad\u200b\u2060\ufeff"}
"""For `str.translate`: what breaks lines or begins a file, and shows nothing. The joiners of emoji and Persian stay."""

_PLAIN_SIGNS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "‑": "-"})
_TRAILING_STOPS = ".!?…。．！？؟ "


def folded(text: str) -> str:
    """What texts share that a reader would call the same: without case, Unicode form, closing marks and white space.

    Compatibility forms (full-width letters, ligatures), curly quotes, dashes and invisible characters count as the
    plain ones. A text of closing marks alone stays as it is.
    """
    if not text.isascii():
        # NFKC leaves dashes and curly quotes as they are, so these are translated after it.
        text = unicodedata.normalize("NFKC", text).translate(_PLAIN_SIGNS)
        # Cf: what is there and shows nothing, as a zero-width space.
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    plain = caseless(normalise(text))
    bare = plain.rstrip(_TRAILING_STOPS)
    return bare if bare else plain


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


REGEX_LIMIT_S = 1.0
"""Seconds that one expression may take on one text; a thousandth of it is usual. Ours."""
REGEX_LONGEST = 10_000
"""Characters of a plain text as an expression, and the most repeats that one may ask for: they take memory too."""
REGEX_LONGEST_WRITTEN = 1_500
"""Characters of an expression that is no plain text. `regex` prepares each search by a table of the long texts in it,
in time that grows with the cube of their length (a second at 2,000). It cannot be stopped in that."""

# `regex` reads `{e<=1}` as "with one error", which is plain text for `re`.
_FUZZY = re.compile(r"(?<!\\)\{(?=[ides0-9<=>+,:\s]*[ides][ides0-9<=>+,:\s]*\})")
_REGEX_SIGN = re.compile(r"[\\.^$*+?{}\[\]()|]")
_REPEAT = re.compile(r"\{(\d*)(?:,(\d*))?\}")


@dataclass(frozen=True, slots=True)
class Regex:
    """A stranger's regular expression (of a task file, of data), which cannot hang a run.

    Written as for Python's `re`, run by the `regex` package, whose searches can be stopped. Every method raises
    Endless where it takes longer than `REGEX_LIMIT_S` on a text: a thousand times what is usual, and counted in the
    time that this process computes, so that a machine that is busy or stalls changes nothing.
    """

    source: str
    _compiled: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, source: str) -> Regex:
        """The expression. Raises ConfigError, in a sentence to go on from, for what is none, or is too large."""
        return _checked_regex(source)

    @property
    def groups(self) -> int:
        """How many groups it captures."""
        return self._compiled.groups

    def search(self, text: str) -> Any:
        """The first match, or None."""
        try:
            return self._compiled.search(text, timeout=REGEX_LIMIT_S)
        except TimeoutError as cause:
            raise self._endless(text) from cause

    def finditer(self, text: str) -> Iterator[Any]:
        """Every match, in order."""
        try:
            yield from self._compiled.finditer(text, timeout=REGEX_LIMIT_S)
        except TimeoutError as cause:
            raise self._endless(text) from cause

    def without(self, text: str) -> str:
        """The text without what matches."""
        try:
            return str(self._compiled.sub("", text, timeout=REGEX_LIMIT_S))
        except TimeoutError as cause:
            raise self._endless(text) from cause

    def _endless(self, text: str) -> Endless:
        return Endless(
            f"the regular expression {self.source[:80]!r} took more than {REGEX_LIMIT_S:g} s on a text of "
            f"{len(text):,} characters, {text[:40]!r}…; write it without a repeat inside a repeat, as (a+)+ is"
        )


# So many, for a data set may bring an expression with each example (`demands`).
@lru_cache(maxsize=16_384)
def _checked_regex(source: str) -> Regex:
    # Not above: it takes as long to import as the rest of what reads a task.
    import regex

    if len(source) <= REGEX_LONGEST and not _REGEX_SIGN.search(source):
        return Regex(source, _Plain(re.compile(source)))
    repeats = [int(number) for match in _REPEAT.finditer(source) for number in match.groups() if number]
    if (
        len(source) > REGEX_LONGEST_WRITTEN
        or any(number > REGEX_LONGEST for number in repeats)
        # Repeats within one another multiply.
        or _product(repeats) > REGEX_LONGEST**2
    ):
        raise ConfigError(f"{source[:80]!r} is too large a regular expression; write one that repeats less")
    try:
        with warnings.catch_warnings():
            # Of brackets that a later Python may read otherwise; `regex` reads them as they are read today.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(source)
        return Regex(source, regex.compile(_FUZZY.sub(r"\\{", source)))
    except (re.error, regex.error, RecursionError, OverflowError) as cause:
        raise ConfigError(f"{source[:80]!r} is not a regular expression: {cause}") from cause


@dataclass(frozen=True, slots=True)
class _Plain:
    """A plain text as an expression, found by `re` in time that grows with the text alone."""

    compiled: re.Pattern[str]
    groups: int = 0

    def search(self, text: str, timeout: float) -> re.Match[str] | None:
        return self.compiled.search(text)

    def finditer(self, text: str, timeout: float) -> Iterator[re.Match[str]]:
        return self.compiled.finditer(text)

    def sub(self, new: str, text: str, timeout: float) -> str:
        return self.compiled.sub(new, text)


def _product(numbers: list[int]) -> int:
    product = 1
    for number in numbers:
        product *= max(1, number)
    return product


def dollars(value: float | None) -> str:
    """Cents; below a dollar four decimals, or as many as two digits take: no sum is shown as nothing.

    An unknown price is said, never guessed.
    """
    if value is None:
        return "price unknown"
    if value == 0 or round(value, 4) >= 1:
        return f"${value:.2f}"
    return "under $0.000001" if value < 1e-6 else f"${value:.{max(4, two_digits(value))}f}"


def two_digits(value: float) -> int:
    """The decimal of the second digit that is no leading zero: 0.0123 is told with three."""
    return 1 - math.floor(math.log10(value))
