"""What a judge says behind its verdict: a sentence that takes it back and names another."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_TAKES_BACK = (
    # `No 5` and `No one` deny that there is one.
    r"(?:no|non|nein|não|нет|아니)(?=[^\S\n]*(?:[^\w\s]|\n))"
    r"|actually|wait|nope|hmm+|sorry|rather|or rather|scratch that|hold on|thinking again|correction|corrected"
    r"|revised|on (?:second|further|closer|more careful) (?:thoughts?|reflection|look|reading)|on reflection|in fact"
    r"|i (?:take|took) (?:that|it|this) back|(?:i(?:['’]d| would| will|['’]ll)?|let me|let['’]s) (?:lower|raise|change"
    r"|revise|correct|reduce|increase|reconsider|amend|adjust)|make (?:it|that)"
    r"|eigentlich|moment|halt|doch|korrektur|en fait|pardon|en realidad|corrección|na verdade|correção"
    r"|in realtà|anzi|correzione|на самом деле|исправление"
    r"|其实|實際上|实际上|不对|不對|更正|実は|いや|訂正|정정"
)
"""How a sentence begins that takes back what was said before it."""
_BETWEEN = (
    r"(?:i|i['’]d|i['’]ll|i['’]m|let['’]s|let|me|we|it|it['’]s|that|this|should|would|will|must|be|is|a|an|the|my|score"
    r"|rating|grade|verdict|answer|say|give|giving|make|call|go|with|to|at|for|more|like|rather|better|now|think|prefer"
    r"|item|question|reply|response|lower|deserves?|down|up|just|only|really|probably|doch|eher|lieber|plutôt|mejor)"
)
"""Words that may stand before the value. Any others make it a number or a letter of something else."""
CLOSED = (
    r"(?=\s*(?:$|[\n.!;:)\]*\"'。！；]|[,，](?!\s*(?:if|had|were|provided)\b))"
    r"|\s+(?:overall|here|instead|then|at most|after all|since|because|as|than|between)\b)"
)
"""What follows a value that is a verdict: an end, or why, and no noun that it counts, or goes with."""


def takes_back(behind: str, value: str, same: Callable[[re.Match[str]], bool]) -> bool:
    """Whether a sentence of what stands behind a verdict takes it back, and says what is not the `same`.

    `value`: a regular expression of what a verdict is, with what has to follow it.
    """
    return any(not same(found) for found in _taking_back(value).finditer(behind))


@lru_cache(maxsize=8)
def _taking_back(value: str) -> re.Pattern[str]:
    # Every repeat has an end: judges write thousands of empty lines.
    return re.compile(
        rf"(?:\A|[\n.!?;。！？—–]|\s-\s)[\W_]{{0,9}}(?:(?:but|oh|well|hmm+|no|wait)\b[\W_]{{1,6}}){{0,2}}"
        rf"(?:{_TAKES_BACK})(?![^\W\d_])[\W_]{{0,6}}(?:{_BETWEEN}\b[\W_]{{1,6}}){{0,9}}(?P<said>{value})",
        re.IGNORECASE,
    )
