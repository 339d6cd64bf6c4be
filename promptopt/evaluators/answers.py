"""Readers: what a model meant as its answer, found in what it said. Pure text in, text out; None is "cannot be read".

Unreadable is an outcome of its own, never a guess: a reply that names two labels, or none, has no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptopt.errors import ConfigError, UnknownName
from promptopt.evaluators.numerals import number
from promptopt.protocols import READERS, Reader

NAMES = (*READERS, "regex:PATTERN")
"""The names `resolve` knows."""


def resolve(reader: str | Reader, labels: Sequence[str] = ()) -> Reader:
    """The reader of that name; a callable is its own reader.

    labels: the answers there are; `label` needs them, `choice` accepts only their letters when each of them is one.
    Raises UnknownName; ConfigError for a bad pattern, no labels, or labels that no reply could tell apart.
    """
    if not isinstance(reader, str):
        return reader
    if reader.startswith("regex:"):
        return _PatternReader.of(reader.removeprefix("regex:"))
    if reader == "label":
        return LabelReader(tuple(labels))
    if reader == "choice":
        letters = [letter for label in labels if len(label.strip()) <= 3 and (letter := choice(label)) is not None]
        return _ChoiceReader(tuple(letters)) if letters and len(letters) == len(labels) else choice
    plain: dict[str, Reader] = {"text": text, "line": line, "number": number}
    if reader not in plain:
        raise UnknownName("answer reader", reader, NAMES)
    return plain[reader]


def text(reply: str) -> str | None:
    """The whole reply, trimmed. An empty reply has no answer."""
    return reply.strip() or None


def line(reply: str) -> str | None:
    """The first line that is not empty, trimmed."""
    head = reply.lstrip().split("\n", 1)[0].strip()
    return head or None


@dataclass(frozen=True, slots=True)
class _PatternReader:
    """First group of the first match, trimmed; the whole match where the pattern has no group."""

    pattern: re.Pattern[str]

    @classmethod
    def of(cls, source: str) -> _PatternReader:
        """Nested repeats such as `(a+)+` can take exponential time on a long reply: nothing guards against them."""
        try:
            return cls(re.compile(source))
        except re.error as cause:
            raise ConfigError(
                f"answer 'regex:{source}' is no regular expression: {cause}; write one that Python's re module accepts"
            ) from cause

    def __call__(self, reply: str) -> str | None:
        match = self.pattern.search(reply)
        found = match and match.group(1 if self.pattern.groups else 0)
        return found.strip() if found is not None else None


# Scripts written without spaces, or with particles attached to the word: there, no word boundary is asked for.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SEPARATORS = re.compile(r"[\s\-/]+")
_NEGATION = re.compile(r"\b(?:not|isnt|never|neither|nor|non)[\s\-]+(?:an?\s+|the\s+|really\s+)?\W*$")
_CUE = re.compile(
    r"(?:(?:^|[.!?;\n])[^.!?;:\n]{1,40}[:=]|\b(?:answer|label|category|class|choice|verdict|prediction)\s+is|####|\\boxed\{)"
    r"\W{0,8}(?:text\{)?\W{0,8}$"
)
_CLAUSE = re.compile(r"[\s*\"'`)\]]*[.,;!\n—–]\W*(?:(?:and|or|but|nor|maybe|perhaps|possibly)\W+)?")


def _fold(value: str) -> str:
    """Case, width, apostrophes and underscores away; lines and punctuation stay."""
    value = value if value.isascii() else unicodedata.normalize("NFKC", value).replace("’", "")
    return value.casefold().replace("'", "").replace("_", " ").replace("−", "-")


def _pattern_of(label: str) -> str:
    """A pattern for one label in folded text: as a whole word, its own words joined by anything that joins words."""
    words = [re.escape(word) for word in _SEPARATORS.split(_fold(label)) if word]
    body = r"[\s\-/]*".join(words)
    if label.strip().startswith(("-", "+")):
        body = re.escape(label.strip()[0]) + body.removeprefix(re.escape(label.strip()[0]))
    first, last = label.strip()[0], label.strip()[-1]
    before = "" if _UNSPACED.match(first) else r"(?<!\w)" + (r"(?<![+\-.])" if first.isdigit() else "")
    # "c" is not named by "c++", nor "1" by "1.5"; but "positive" is named by "positive+negative".
    after = "" if _UNSPACED.match(last) else r"(?!\w|[+#]+(?!\w))" + (r"(?!\.\d)" if last.isdigit() else "")
    return before + body + after


@dataclass(frozen=True, slots=True)
class LabelReader:
    """The one label that a reply names, spelled as in `labels`.

    Case, punctuation, markdown, and space against underscore against hyphen make no difference; the longest label wins
    ("very positive" over "positive"). A reply that names one label, and not only to deny it ("not spam"), means it. Of
    several labels, one is meant if: the first line is nothing else; or else the reply ends in a cue and it
    ("Answer: refund", "the answer is refund"); or else the reply opens with it as a clause of its own ("Yes, because
    there is no …"). Otherwise the reply cannot be read.
    """

    labels: tuple[str, ...]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _spelling: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.labels:
            raise ConfigError("answer 'label' needs the task's labels, and it has none: give labels = [...]")
        spelling: dict[str, str] = {}
        for label in self.labels:
            key = self._key(label)
            if not re.search(r"\w", key):
                raise ConfigError(
                    f"label {label!r} has no letter or digit, so it cannot be found in a reply: use answer = 'line'"
                )
            if spelling.setdefault(key, label) != label:
                raise ConfigError(
                    f"labels {spelling[key]!r} and {label!r} differ only in case or punctuation: rename one of them"
                )
        ordered = sorted(spelling.values(), key=len, reverse=True)
        object.__setattr__(self, "_spelling", spelling)
        object.__setattr__(self, "_pattern", re.compile("|".join(map(_pattern_of, ordered))))

    @staticmethod
    def _key(label: str) -> str:
        sign = label.strip()[:1] if label.strip()[:1] in "+-" else ""
        return sign + _SEPARATORS.sub("", _fold(label).strip().lstrip("+-"))

    def __call__(self, reply: str) -> str | None:
        """The label, or None."""
        trimmed = reply.strip()
        if trimmed in self.labels:
            return trimmed
        folded = _fold(trimmed)
        matches = list(self._pattern.finditer(folded))
        named = [self._spelling[self._key(match.group())] for match in matches]
        if not matches:
            return None
        if len(set(named)) == 1:
            meant = any(not _NEGATION.search(folded[max(0, match.start() - 24) : match.start()]) for match in matches)
            return named[0] if meant else None
        return self._first_line(folded) or self._after_cue(folded, matches[-1]) or self._opening(folded, matches[0])

    def _alone(self, line: str) -> str | None:
        match = self._pattern.search(line)
        if match is None or re.search(r"\w", line[: match.start()] + line[match.end() :]):
            return None
        return self._spelling[self._key(match.group())]

    def _first_line(self, folded: str) -> str | None:
        lines = [line for line in folded.split("\n") if re.search(r"\w", line)]
        first = self._alone(lines[0])
        # A list of the labels, one a line, is no answer.
        listed = first is not None and len(lines) > 1 and self._alone(lines[1]) not in (None, first)
        return None if listed else first

    def _after_cue(self, folded: str, last: re.Match[str]) -> str | None:
        before = folded[max(0, last.start() - 80) : last.start()]
        cue = _CUE.search(before)
        if re.search(r"\w", folded[last.end() :]) or cue is None or self._pattern.search(cue.group()):
            return None
        return self._spelling[self._key(last.group())]

    def _opening(self, folded: str, first: re.Match[str]) -> str | None:
        clause = _CLAUSE.match(folded, first.end())
        if re.search(r"\w", folded[: first.start()]) or clause is None or self._pattern.match(folded, clause.end()):
            return None
        return self._spelling[self._key(first.group())]


_MARKUP = re.compile(r"[*`_]")
_BOXED_LETTER = re.compile(r"(?:\\boxed\{|####)\W{0,4}(?:text\{)?\W{0,4}([A-Za-z])(?!\w)")
_ANSWER_LETTER = re.compile(
    r"\banswer\b(?:\s+(?:is|was|should\s+be|would\s+be|must\s+be))?\s*[:=]?\s*(?:option\s+|choice\s+)?"
    r"(?:[(\[{\"']\s*([a-z])\s*[)\]}\"']|([a-z])(?=\s*(?:$|[.,;:)\n—])|\s+(?:because|since|as)\b))",
    re.IGNORECASE,
)
_MENTION = re.compile(
    r"\(\s*([A-Za-z])\s*\)|\[([A-Za-z])\]|\b[Oo]ption\s+([A-Za-z])(?!\w)|(?<![\w'’.])([A-Z])(?=[.):](?:\s|$))"
)
_OPENING_LETTER = re.compile(r"\W*([A-Z])(?=\s*(?:$|[\n.,:;—])|\s+(?:is|because|since|as)\b)|\W*([a-z])\W*$")
# "A" and "I" are words too, so neither is taken for a letter at the end of a sentence.
_CLOSING_LETTER = re.compile(r"(?<![\w'’.])([B-HJ-Z])\W*$")


def choice(reply: str) -> str | None:
    """The letter of the option chosen, as "(B)": from "(b)", "B.", "**B**", "Option B", "The answer is B".

    An explicit answer (boxed, after "####", after "answer is") comes first, the last one given. Otherwise the reply
    must mention one option only, or open with one on a line of its own and not go on listing others. Letters only.
    """
    plain = _MARKUP.sub("", reply).strip()
    for cue in (_BOXED_LETTER, _ANSWER_LETTER):
        given = [_letter(match) for match in cue.finditer(plain)]
        if given:
            return given[-1]
    mentions = [(match.start(), _letter(match)) for match in _MENTION.finditer(plain)]
    if not mentions:
        match = _OPENING_LETTER.match(plain) or _CLOSING_LETTER.search(plain)
        return _letter(match) if match else None
    first = mentions[0][1]
    if all(letter == first for _, letter in mentions):
        return first
    lines = plain.split("\n")
    opens = not re.search(r"\w", plain[: mentions[0][0]])
    alone = all(_letter(match) == first for match in _MENTION.finditer(lines[0]))
    starts = [match for line in lines[1:] if (match := _MENTION.match(line.strip()))]
    return first if opens and alone and not starts else None


def _letter(match: re.Match[str]) -> str:
    return f"({next(group for group in match.groups() if group is not None).upper()})"


@dataclass(frozen=True, slots=True)
class _ChoiceReader:
    """`choice`, where only some letters are options."""

    letters: tuple[str, ...]

    def __call__(self, reply: str) -> str | None:
        found = choice(reply)
        return found if found in self.letters else None
