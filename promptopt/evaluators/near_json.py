"""Members of JSON that a model wrote nearly right: trailing commas, other quotes, names without any.

A member is read where the text can say one thing only: each place that names it has a value, and all have the same.
"""

from __future__ import annotations

import re
from functools import lru_cache

_QUOTES = "\"'`“”„‟‘’‚«»「」"
_MEMBER_VALUE = re.compile(
    r"(?:\"([^\"\n]{0,40})\"|'([^'\n]{0,40})'|[“„‟]([^“”\n]{0,40})[“”]|[‘‚]([^‘’\n]{0,40})[‘’]"
    rf"|([^\s{_QUOTES},;{{}}\[\]][^\n{_QUOTES},;{{}}\[\]]{{0,30}}))\s*"
    # `4,5` is half a point more than 4; in `{1: 1,2: 0}` the 2 is a name.
    r"(?=,(?!\d+\s*[,;}\]\n])|[;}\]\n]|\Z)"
)
_QUOTED_REASON = re.compile(
    rf"[{_QUOTES}]?\breasons?[{_QUOTES}]?\s*:\s*[{_QUOTES}](.{{0,4000}}?)[{_QUOTES}]\s*(?:,\s*[{_QUOTES}]?\w+[{_QUOTES}]?\s*:|,?\s*\}})",
    re.IGNORECASE | re.DOTALL,
)


def member_in(text: str, name: str) -> str | None:
    """The value of the member whose name `name` (a regular expression, whatever the case) matches; None for none.

    None too where two places name it with two values, or one has a value that cannot be told from what follows.
    """
    # What has no end may have been meant to go on.
    if not 0 <= text.find("{") < text.rfind("}"):
        return None
    found: set[str] = set()
    for mark in _mark(name).finditer(text):
        value = _MEMBER_VALUE.match(text, mark.end())
        if value is None:
            return None
        found.add(next(each for each in value.groups() if each is not None).strip())
    return found.pop() if len(found) == 1 else None


def named_behind(text: str, name: str, start: int) -> bool:
    """Whether a member of that name, in quotes, begins at `start` or later."""
    return any(text[mark.end("name")] in _QUOTES for mark in _mark(name).finditer(text, start))


def reason_near(text: str) -> str:
    """The text of the member `reason`; empty where there is none."""
    found = _QUOTED_REASON.search(text)
    return "" if found is None else " ".join(found[1].split())


@lru_cache(maxsize=256)
def _mark(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.\-])(?P<name>(?:{name}))\s{{0,2}}[{_QUOTES}]?\s{{0,3}}[:=]\s{{0,9}}", re.IGNORECASE)
