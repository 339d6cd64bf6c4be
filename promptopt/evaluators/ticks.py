"""Answers by ticks and crosses beside the options: "❌ A", "✅ B", "[x] yes [ ] no"."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TICK_OR_CROSS = re.compile(
    r"(?P<yes>[\[(]\s?[xX✓✔]\s?[\])]|[✅✔✓☑●◉🔘])|(?P<no>[\[(]\s{0,2}[\])]|[❌✗✘✖🚫☐○])\ufe0f?"
)  # fmt: skip
_TICK = re.compile("[✅✔✓☑]\ufe0f?")
_TICKED_BOX = re.compile(r"\[\s?[xX]\s?\]\s{0,3}(?=(?:[Oo]ption\s)?[(\[\"']{0,2}[A-Z](?![\w']))")
"""A box with a cross in it before a letter: the letter is the option, and not X."""
_NO_WORDS = re.compile(r"[^\w\n]{0,6}")
_LONE_CAPITAL = re.compile(r"(?<![\w'])([A-Z])(?![\w'])")
_OPTION = re.compile(r"[^\w\n]{0,9}(?:[Oo]ption\s)?([A-Z])(?![\w'])")

_VERDICT = re.compile(r"[\"']([A-Z])[\"']\s?:\s?(true|false)\b")
"""An option and whether it is chosen, in JSON."""

_WORDED = re.compile(
    r"(?:^|(?<=[{|,]))[^\w\n]{0,9}(?:[Oo]ption\s)?([A-Z])(?![\w'])[^\w\n]{1,9}(?:is\s)?"
    r"(?:(?P<yes>[Cc]orrect|[Rr]ight|[Tt]rue)|[Ii]ncorrect|[Ww]rong|[Ff]alse)"
    r"(?=[^\w\n]{0,9}$|\s?[.,;:!|)}(\"'–—-]|\s(?:because|since|as)\b)",
    re.MULTILINE,
)
"""A verdict in words behind an option, in a line or a cell of its own: "C) Correct"."""
_REASONED = re.compile(
    r"^[^\w\n]{0,9}(?:[Oo]ption\s)?[A-Z](?![\w'])[^\w\n]{1,9}(?:is\s)?(?:[Cc]orrect|[Rr]ight|[Tt]rue)"
    r"(?:\s?[.,;:!)–—-]{1,2}|\s(?:because|since|as)\b)[^\w\n]{0,3}\w",
    re.MULTILINE,
)
"""A verdict with its reason on the line: "A) Correct: the sky is blue"."""

Mention = tuple[int, int, str]
"""Where an option is named, and which."""


def ticked(text: str, mentions: Sequence[Mention]) -> str | None:
    """The one option with a tick where all others that are named have crosses; None where that is not so.

    The marks stand before all options, or behind all of them.
    """
    marks = list(_TICK_OR_CROSS.finditer(text)) if mentions else []
    if not any(mark["yes"] for mark in marks):
        return None
    ahead = marks[0].start() < mentions[0][0]
    found: dict[str, bool] = {}
    for start, end, name in mentions:
        beside = next((mark for mark in marks if _is_beside(text, mark, start, end, ahead)), None)
        if beside is None or found.setdefault(name, beside["yes"] is not None) != (beside["yes"] is not None):
            return None
    chosen = [name for name, yes in found.items() if yes]
    return chosen[0] if len(chosen) == 1 and len(found) > 1 else None


def letters(text: str) -> tuple[str | None, frozenset[str]]:
    """The one option in letters with a tick among crosses, if there is one; and those that have crosses on a line."""
    found = {match[1]: match[2] == "true" for match in _VERDICT.finditer(text)}
    if not found and not _TICK_OR_CROSS.search(text):
        # Nothing is crossed out by them: where the false statement is asked for, it is the answer.
        worded = {match[1]: match["yes"] is not None for match in _WORDED.finditer(text)}
        right = [letter for letter, yes in worded.items() if yes]
        # "A) True, B) False" may be the options themselves, which begin with what is right; they give no reasons.
        judged = len(right) == 1 < len(worded) and (list(worded.values()) != [True, False] or _REASONED.search(text))
        return right[0] if judged else None, frozenset()
    for line in text.split("\n"):
        marks = list(_TICK_OR_CROSS.finditer(line))
        option = _OPTION.match(_TICK_OR_CROSS.sub(" ", line))
        if len(marks) == 1 and option is not None:
            found[option[1]] = marks[0]["yes"] is not None
    chosen, crossed = ([letter for letter, yes in found.items() if yes is side] for side in (True, False))
    if len(chosen) == 1 and crossed:
        return chosen[0], frozenset(crossed)
    if len(found) > 1 and _VERDICT.search(text):
        # Several are true, or none is.
        return None, frozenset(found)
    mentions = [(match.start(), match.end(), match[1]) for match in _LONE_CAPITAL.finditer(text)]
    return ticked(text, mentions), frozenset(crossed)


def without_ticks(text: str) -> str:
    """The text without the ticks that only underline what they stand beside."""
    text = _TICKED_BOX.sub("", text) if "[" in text else text
    return text if text.isascii() else _TICK.sub("", text)


def _is_beside(text: str, mark: re.Match[str], start: int, end: int, ahead: bool) -> bool:
    gap = (mark.end(), start) if ahead else (end, mark.start())
    return gap[0] <= gap[1] and _NO_WORDS.fullmatch(text, *gap) is not None
