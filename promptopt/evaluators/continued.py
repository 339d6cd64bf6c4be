"""Replies that go on with another example, as base models do behind worked ones: the first answer is the reply's."""

from __future__ import annotations

import re

from promptopt.evaluators.cues import IS, NOUN

_FIELD = (
    r"(?:(?:next|new|another)\s)?(?:question|q|input|review|text|tweet|sentence|passage|premise|article|message|"
    r"customer|user|human|e-?mail|query|comment|post|headline|document|paragraph|dialogue|utterance|request|ticket|"
    r"frage|eingabe|pregunta|entrada|domanda|вопрос|问题|題目|题目|質問|問題|输入|入力|评论|評論|질문|문제|입력)"
)
_LINE = r"[ \t*_#>]{0,6}"
_BEGINS = re.compile(rf"\s{{0,9}}{_LINE}{_FIELD}(?:\s?[0-9]{{1,3}})?[*_]{{0,3}}\s?[:：]", re.IGNORECASE)
_ANOTHER = re.compile(rf"\n(?={_LINE}{_FIELD}(?:\s?[0-9]{{1,3}})?[*_]{{0,3}}\s?[:：])", re.IGNORECASE)
_ANSWERED = re.compile(
    rf"(?:\b(?:{NOUN}|a|output|response|sentiment|label|category|class|intent|topic|emotion|choice|solution)[*_\"]{{0,3}}"
    rf"(?:\s?[:：=]|\s{IS}\b)|答案|回答|答え|정답|####|\\boxed|<\s?answer\s?>)\W{{0,9}}\w",
    re.IGNORECASE,
)
_STARTS_WORK = re.compile(r"\W{0,4}(?:step|first|let|here|sure|ok|okay|note|we|i)\b", re.IGNORECASE)
SHORT = 6
"""Words of a line that is an answer without saying so, at most. Ours."""


def first_answer(said: str) -> str:
    """What is said up to where another example begins; all of it where none does, or where no answer stands before it.

    A reply that begins with the question itself is a working in steps of its own, and is kept whole.
    """
    if "\n" not in said or _BEGINS.match(said):
        return said
    begun = _ANOTHER.search(said)
    head = "" if begun is None else said[: begun.start()].rstrip("\n\t #=*_-")
    return head if _is_answer(head) else said


def _is_answer(head: str) -> bool:
    if _ANSWERED.search(head):
        return True
    line = head.strip()
    short = line != "" and "\n" not in line and ":" not in line and len(line.split()) <= SHORT
    return short and not _STARTS_WORK.match(line)
