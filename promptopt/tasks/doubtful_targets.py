"""Right answers that are hardly meant as they stand: always the same one, marks of what is missing, lists in a cell.

And what data sets publish in their place: scores of options, spans with their kinds, solutions, numbers of classes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import cast

from promptopt.tasks.several_answers import written_value
from promptopt.text import counted, shorten

_MISSING = frozenset({"nan", "null", "n/a", "#n/a", "<na>", "nat", "nil", "undefined", "?", "-", "--"})
"""What programs and people write where there is no answer."""
_LIST_SEPARATOR = re.compile(r"\s*[,;|]\s*")
# A slash or an "or" separates only between spaces: "km/h" and "1/2" are one answer.
_ANSWER_SEPARATOR = re.compile(
    r"\s*\|{1,2}\s*|\s*;\s*|\s*\n\s*|\s+/\s+|\s+or\s+(?!(?:so|more|less|fewer|not|never|else|later|earlier|above|below|better|worse)\b)"
)
_NO_PROSE = re.compile(r"[$(){}<>=\\`]|\s-\w")
"""In a target that is code or a formula: there such marks separate nothing."""
_ENTRY_WORDS = 8
"""Words that one of several right answers has at most. Ours."""
_BOXED = "\\boxed{"
_DATED = re.compile(
    r"(?<![a-z])(?:date|day|when|dob|due|created|updated|birthday|deadline|datum|tag|fecha|data|giorno|jour)(?![a-z])|(?:date|datum)$",
    re.IGNORECASE,
)
"""Names of columns that hold dates."""
_DAYS = range(14_611, 73_051)
"""Of the years 1940 to 2099, as Excel counts days."""
_FEW = 25
"""Targets up to which a guess takes them for labels (`guess`)."""
_LONGEST_LABEL = 40
"""Characters that a label has at most, as in `target_kinds`."""
_ENTRY = 4
"""Words that an entry of a list has at most. Ours."""


def doubtful_targets(counts: Mapping[str, int], metric: str) -> list[str]:
    """A sentence on each of these that is found. `counts`: of each right answer, the rows that have it."""
    said: list[str] = []
    # One row alone cannot show that all are alike.
    if len(counts) == 1 and sum(counts.values()) > 1:
        said.append(
            f"every row has the right answer {next(iter(counts))!r}, so a prompt that always says it makes no mistake; "
            f"name another column as --target, or add rows with other answers"
        )
    missing = {target: count for target, count in counts.items() if target.casefold() in _MISSING}
    # Where every target is such a word, these are what is asked for.
    if missing and len(missing) < len(counts):
        named = ", ".join(f"{target!r} ({count:,})" for target, count in list(missing.items())[:3])
        said.append(
            f"{counted(sum(missing.values()), 'row')} may have no answer: {named} stands there and counts as one; fill "
            f"them in, or take them out"
        )
    listed = _list_target(counts) if metric == "exact" else ""
    if listed:
        said.append(
            f"targets look like lists, such as {listed!r}, and are scored as a whole; "
            f'metric = "set_f1" and answer = "text" score their entries (take labels out then)'
        )
    elif metric in ("exact", "number", "choice") and (joined := _several_answers(counts)):
        # Nobody asks for all of what stands beside an "or".
        alternatives = all(mark.strip() == "or" for mark in _ANSWER_SEPARATOR.findall(joined.strip()))
        both = ', and where all are asked for, use metric = "set_f1" and answer = "text"'
        said.append(
            f"targets look like several answers in one cell, such as {joined!r}, and a reply has to write all of it; "
            f'where each is right, write ["{_ANSWER_SEPARATOR.split(joined)[0]}", …] in its place'
            f"{'' if alternatives else both}"
        )
    values = [written_value(target) for target in counts]
    said += [
        each
        for each in (_class_targets(counts, metric), _unlabelled(counts), _published(counts, values, metric))
        if each
    ]
    empty = sum(count for value, count in zip(values, counts.values(), strict=True) if _is_empty(value))
    if empty:
        said.append(
            f"in {counted(empty, 'row')} the list of right answers is empty, so no reply is right there; write the "
            f"answer that you want, such as unanswerable, or take them out"
        )
    return said


def dates_as_numbers(columns: Mapping[str, Collection[str]]) -> list[str]:
    """A sentence on each column of this name whose values are days as Excel counts them, and not as it shows them."""
    said: list[str] = []
    for name, values in columns.items():
        days = [int(value) for value in values if re.fullmatch("[0-9]{5}", value)]
        if days and len(days) == len(values) and _DATED.search(name) and all(day in _DAYS for day in days):
            shown = date(1899, 12, 30) + timedelta(days=days[0])
            said.append(
                f"{name!r} holds numbers such as {days[0]}, as which Excel keeps dates (that one is {shown}), and is "
                f"read as numbers; give the column the format of a date, and save the file again"
            )
    return said


def _published(counts: Mapping[str, int], values: Sequence[object], metric: str) -> str:
    """A sentence where every target is a structure in which data sets publish an answer, and none itself."""
    shown = shorten(next(iter(counts), ""), 60)
    if values and all(map(_scores_one, values)):
        return (
            f"every target scores the options, such as {shown}, and names no answer; write the option with the score 1 "
            f"into a column of its own, and name that one as --target"
        )
    if values and all(
        isinstance(value, dict) and isinstance(cast("dict[str, object]", value).get("spans"), list) for value in values
    ):
        return (
            f"every target is an object with its answers in 'spans', such as {shown}, and a reply has to write all of "
            f"it; write the answers into a column of their own, and name that one as --target"
        )
    if values and metric == "exact" and all(map(_is_numbers, values)):
        return (
            f"every target is a list of numbers, such as {shown}, and is right or wrong as a whole; where numbers "
            f'stand for names, write these in their place, and score them by metric = "set_f1" or "json"'
        )
    # MATH's solutions: the guess scores texts of that length by words in common.
    if counts and metric == "f1" and all(_BOXED in target for target in counts):
        return (
            f"every target is a worked solution with its answer in {_BOXED}…}}, and is scored by all of its words; "
            f"write what stands there into a column of its own, and name that one as --target"
        )
    return ""


def _class_targets(counts: Mapping[str, int], metric: str) -> str:
    """A sentence where targets are more classes than a guess takes for labels, by number or by name."""
    # As often as the guess wants a label to come again.
    if len(counts) <= _FEW or sum(counts.values()) < 3 * len(counts) or metric not in ("number", "exact"):
        return ""
    numbers = sorted(int(target) for target in counts if target.isascii() and target.isdigit())
    # Counts, years and ratings begin elsewhere or leave gaps: those are numbers that are meant.
    classes = len(numbers) == len(counts) and numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1
    if metric == "number" and classes:
        return (
            f"the targets are the whole numbers {numbers[0]} to {numbers[-1]}, again and again, as numbers of classes "
            f"are; where they are, write the name of its class in each row, and name that column as --target"
        )
    if metric == "exact" and max(map(len, counts)) <= _LONGEST_LABEL:
        return (
            f"{len(counts)} different targets come again and again, as labels do, and the prompt names none; where "
            f'they are labels, write labels = [all of them] and answer = "label", and name them in answer_format'
        )
    return ""


def _unlabelled(counts: Mapping[str, int]) -> str:
    """A sentence where -1 stands among classes that are counted from 0."""
    others = {target for target in counts if target != "-1"}
    if len(others) == len(counts) or len(others) < 2 or others != {str(number) for number in range(len(others))}:
        return ""
    return (
        f"{counted(counts['-1'], 'row')} have the target -1, which stands for no label where data sets count theirs "
        f'from 0; write drop = ["-1"] under [data], and take it out of labels and answer_format'
    )


def _scores_one(value: object) -> bool:
    """Whether it scores several options, one with 1 and all others with 0."""
    if isinstance(value, dict):
        held = list(cast("dict[str, object]", value).values())
        # TruthfulQA: `{option: 0 or 1}` in its own file, `{"choices": […], "labels": […]}` on the hub.
        return _scores_one(held) or any(isinstance(each, list) and _scores_one(cast("object", each)) for each in held)
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return len(listed) > 1 and listed.count(1) == 1 and listed.count(0) == len(listed) - 1


def _is_numbers(value: object) -> bool:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return bool(listed) and all(isinstance(each, int | float) for each in listed)


def _is_empty(value: object) -> bool:
    held = list(cast("dict[str, object]", value).values()) if isinstance(value, dict) else [value]
    return bool(held) and all(each == [] for each in held)


def _list_target(counts: Mapping[str, int]) -> str:
    """A target of several entries, of which one stands alone or in other places too; empty where there is none.

    "Lyon, France" and "Paris, France" are no lists: what is behind the comma stands there alone.
    """
    entries = {target: _LIST_SEPARATOR.split(target) for target in counts}
    several = {target: found for target, found in entries.items() if len(found) > 1 and _are_short(found)}
    firsts = {found[0].casefold() for found in entries.values()}
    return next((target for target, found in several.items() if any(e.casefold() in firsts for e in found[1:])), "")


def _several_answers(counts: Mapping[str, int]) -> str:
    """A target of several short answers, where one row in twenty has such a one and two of them differ; else empty."""
    found = [
        target
        for target in counts
        if not _NO_PROSE.search(target)
        and len(entries := _ANSWER_SEPARATOR.split(target.strip())) > 1
        and all(re.search(r"\w", entry) and len(entry.split()) <= _ENTRY_WORDS for entry in entries)
    ]
    rows = sum(counts[target] for target in found)
    return found[0] if len(found) > 1 and 20 * rows >= sum(counts.values()) else ""


def _are_short(entries: list[str]) -> bool:
    return all(0 < len(entry.split()) <= _ENTRY for entry in entries)
