"""Digits with what stands between them: one number, several, or none (a time, a date, a version).

Both ways to write decimals are read: `1,234.5`, `1.234,5`, `1'234.5` and `1 234,5` can mean one number only, and so can
`3,5` and `3.50`. Of those that could be two, `1,234` and `1.234`, the data decides: see `decimal_comma`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import islice

LONGEST_NUMBER = 400
"""Characters; a longer run is a model stuck on a key, and no number."""
TARGETS_LOOKED_AT = 10_000
"""Targets that are asked which way a data set writes its decimals."""
SHOWN_IN = 50
"""One target in so many has to show the decimal mark: a slip in one of hundreds says nothing of the others. Ours."""
MILLION = 10**6
"""The smallest number that has two groups of thousands."""
WHOLE_TARGET = 40
"""Characters of the longest target that is asked; longer ones are worked solutions."""

DIGIT_RUN = r"(?:[0-9]+|\.[0-9]+)(?:[,.:/_'][0-9]+|[ ][0-9]{3}(?![0-9]|-[A-Za-z]))*(?:[eE][+-]?[0-9]{1,3}(?!\w))?"
"""A pattern for digits and what may stand between them, each position read once. What it means: `numbers_in`."""

_SEPARATOR = re.compile(r"[^0-9]")
_FIND = re.compile(rf"(?<!\w){DIGIT_RUN}")
_FIXED = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f'’ʼ‘´](?=\d{3}(?!\d))")
_PLAIN_NUMBER = re.compile(rf"[+\-−–]?(?:{DIGIT_RUN})")
_LEADING_ZERO = re.compile(r"[+\-−–]?0[0-9]")


def fixed(text: str) -> str:
    """The text with an apostrophe in place of every fixed or thin space between thousands."""
    return _FIXED.sub("'", text)


def numbers_in(run: str, comma: bool = False, spaces: bool = True) -> list[str]:
    """The numbers that a match of `DIGIT_RUN` writes: "1234", "0.5", "3/4". None: times, dates, versions, addresses.

    `comma`: decimals are written with a comma, where the run itself leaves it open. `spaces`: millions are written with
    spaces, where it leaves open whether "100 200 300" is one number; else such a run is none.
    """
    if len(run) > LONGEST_NUMBER or ":" in run:
        return []
    mantissa, _, exponent = run.lower().partition("e")
    if "/" in mantissa:
        return _quotient([numbers_in(part, comma, spaces) for part in mantissa.split("/")])
    groups, marks = _SEPARATOR.split(mantissa), _SEPARATOR.findall(mantissa)
    # "100 000 000" can be one number only, and "100 200 300" is as often three.
    alike = len(marks) > 1 and set(marks) == {" "} and len(groups[0]) == 3
    if alike and not spaces and set(groups[1:]) != {"000"}:
        return []
    # Nobody writes thousands before an exponent.
    found = [_decimal(groups)] if exponent and marks in ([","], ["."]) else _number_readings(groups, marks, comma)
    if exponent and found:
        found[-1] = _trimmed(format(Decimal(f"{found[-1]}e{exponent}"), "f"))
    return found


def is_number(text: str) -> bool:
    """Whether a text is a number and nothing else: digits, sign, separators; no leading zero, as identifiers have."""
    bare = fixed(text.strip())
    if _PLAIN_NUMBER.fullmatch(bare) is None or _LEADING_ZERO.match(bare) or "/" in bare:
        return False
    return len(numbers_in(bare.lstrip("+-−–"))) == 1


def decimal_comma(targets: Iterable[str]) -> bool:
    """Whether right answers write decimals with a comma: some can mean nothing else, and none says otherwise."""
    looked = commas = 0
    for target in islice(targets, TARGETS_LOOKED_AT):
        looked += 1
        if len(target) > WHOLE_TARGET:
            continue
        marks = [_mark(match.group()) for match in _FIND.finditer(fixed(target))]
        if "." in marks:
            return False
        commas += "," in marks
    return commas > 0 and commas * SHOWN_IN >= looked


def largest(targets: Iterable[str]) -> int:
    """The largest right answer, rounded down and without a sign; 0 where there is none.

    From a million on "1 234 567" in a reply can be one number, and "2.5 million" is 2500000.
    """
    found = 0
    for target in islice(targets, TARGETS_LOOKED_AT):
        if len(target) <= WHOLE_TARGET:
            for match in _FIND.finditer(fixed(target)):
                numbers = numbers_in(match.group())
                if len(numbers) == 1 and "/" not in numbers[0]:
                    found = max(found, int(Decimal(numbers[0])))
    return found


def proportions(targets: Iterable[str]) -> bool | None:
    """Whether right answers are proportions: all lie between 0 and 1, and some in between; so 75% is 0.75.

    False where none lies in between and some are more, so that 0.75 (75%) is 75. None where they do not say.
    """
    between = more = False
    for target in islice(targets, TARGETS_LOOKED_AT):
        found = [numbers_in(match.group()) for match in _FIND.finditer(fixed(target))]
        if len(target) > WHOLE_TARGET or len(found) != 1 or len(found[0]) != 1:
            continue
        worth = Fraction(found[0][0])
        between |= 0 < worth < 1 and "%" not in target
        more |= worth > 1 or "%" in target
    return None if between == more else between


def _mark(run: str) -> str:
    """The decimal mark that the run shows; empty where it shows none."""
    marks = _SEPARATOR.findall(run)
    readings = [numbers_in(run, comma) for comma in (False, True)]
    if not marks or len(readings[0]) != 1 or readings[0] != readings[1] or "/" in run:
        return ""
    last = marks[-1] if marks[-1] in ",." else ""
    if len(marks) > 1 and last and marks.count(last) == len(marks):  # 1.234.567 has points for thousands
        return "," if last == "." else "."
    return last


def _number_readings(groups: Sequence[str], marks: Sequence[str], comma: bool) -> list[str]:
    if not marks:
        return [_trimmed(groups[0])]
    last, before = marks[-1], marks[:-1]
    if marks.count(last) == len(marks):
        grouped = _grouped(groups, last)
        # The one run that could be two numbers, "1,234": here the data decides.
        if len(marks) == 1 and last in ",.":
            return [_trimmed("".join(groups)) if grouped and comma == (last == ".") else _decimal(groups)]
        if grouped:
            return [_trimmed("".join(groups))]
        # 1.2.3 is a version and 1_2 a name; "1,2,3" and "1 2 3" are lists.
        return [] if last in "._" else [_trimmed(group) for group in groups]
    if last in ",." and before.count(before[0]) == len(before) and _grouped(groups[:-1], before[0]):
        return [_decimal(groups)]
    # What is left is a list: "1.5,2.5" of decimals, or "1,234 567" of two numbers side by side.
    between = "," if "," in marks else " " if " " in marks else ""
    return (
        [number for part in _split_groups(groups, marks, between) for number in _number_readings(*part, comma)]
        if between
        else []
    )


def _split_groups(groups: Sequence[str], marks: Sequence[str], between: str) -> list[tuple[list[str], list[str]]]:
    parts: list[tuple[list[str], list[str]]] = [([groups[0]], [])]
    for mark, group in zip(marks, groups[1:], strict=True):
        if mark == between:
            parts.append(([group], []))
        else:
            parts[-1][0].append(group)
            parts[-1][1].append(mark)
    return parts


def _grouped(groups: Sequence[str], mark: str) -> bool:
    """Whether the groups are thousands: three digits each after the first; between commas also 1,00,000."""
    first, *others = map(len, groups)
    if not others or groups[0].startswith("0") or not 1 <= first <= 3 or others[-1] != 3:
        return False
    # Indian grouping: 1,00,000 has two digits in all groups but the last.
    return all(size == 3 for size in others) or (mark == "," and first <= 2 and all(size == 2 for size in others[:-1]))


def _decimal(groups: Sequence[str]) -> str:
    return _trimmed(f"{''.join(groups[:-1])}.{groups[-1]}")


def _trimmed(mantissa: str) -> str:
    whole, _, decimals = mantissa.partition(".")
    whole, decimals = whole.lstrip("0"), decimals.rstrip("0")
    return f"{whole if whole else '0'}.{decimals}" if decimals else whole if whole else "0"


def _quotient(parts: Sequence[Sequence[str]]) -> list[str]:
    if len(parts) != 2 or any(len(part) != 1 for part in parts) or parts[1][0] == "0":
        return []
    return [str(Fraction(parts[0][0]) / Fraction(parts[1][0]))]
