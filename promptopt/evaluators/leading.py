"""Numbers that a reply gives first, and then says what they are, why they are right, or which part they answer.

What is read here is the text that `promptopt.evaluators.numerals` has brought into plain spelling.
"""

from __future__ import annotations

import re

_NUMBER = r"[-−–+]?[$€£¥]?\s?(?:[0-9](?:[0-9.,'/]{0,20}[0-9])?|\.[0-9]{1,20})"
_UNIT = r"(?:\s?%|\s?°[CF]?)?(?:\s(?!(?:is|are|was|were)\b)[A-Za-z]{1,14}(?:/[A-Za-z]{1,3})?){0,2}"
_WHAT = (
    r"(?:(?:correct|right|final)\s)?(?:answers?|results?|solution|sum|total|product|difference|quotient|average|mean|"
    r"remainder|number\sof|amount\sof)\b"
)
# Only where the reply ends with that sentence, and it neither goes on to another number nor works one out.
_STATED = re.compile(
    rf"(?:\A|(?<=[.!?]\s)|\n)[^\w\n.$-]{{0,6}}(?:(?:so|thus|hence|therefore|then|and)\b,?\s)?[*$(]{{0,4}}(?P<number>{_NUMBER})"
    rf"[*$)]{{0,4}}{_UNIT}\s(?:is|are|was|were|must\sbe|should\sbe|would\sbe)\s(?:(?:therefore|thus|then|indeed)\s)?"
    rf"(?:the|our|my|your|its|his|her|their)\s{_WHAT}"
    r"(?:(?![=,;:]|\b(?:so|then|thus|hence|therefore|but|and\s(?:the|we|they|he|she|it)|which|is|are|was|were|wait|leav\w+|"
    r"giv\w+|mak\w+)\b)(?:[^.!?\n]|\.(?=[0-9]))){0,200}[.!?]?[*_)\s]{0,4}\Z",
    re.IGNORECASE,
)
_REASONS = re.compile(
    rf"\A[^\w\n.$-]{{0,6}}(?P<number>{_NUMBER})[*$)]{{0,4}}{_UNIT}[^\w\n]{{0,6}}\n\s{{0,9}}"
    r"[^\w\n]{0,6}(?:reason(?:s|ing)?|explanation|rationale|justification)[^\w\n]{0,6}(?:[:\n])",
    re.IGNORECASE,
)
_NAME = (
    # Numbers alone count steps: "1. 25 cents" is one.
    r"(?:\(?(?:(?:part|question|problem|q)\s?[0-9]{1,2}|(?:part|question|problem|q)?\s?(?:[a-h]|[ivx]{1,4}))\s?[).:]|[a-z]\s?="
    r"|(?:part|question|problem|q)\s?(?:[a-h]|[ivx]{1,4}|[0-9]{1,2})\s?[-–—]?"
    r"|(?:the\s)?(?:first|second|third|fourth)(?:\s[a-z]{1,12})?\s?[:=])"
)
_PART = (
    rf"[*_]{{0,3}}(?P<name>{_NAME})[*_]{{0,3}}\s{{1,4}}[*$]{{0,4}}(?P<value>{_NUMBER})[*$]{{0,4}}{_UNIT}"
    r"(?:[,;.\s]|\Z)\s{0,4}(?:and\s)?"
)
_EACH = re.compile(_PART, re.IGNORECASE)
_PARTS = re.compile(rf"\s{{0,4}}(?:{re.sub('[?]P<[a-z]+>', '?:', _PART)}){{2,20}}", re.IGNORECASE)
LONGEST = 400
"""Characters of a reply that may be nothing but the answers to several parts. Ours."""


def end_of_stated(plain: str) -> int | None:
    """Where the number ends that is said to be the answer, or stands above its reasons; None where none does.

    "42 is the answer to question 7", "17 is the sum of 12 and 5": what follows describes it.
    """
    match = _REASONS.search(plain)
    if match is None:
        match = _STATED.search(plain)
    return None if match is None else match.end("number")


def answers_parts(plain: str) -> bool:
    """Whether a reply is nothing but the numbers of several parts of a question, not all equal: "(a) 5 (b) 6"."""
    if len(plain) > LONGEST or _PARTS.fullmatch(plain) is None:
        return False
    found = list(_EACH.finditer(plain))
    return len({match["value"] for match in found}) > 1 and len({match["name"] for match in found}) == len(found)
