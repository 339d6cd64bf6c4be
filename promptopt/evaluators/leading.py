"""Numbers that a reply gives first, and then says what they are, why they are right, or which part they answer.

What is read here is the text that `promptopt.evaluators.numerals` has brought into plain spelling.
"""

from __future__ import annotations

import re

_MONEY_OR_NUMBER = r"[-−–+]?[$€£¥]?\s?(?:[0-9](?:[0-9.,'/]{0,20}[0-9])?|\.[0-9]{1,20})"
_UNIT_AFTER = r"(?:\s?%|\s?°[CF]?)?(?:\s(?!(?:is|are|was|were)\b)[A-Za-z]{1,14}(?:/[A-Za-z]{1,3})?){0,2}"
_WHAT = (
    r"(?:(?:correct|right|final)\s)?(?:answers?|results?|solution|sum|total|product|difference|quotient|average|mean|"
    r"remainder|number\sof|amount\sof)\b"
)
# Only where the reply ends with that sentence, and it neither goes on to another number nor works one out.
_STATED = re.compile(
    rf"(?:\A|(?<=[.!?]\s)|\n)[^\w\n.$-]{{0,6}}(?:(?:so|thus|hence|therefore|then|and)\b,?\s)?[*$(]{{0,4}}(?P<number>{_MONEY_OR_NUMBER})"
    rf"[*$)]{{0,4}}{_UNIT_AFTER}\s(?:is|are|was|were|must\sbe|should\sbe|would\sbe)\s(?:(?:therefore|thus|then|indeed)\s)?"
    rf"(?:the|our|my|your|its|his|her|their)\s{_WHAT}"
    r"(?:(?![=,;:]|\b(?:so|then|thus|hence|therefore|but|and\s(?:the|we|they|he|she|it)|which|is|are|was|were|wait|leav\w+|"
    r"giv\w+|mak\w+)\b)(?:[^.!?\n]|\.(?=[0-9]))){0,200}[.!?]?[*_)\s]{0,4}\Z",
    re.IGNORECASE,
)
_REASONS = re.compile(
    rf"\A[^\w\n.$-]{{0,6}}(?P<number>{_MONEY_OR_NUMBER})[*$)]{{0,4}}{_UNIT_AFTER}[^\w\n]{{0,6}}\n\s{{0,9}}"
    r"[^\w\n]{0,6}(?:reason(?:s|ing)?|explanation|rationale|justification)[^\w\n]{0,6}(?:[:\n])",
    re.IGNORECASE,
)
_TURNING_WORDS = (
    r"and|but|or|so|then|thus|hence|therefore|who|which|that|result\w*|account\w*|mak\w+|allow\w*|call\w*|giv\w+|"
    r"leav\w+"
)
_AIMED_AT = (
    r"(?:is|are|was|were|be|gets?|give|find|have|obtain|reach|total|equal|arrive|yield|leave|become|calculate|see|"
    r"produce|make|about)\b"
)
"""Verbs by which a working comes to its end: "add 12 and 33 to get 45 apples"."""
_WORKED_OUT = re.compile(
    # "x = 2" gives a value, and works none out.
    rf"(?:[0-9)%]|[0-9][\s/-]?[A-Za-z][A-Za-z/\s]{{1,40}})\s?=\s?(?P<number>{_MONEY_OR_NUMBER}(?:\s[0-9]{{3}}(?![0-9]))*)"
    rf"(?:(?!\b(?:{_TURNING_WORDS}|round\w*|is|are|was|were)\b)(?!\s?(?:[-−–+×÷·^/*]|(?:x|times|plus|minus|divided\sby)\s)\s?[0-9(])"
    r"(?:[^=,;:\n.!?]|\.(?=[0-9]))){0,160}[.!?)*\s]{0,9}[^0-9]*\Z",
    re.IGNORECASE,
)
"""What the last equation comes to, where the sentence only says what it is for: "3 x 5 = 15 dollars for 5 days"."""
_FOR_HOW_MANY = re.compile(
    rf"(?<=[0-9])(?P<said>(?:(?!\b(?:{_TURNING_WORDS})\b)[^0-9,;:.!?=\n]){{1,120}})"
    rf"\b(?:after|before|for|in|within|over|during|to\s(?!{_AIMED_AT})[a-z]{{2,14}}(?:\s(?:up|out|down))?)\s"
    r"(?:(?:the|an?|those|these|this|that|his|her|their|its|our|my|all|only|just|about|another)\s){0,2}"
    r"(?:(?:first|next|last|past|remaining|other|extra|more|additional)\s)?[0-9][0-9.,]{0,12}(?:st|nd|rd|th)?"
    # What is paid is as often what was asked for, and so is what words like these compare.
    r"(?:[\s-](?!(?:dollars?|cents?|euros?|pence|pounds?|bucks|percent|is|are|was|were|more|less|fewer|times)\b)"
    r"[a-z]{1,14}){1,4}[.!?)*\s]{0,9}[^0-9]*\Z",
    re.IGNORECASE,
)
"""A phrase behind the number that only says for how many, or after how long: "17 apples after 3 days"."""
_CONDITION = re.compile(
    r"[0-9][%°$*)]{0,3}(?:\s(?!when|if|where|for|at|with|given|as)[A-Za-z]{1,14}){0,2}"
    r"(?=,?\s(?:when(?:ever)?|if|where|for|at|with|given|assuming|since|because|as)\s(?:[A-Za-z]{2,14}\s){0,3}"
    r"\$?[A-Za-z]\s?=\s?[-−–+$]?[0-9][0-9.,]{0,12}[$°%]{0,2}[.!*)\s]{0,6}\Z)"
)
_PART_NAME = (
    # Numbers alone count steps: "1. 25 cents" is one.
    r"(?:\(?(?:(?:part|question|problem|q)\s?[0-9]{1,2}|(?:part|question|problem|q)?\s?(?:[a-h]|[ivx]{1,4}))\s?[).:]|[a-z]\s?="
    r"|(?:part|question|problem|q)\s?(?:[a-h]|[ivx]{1,4}|[0-9]{1,2})\s?[-–—]?"
    r"|(?:the\s)?(?:first|second|third|fourth)(?:\s[a-z]{1,12})?\s?[:=])"
)
_PART_ANSWER = (
    rf"[*_]{{0,3}}(?P<name>{_PART_NAME})[*_]{{0,3}}\s{{1,4}}[*$]{{0,4}}(?P<value>{_MONEY_OR_NUMBER})[*$]{{0,4}}{_UNIT_AFTER}"
    r"(?:[,;.\s]|\Z)\s{0,4}(?:and\s)?"
)
_EACH = re.compile(_PART_ANSWER, re.IGNORECASE)
_PARTS = re.compile(rf"\s{{0,4}}(?:{re.sub('[?]P<[a-z]+>', '?:', _PART_ANSWER)}){{2,20}}", re.IGNORECASE)
LONGEST_REPLY = 400
"""Characters of a reply that may be nothing but the answers to several parts, or whose end tells what a number is for.
Ours."""


