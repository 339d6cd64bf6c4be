"""What a judge's reply says, read strictly: a score of the scale, yes or no to each item, which of two is better.

JSON is asked for, so the last object that holds what was asked for is read: in fences or prose, with other members,
numbers as texts. A line such as `Score: 4` will do too. Nothing is ever clamped: 7 on a scale to 5 says nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal, cast

from promptopt.thoughts import spoken
from promptopt.types import Token

VERSION = 1
"""Of these rules: another reading is another judge."""
LEGAL = 0.5
"""Probability that tokens of the scale must have together for an expected score: below it the judge says something
else."""
TRIED = 50
"""Braces at which an object may begin; a reply with more of them holds no verdict. Ours."""

Choice = Literal["A", "B", "tie"]

_WHOLE_OF_SCALE = re.compile(r"(-?\d{1,6})(?:\.0{1,6})?(?:\s*(?:/|of|out of)\s*(\d{1,6}))?\.?")
# `**Score:** 4/5` on a line of its own, and not "the score is 4 for …" within a sentence.
_SCORE_LINE = re.compile(
    r"^[\W_]*(?:(?:final|overall|my)\s+)?(?:score|rating|grade)[\W_]*?[:=][\W_]*?(-?\d[^\n]{0,20})$",
    re.IGNORECASE | re.MULTILINE,
)
_CHOICE_LINE = re.compile(r"^[\W_]*(?:better|winner|choice|preferred|verdict)[\W_]*[:=]([^\n]{1,20})$", re.I | re.M)
_ITEM_LINE = re.compile(r"^[\W_]*(\d{1,3})[\W_]+(\w+)\W*$", re.MULTILINE)
_LISTED_LINE = re.compile(r"^[ \t]*(?:\d{1,3}[.):]|[-*•])[ \t]+(\S[^\n]*)$", re.MULTILINE)
_TRUE = frozenset({"yes", "true", "y", "1"})
_FALSE = frozenset({"no", "false", "n", "0"})
_CHOICES: dict[str, Choice] = {
    "a": "A", "reply a": "A", "b": "B", "reply b": "B", "tie": "tie", "equal": "tie", "draw": "tie", "neither": "tie",
    "both": "tie",
}  # fmt: skip


def score_in(text: str, low: int, high: int) -> int | None:
    """The score, a whole number from `low` to `high`; None where there is none."""
    score = _number_in(text, high)
    # NaN, which JSON as Python reads it may hold, equals nothing.
    return int(score) if score is not None and low <= score <= high and score == int(score) else None


def off_scale(text: str, low: int, high: int) -> bool:
    """Whether there is a number where the score should be, and it lies below `low` or above `high`."""
    score = _number_in(text, None)
    return score is not None and (score < low or score > high)


def _number_in(text: str, high: int | None) -> float | None:
    """The number that stands for the score; `high`: the end of the scale, where one that it names must be that."""
    said = spoken(text)
    if said is None:
        return None
    for found in _objects(said):
        for name in ("score", "rating", "grade"):
            if name in found:
                return _number_on_scale(found[name], high)
    lines = _SCORE_LINE.findall(said)
    return _number_on_scale(lines[-1] if lines else said, high)


def answers_in(text: str, count: int) -> list[bool] | None:
    """Yes or no to items 1 to `count`, in order; None where an item has neither."""
    said = spoken(text)
    if said is None:
        return None
    for found in _objects(said):
        held = found.get("answers", found)
        if isinstance(held, list):
            held = {str(place): each for place, each in enumerate(cast("list[object]", held), 1)}
        if isinstance(held, dict):
            table = {str(key).strip(): each for key, each in cast("dict[object, object]", held).items()}
            if "1" in table:
                return _all_of(table, count)
    table = dict[str, object](_ITEM_LINE.findall(said))
    return _all_of(table, count)


def choice_in(text: str) -> Choice | None:
    """Which of two replies is better; None where that is not said."""
    said = spoken(text)
    if said is None:
        return None
    for found in _objects(said):
        for name in ("better", "winner", "choice", "preferred", "verdict"):
            if name in found:
                return _CHOICES.get(_word(found[name]))
    lines = cast("list[str]", _CHOICE_LINE.findall(said))
    return _CHOICES.get(_word(lines[-1] if lines else said))


def items_in(text: str) -> list[str]:
    """The items of a list that a model wrote: those of its JSON, else its lines that are numbered or marked."""
    said = spoken(text)
    if said is None:
        return []
    for found in _objects(said):
        if isinstance(found.get("items"), list):
            return _texts_of(cast("list[object]", found["items"]))
    try:
        bare, _ = _DECODER.raw_decode(said, said.index("["))
    except (ValueError, RecursionError):
        bare = None
    if isinstance(bare, list):
        return _texts_of(cast("list[object]", bare))
    return [each.strip() for each in _LISTED_LINE.findall(said)]


def _texts_of(items: Sequence[object]) -> list[str]:
    """The texts of a list, whose entries may also be objects that hold theirs."""
    held = [next(iter(cast("dict[object, object]", each).values()), "") if isinstance(each, dict) else each
            for each in items]  # fmt: skip
    return [each.strip() for each in held if isinstance(each, str) and each.strip()]


def reason_in(text: str) -> str:
    """Why, as one line; empty where the judge does not say."""
    said = spoken(text)
    for found in _objects("" if said is None else said):
        for name in ("reason", "reasons", "explanation", "feedback"):
            if isinstance(found.get(name), str):
                return " ".join(str(found[name]).split())
    return ""


def expected_in(tokens: Sequence[Token], low: int, high: int) -> float | None:
    """E[score] by the probabilities of the last token that is a score, over those of its alternatives that are.

    G-Eval (Liu et al. 2023, arXiv:2303.16634) weighs scores like this. None where there is no such token, or where what
    is no score is likelier than `LEGAL` allows.
    """
    scores = {str(score): score for score in range(low, high + 1)}
    at = next((token for token in reversed(tokens) if token.text.strip(' \t\n"') in scores and token.top), None)
    if at is None:
        return None
    mass = total = 0.0
    for text, logprob in at.top:
        score = scores.get(text.strip(' \t\n"'))
        if score is not None:
            share = math.exp(logprob)
            mass, total = mass + share, total + share * score
    return total / mass if mass >= LEGAL else None


def _objects(text: str) -> Iterator[dict[str, object]]:
    """The JSON objects in a text with keys in lower case, the last first."""
    found: list[dict[str, object]] = []
    stop = 0
    for tried, match in enumerate(re.finditer(r"\{", text)):
        if tried >= TRIED:
            break
        # It stands inside of an object that was read already.
        if match.start() < stop:
            continue
        try:
            value, stop = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append({str(key).casefold(): each for key, each in cast("dict[object, object]", value).items()})
    return reversed(found)


def _undoubled(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object's members; one that is named twice, with two values, says nothing."""
    table = dict(pairs)
    doubled = {name for name, value in pairs if table[name] != value}
    return {name: None if name in doubled else value for name, value in table.items()}


_DECODER = json.JSONDecoder(object_pairs_hook=_undoubled)


def _number_on_scale(value: object, high: int | None) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float | int):
        return value
    number = _WHOLE_OF_SCALE.fullmatch(_without_marks(value))
    # `4/10` on a scale to 5 is of another scale.
    if number is None or (number[2] is not None and high is not None and int(number[2]) != high):
        return None
    return int(number[1])


def _all_of(table: dict[str, object], count: int) -> list[bool] | None:
    words = [_word(table.get(str(place))) for place in range(1, count + 1)]
    if not all(word in _TRUE or word in _FALSE for word in words):
        return None
    return [word in _TRUE for word in words]


def _word(value: object) -> str:
    return _without_marks(value).rstrip(".").casefold()


def _without_marks(value: object) -> str:
    return str(value).strip(" \t\n*_`\"'()[]")
