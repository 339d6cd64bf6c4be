"""Whether a minus belongs to the number behind it: "x = -3" does, "5-3" and "GPT-4" do not."""

from __future__ import annotations

import re

MINUS = "-−–﹣－"
_OPERATOR = re.compile(
    r"(?:[=(\[{:≈<>≤≥*/×÷^$]|\b(?:is|are|was|were|be|equals|gives|makes|becomes|ist|est|es))[ *$]{0,4}$"
)
_PLACED = re.compile(r"\b(?:to|of|at|about|around|below|reach(?:es|ed))[ *$]{0,4}$")
"""Before a minus that was said in words, "fell to minus 5"; a hyphen there lists: "of - 3 apples"."""


def is_negative(plain: str, start: int) -> bool:
    """Whether the number that begins there has a minus of its own."""
    place = start - 1
    while place > start - 4 and place >= 0 and plain[place] == " ":
        place -= 1
    if place < 0 or plain[place] not in MINUS:
        return False
    before = plain[max(0, place - 24) : place]
    last = before.rstrip(" ")[-1:]
    if place < start - 1:  # "x = - 3" is signed, "- 3 apples" is listed, "5 - 3" subtracts
        spoken = plain[place] == "−" and (last in {"", "\n"} or _PLACED.search(before) is not None)
        return spoken or _OPERATOR.search(before) is not None
    if before.endswith(" "):  # "5 -3" subtracts, "is -3" does not
        return not (last.isdigit() or last in {")", "]"})
    return not (last.isalnum() or last in {")", "]", "%", "-"})  # "5-3" subtracts, "GPT-4" joins