def end_of_stated(plain: str) -> int | None:
    """Where the number ends behind which only what describes it follows; None where none does.

    "42 is the answer to question 7", "17 is the sum of 12 and 5", "17 apples after 3 days"; also above its reasons. Of
    the 8,792 worked solutions of GSM8K 150 more are read right than by the last number, which 8,546 are.
    """
    last = max(0, len(plain) - LONGEST_REPLY)
    end = before_condition(plain, last, len(plain))
    if end < len(plain):
        return end
    for pattern, stands, start in (
        (_REASONS, "number", 0),
        (_STATED, "number", 0),
        (_WORKED_OUT, "number", last),
        (_FOR_HOW_MANY, "said", last),
    ):
        match = pattern.search(plain, start)
        if match is not None:
            return match.end(stands)
    return None


def before_condition(plain: str, start: int, stop: int) -> int:
    """Where the answer between `start` and `stop` ends, and what it holds for begins: "7 when n = 3"."""
    condition = _CONDITION.search(plain, start, stop)
    return stop if condition is None else condition.end()


def answers_parts(plain: str) -> bool:
    """Whether a reply is nothing but the numbers of several parts of a question, not all equal: "(a) 5 (b) 6"."""
    if len(plain) > LONGEST_REPLY or _PARTS.fullmatch(plain) is None:
        return False
    found = list(_EACH.finditer(plain))
    return len({match["value"] for match in found}) > 1 and len({match["name"] for match in found}) == len(found)
