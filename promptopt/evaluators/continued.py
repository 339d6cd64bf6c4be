"""Replies that go on with another example, as base models do behind worked ones: the first answer is the reply's."""

from __future__ import annotations

import re
from collections.abc import Callable

from promptopt.evaluators.cues import IS, NOUN

_FIELD = (
    r"(?:(?:next|new|another)\s)?(?:question|q|input|review|text|tweet|sentence|passage|premise|article|message|"
    r"customer|user|human|e-?mail|query|comment|post|headline|document|paragraph|dialogue|utterance|request|ticket|"
    r"frage|eingabe|pregunta|entrada|domanda|вопрос|问题|題目|题目|質問|問題|输入|入力|评论|評論|질문|문제|입력)"
)
_LINE_BEGINS = r"[ \t*_#>]{0,6}"
_BEGINS = re.compile(rf"\s{{0,9}}{_LINE_BEGINS}{_FIELD}(?:\s?[0-9]{{1,3}})?[*_]{{0,3}}\s?[:：]", re.IGNORECASE)
_ANOTHER = re.compile(rf"\n(?={_LINE_BEGINS}{_FIELD}(?:\s?[0-9]{{1,3}})?[*_]{{0,3}}\s?[:：])", re.IGNORECASE)
_SAYS = rf"[*_\"]{{0,3}}(?:\s?[:：=]|(?P<is>\s{IS}\b))"
_ANSWERED = re.compile(
    rf"(?:\b{NOUN}{_SAYS}|答案|回答|答え|정답|####|\\f?box(?:ed)?|<\s?answer\s?>)\W{{0,9}}\w",
    re.IGNORECASE,
)
_NEXT_FIELD = re.compile(
    rf"(?:\b(?P<what>output|response|sentiment|label|category|class|intent|topic|emotion|choice|solution){_SAYS}"
    rf"|^{_LINE_BEGINS}(?P<letter>a)[*_]{{0,3}}\s?[:：])\W{{0,9}}\w",
    re.IGNORECASE | re.MULTILINE,
)
"""What may be the answer, or a field beside it: "Topic: films"."""
_CONCLUDES = re.compile(
    rf"\b(?:so|thus|hence|therefore|in\stotal|finally|also|daher|donc|entonces)\b[^.!?\n]{{0,40}}\b{NOUN}\s{IS}\b",
    re.IGNORECASE,
)
"""A stated end of a working, which no answer stands before: "So the answer is 24"."""
_ANSWER_LINE = re.compile(rf"^{_LINE_BEGINS}(?:a|{NOUN})[*_]{{0,3}}\s?[:：]", re.IGNORECASE | re.MULTILINE)
"""Another example's own answer."""
_STARTS_WORK = re.compile(
    r"\W{0,4}(?:(?:step|first|let|here|sure|ok|okay|note|we|i)\b"
    r"|(?:problem|question|example|exercise|part|task|case|text|item|section|chapter|q)\W{0,3}[0-9])",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"(?<=[\w.!?)*}\]\"'`])\s*(?:\n|(?<=[.!?)*]\s))\W{0,4}"
    # "If you need 5 for each, that makes 20" is a part of the working.
    r"(?:if\s(?:you(?:['’]d|\swould)\slike|you\s(?:want|need|wish|prefer))"
    r"(?=[^\n]{0,200}\b(?:i(?:['’]ll|\s(?:can|could|will|would|am|may))|i['’](?:d|m)|let\sme|let\sus|just|feel\sfree|ask|tell\sme|say\sso)\b)"
    r"|would\syou\s(?:like|want|prefer)|do\syou\s(?:want|need)|(?:do\syou\s)?want\sme\sto|shall\si|let\sme\sknow|feel\sfree|i\shope\sth(?:is|at)"
    r"|is\sthere\sanything|(?:just\s)?ask\sme|happy\sto\shelp|möchten\ssie|soll\sich|voulez-vous|souhaitez-vous|¿?quieres\sque)\b"
    # Not where the answer itself follows in the same line.
    rf"(?![^\n]{{0,300}}(?:=|\b{NOUN}(?:\W{{0,3}}:|\s{IS}\b)|boxed|####|:\s?[\w*.,]+\Z))[^\n]{{0,300}}\Z",
    re.IGNORECASE,
)
"""What assistants offer below an answer: "Would you like me to show the 2 steps?"."""
_BRACKETED = re.compile(r"\[(/?)(?:final[_ ]?)?answer\](?!\()", re.IGNORECASE)
"""Tags in square brackets."""
ANSWER_WORDS = 6
"""Words of a line that is an answer without saying so, at most. Ours."""


def read_first(said: str, read: Callable[[str], str | None]) -> str | None:
    """What `read` finds in the part of a reply up to where another example begins, else in all of it.

    The whole is read where no answer stands before the other example; so it is where only a heading does, or a field
    that `read` finds nothing in. A reply that begins with the question itself is a working in steps of its own.
    """
    said = _BRACKETED.sub(r"<\1answer>", without_offer(said))
    head, begun = "", None
    if "\n" in said and not _BEGINS.match(said) and (begun := _ANOTHER.search(said)) is not None:
        head = said[: begun.start()].rstrip("\n\t #=*_-")
    if begun is None or not head:
        return read(said)
    if _ANSWERED.search(head) is not None:
        return read(head)
    rest = said[begun.start() :]
    if _CONCLUDES.search(rest) is not None and _ANSWER_LINE.search(rest) is None:
        return read(said)
    named = _fields_told(head)
    found = read(head) if named or _is_short(head) else None
    # The same field again is the next example's.
    return found if found is not None or named & _fields_told(rest) else read(said)


def without_offer(said: str) -> str:
    """The reply without the offer of more that it closes with."""
    offer = _OFFER.search(said)
    return said if offer is None else said[: offer.start()]


def _fields_told(text: str) -> set[tuple[str, bool]]:
    """What is said of which field, and whether in a sentence."""
    found = _NEXT_FIELD.finditer(text)
    return {((each["what"] or each["letter"]).casefold(), each["is"] is not None) for each in found}


def _is_short(head: str) -> bool:
    line = head.strip()
    short = "\n" not in line and ":" not in line and len(line.split()) <= ANSWER_WORDS
    return short and not _STARTS_WORK.match(line)
