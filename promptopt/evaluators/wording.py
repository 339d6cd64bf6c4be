"""Whether a text stands in another, as whole words where its script has spaces."""

from __future__ import annotations

import re
import unicodedata

from promptopt.digits import numbers_in
from promptopt.evaluators.cues import UNSPACED
from promptopt.text import INVISIBLE, caseless, normalise

# Not the stars of 2 * 3 * 4, nor those of a**b.
_STARRED = re.compile(r"(?<![\w*])\*{1,3}(?=[^\s*])([^*\n]{0,500}[^\s*])\*{1,3}(?![\w*])")
# Bold print of a part of a word.
_WITHIN = re.compile(r"(?<![\w*])\*\*([^\W_][^*\n]{0,80})\*\*(?=[^\W\d_])")
_SAME_SIGNS = INVISIBLE | {ord(sign): "'" for sign in "’‘ʼ"} | {ord(sign): '"' for sign in "“”„"}
_SPACED_CHARACTER = re.compile(rf"[^\W{UNSPACED}]")
_SUFFIX = re.compile(r"(?<=\w)[+#]+(?!\w)")
"""Not in a word, but a part of it: "C++" does not hold "C"."""
_SIGN = re.compile(r"(?<!\w)[-−]$")
_RUN_BEFORE, _RUN_AFTER = re.compile(r"(?:\d{1,12}[.,']){1,4}$"), re.compile(r"(?:[.,']\d{1,12}){1,4}")
_PREFIX = re.compile(r"(?<!\w)(?:[وفبكلس]{0,2}(?:ال)?|[והבכלמש]{1,3})(?<=[\u0590-\u06ff])$")
"""Arabic and Hebrew conjunctions, prepositions and articles, which are written together with their word."""


def folded(text: str) -> str:
    """The text in one case, spacing, width and kind of apostrophe, without emphasis and what shows nothing."""
    if "*" in text:
        text = _WITHIN.sub(r"\1", _STARRED.sub(r"\1", text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_SAME_SIGNS)
    return caseless(normalise(text))


def holds(text: str, part: str) -> bool:
    """Whether `part` stands in `text` with no word running into it. An empty part stands in an empty text only."""
    if not part:
        return not text
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        joined_before = (
            start > 0 and _runs_on(text[start - 1], part[0]) and not _PREFIX.search(text, max(0, start - 5), start)
        )
        joined_after = end < len(text) and (_runs_on(part[-1], text[end]) or _SUFFIX.match(text, end) is not None)
        if not (joined_before or joined_after or _in_number(text, part, start)):
            return True
        start = text.find(part, start + 1)
    return False


def _runs_on(left: str, right: str) -> bool:
    """Whether two characters side by side belong to one word."""
    return _SPACED_CHARACTER.match(left) is not None and _SPACED_CHARACTER.match(right) is not None


def _in_number(text: str, part: str, start: int) -> bool:
    """Whether a part that begins or ends in a digit is a piece of one longer number.

    Neither "1,200" nor "-200" holds "200", and "1200.50" no "1200"; but "1,2,3" holds "2", and a date its year.
    """
    end = start + len(part)
    head = _RUN_BEFORE.search(text, max(0, start - 52), start) if part[0].isdigit() else None
    tail = _RUN_AFTER.match(text, end) if part[-1].isdigit() else None
    if part[0].isdigit() and _SIGN.search(text, max(0, start - 2), start):
        return True
    if head is None and tail is None:
        return False
    first, last = start if head is None else head.start(), end if tail is None else tail.end()
    return len(numbers_in(text[first:last])) == 1
