"""How labels are spelled in replies: the pattern that finds one, and what is made of signs, scales and numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

from promptopt.evaluators.cues import ATTACHED, UNSPACED, with_latin_stops
from promptopt.text import INVISIBLE, caseless

# No word boundary is asked for in these scripts, nor between them and others ("答案是positive").
_NO_BOUNDARY = re.compile(rf"[{UNSPACED}{ATTACHED}]")
_BEFORE, _AFTER = rf"(?<![^\W{UNSPACED}])", rf"(?![^\W{UNSPACED}]|[+#]+(?!\w))"
_SEPARATORS = re.compile(r"[\s\-–/]+")
# Of a grade: A- is no A.
_LAST_MINUS = re.compile(r"\w[-−]\Z")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Leading zeros make an identifier.
_PLAIN_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?")
FEWEST_RATINGS = 3
"""Labels that are numbers make a scale from so many on. Ours."""

_UNSEEN = INVISIBLE | {ord("’"): ""} | {ord(sign): "-" for sign in "\u2010\u2011"}
"""Apostrophes, what shows nothing, and the hyphens that are told from "-" by a program alone."""


def fold(value: str) -> str:
    """Case, width, apostrophes and underscores away; lines and punctuation stay."""
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value).translate(_UNSEEN)
    return caseless(value).replace("'", "").replace("_", " ").replace("−", "-")


def pattern_of(label: str) -> str:
    """A pattern for one label in folded text: as a whole word, its own words joined by anything that joins words."""
    words = [
        re.escape(word) for word in _SEPARATORS.split(fold(with_latin_stops(_INNER_CAPITAL.sub(" ", label)))) if word
    ]
    body = r"[\s\-–/]*".join(words) + ("-" if _LAST_MINUS.search(label.strip()) else "")
    # The separators take a sign at the beginning away, which tells -1 from 1.
    if label.strip().startswith(("-", "+")):
        body = re.escape(label.strip()[0]) + body.removeprefix(re.escape(label.strip()[0]))
    first, last = label.strip()[0], label.strip()[-1]
    # A digit is not named by -1, 1.5, 2/1 or the range 3 - 1.
    before = (
        ""
        if _NO_BOUNDARY.match(first)
        else _BEFORE + (r"(?<![+\-.])(?<!\d[,–/])(?<!\d\s[–-]\s)" if first.isdigit() else "")
    )
    # "c" is not named by "c++", nor "1" by "1.5"; but "positive" is named by "positive+negative".
    after = "" if _NO_BOUNDARY.match(last) else _AFTER + (r"(?![.,]\d|\s?[/–-]\s?\d)" if last.isdigit() else "")
    return before + body + after


def scale_of(labels: Sequence[str]) -> re.Pattern[str] | None:
    """What "4/5", "4 out of 5" and "on a scale of 1 to 5" say beside the rating, where the labels are whole numbers."""
    if len(labels) < FEWEST_RATINGS or not all(label.isascii() and label.isdecimal() for label in labels):
        return None
    highest = max(labels, key=int)
    return re.compile(
        rf"(?<=\d)(?:\s(?:stars?|points?|sternen?|punkten?|étoiles?|estrellas?|stelle))?(?:\s{{0,2}}/|\s\(?(?:out\s)?of)\s{{0,2}}"
        rf"{highest}(?![\d.,]\d|\d)"
        r"|\bscale\s(?:of|from)\s\d{1,3}\s?(?:to|through|-|–)\s?\d{1,3}\b|\b\d{1,3}\s?[-–]\s?\d{1,3}\sscale\b"
    )


def worths_of(labels: Sequence[str]) -> dict[Fraction, str]:
    """What each label is worth, where all are numbers and no two are the same one; else empty."""
    plain = [label.strip().replace(",", ".") for label in labels]
    if not all(_PLAIN_NUMBER.fullmatch(label) for label in plain):
        return {}
    worths = {Fraction(label): own.strip() for label, own in zip(plain, labels, strict=True)}
    return worths if len(worths) == len(labels) else {}


def key_of(label: str) -> str:
    """What two spellings of one label share, and of two labels they do not."""
    plain = fold(with_latin_stops(label)).strip()
    sign = plain[:1] if plain[:1] in "+-" else ""
    return sign + _SEPARATORS.sub("", plain.lstrip("+-")) + ("-" if _LAST_MINUS.search(plain) else "")


def ornaments(labels: Sequence[str]) -> dict[int, None]:
    """The pictures in labels that words tell apart as well, which replies leave out: the thumb of "👍 good"."""
    signs = {sign for label in labels for sign in label if unicodedata.category(sign) == "So"}
    found = dict.fromkeys(map(ord, signs))
    bare = [key_of(label.translate(found)) for label in labels]
    told_apart = len(set(bare)) == len(labels) and all(re.search(r"\w", each) for each in bare)
    return found if told_apart else {}
