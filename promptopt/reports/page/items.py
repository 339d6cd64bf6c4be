"""The sealed test as a report lists it: what the winner fixed, what it broke, and what nobody could read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.outcome.sentence import Report
from promptopt.reports import words
from promptopt.text import shorten, visible

ITEM_TEXT = 1_500_000
"""Characters of all items in one file; those beyond are counted, and left out."""
LONGEST_TEXT = 4_000
"""Characters of one input or output; a longer one is shortened in the middle."""


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item of the sealed test. `kind`: a key of `ORDER`."""

    kind: str
    unreadable: bool
    inputs: tuple[tuple[str, str], ...]
    target: str
    start: str
    best: str
    start_score: str
    best_score: str
    note: str


@dataclass(frozen=True, slots=True)
class Items:
    """The items shown, by kind in the order of `ORDER`; `counts`: of all; `left_out`: those there was no room for."""

    shown: tuple[ItemView, ...]
    counts: tuple[tuple[str, int], ...]
    left_out: int
    missing: str


ORDER = {
    "fixed": "better under the winner",
    "broken": "worse under the winner",
    "unreadable": "no answer could be read",
    "wrong": "wrong under both",
    "equal": "the same score under both",
    "right": "right under both",
}


def items_of(report: Report) -> Items:
    """The items of a result; a sentence where it has none."""
    listed = report.get("items")
    if not listed:
        why = (
            "The sealed test was not opened, so no example is shown." if report["gain"] is None
            else "This run is of an older version, which kept no examples: run its command again, which costs nothing."
        )  # fmt: skip
        return Items((), (), 0, why)
    graded = _graded(listed)
    kinds = [(_change_kind(each, graded=graded), each) for each in listed]
    counts = tuple((kind, sum(own == kind for own, _ in kinds)) for kind in ORDER)
    places = list(ORDER)
    shown: list[ItemView] = []
    room = ITEM_TEXT
    # Stable: within a kind, the order of the test.
    for kind, each in sorted(kinds, key=lambda pair: places.index(pair[0])):
        view = _view(kind, each)
        # 200 for the markup around one item.
        room -= sum(map(len, (view.target, view.start, view.best, view.note, *(text for _, text in view.inputs)))) + 200
        if room < 0:
            break
        shown.append(view)
    return Items(tuple(shown), counts, len(kinds) - len(shown), "")


def _graded(listed: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the scores are from 0 to 1, so that 0 is wrong and 1 is right; a log-probability of 0 is no fault."""
    values = [item[side]["value"] for item in listed for side in ("start", "best") if side in item]
    return all(value is not None and 0.0 <= value <= 1.0 for value in values)


def _change_kind(item: Mapping[str, Any], *, graded: bool) -> str:
    start, best = item["start"], item.get("best", item["start"])
    # None is a score of minus infinity, which JSON cannot say.
    before, after = (-1e300 if each["value"] is None else each["value"] for each in (start, best))
    if after > before:
        return "fixed"
    if after < before:
        return "broken"
    if not start["parsed"] or not best["parsed"]:
        return "unreadable"
    return "right" if graded and after == 1.0 else "wrong" if graded and after == 0.0 else "equal"


def _view(kind: str, item: Mapping[str, Any]) -> ItemView:
    start, best = item["start"], item.get("best", item["start"])
    notes = [f"{who}: {each['feedback']}" for who, each in (("start", start), ("winner", best)) if each["feedback"]]
    return ItemView(
        kind=kind,
        unreadable=not start["parsed"] or not best["parsed"],
        inputs=tuple((visible(name), _cut(text)) for name, text in item["inputs"].items()),
        target=_cut(item["target"]),
        start=_cut(start["output"]),
        best=_cut(best["output"]),
        start_score=_score_words(start),
        best_score=_score_words(best),
        note=_cut("\n".join(notes)),
    )


def _cut(text: str) -> str:
    return visible(shorten(text, LONGEST_TEXT))


def _score_words(score: Mapping[str, Any]) -> str:
    value = "impossible" if score["value"] is None else words.score(score["value"])
    return value if score["parsed"] else f"{value}, unreadable"
