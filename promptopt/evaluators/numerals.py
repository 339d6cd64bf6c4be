r"""Numbers as people and models write them: where the answer's number stands in a reply, and what it is worth.

What is thought aloud is left out, as by all readers.

What is read: signs (also the Unicode minus), separators as `promptopt.digits` has them, exponents and "× 10^5",
fractions ("3/4", "1 3/4", "½", LaTeX), digits of other scripts. Currency and units, "%" among them, are dropped. What
is not: number words, "million", digits inside words ("m2"), roots, multiples of pi, other powers, times, dates,
versions, nor a quantity in two units or with a part in words: see `evaluators.compounds`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from promptopt.digits import DIGIT_RUN, MILLION, numbers_in
from promptopt.evaluators import undecided
from promptopt.evaluators.compounds import COMPOUND, without_compounds, without_unspaced
from promptopt.evaluators.continued import read_first
from promptopt.evaluators.cues import CORRECTED, IS, NOUN, without_struck
from promptopt.evaluators.formulas import FORMULA, end_of_place, is_algebra, joins
from promptopt.evaluators.leading import answers_parts, before_condition, end_of_stated
from promptopt.evaluators.magnitudes import as_proportion, fraction_of, is_percentage, scaled_number
from promptopt.evaluators.plain_spelling import in_plain_spelling
from promptopt.evaluators.signs import MINUS, is_negative
from promptopt.thoughts import spoken

TOLERANCE = Fraction(1, 10**6)
"""Relative difference within which two numbers are equal, unless both are whole: those must be the same."""

# Not the 1/2 of 1/2/2024, nor the 2/3 of 1.2/3; and nothing over zero.
_FRACTION_OR_NUMBER = re.compile(
    r"(?<![\w/.,:])(?:(?P<whole>[0-9]{1,9})[ ])?(?P<top>[0-9]{1,9})/(?P<bottom>0{0,8}[1-9][0-9]{0,8})"
    r"(?![\w/]|[.,:][0-9])"
    # Not the 2 of m2, nor the 30 of 10:30.
    rf"|(?<!\w)(?<![0-9][.,:/'])(?P<run>{DIGIT_RUN})"
)
_QUANTITY = re.compile(rf"{_FRACTION_OR_NUMBER.pattern}|{COMPOUND}")
_CUE = re.compile(
    r"\b(?!(?:wrong|incorrect|initial|first|previous|old|partial|intermediate|other)_)"
    rf"(?:[a-z]{{1,12}}_){{0,2}}(?:(?<=\w_)|(?:final|correct|right)?){NOUN}\b(?:\s(?!(?:not|{IS})\b)\w{{1,14}}(?=\s)){{0,2}}\W{{0,4}}(?:(?:{IS}|(?:will|would|should|must)\s+be)\b|[:=])"
    rf"[^\w.,\-−–﹣－+\\/({COMPOUND}{FORMULA}]{{0,6}}",
    re.IGNORECASE,
)
# "#### 2. Add them up" is a heading, "#### 18" an answer.
_HASHES = re.compile(r"####(?=[ \t]*[^\w\s]{0,3}\d)(?![ \t]*\d+[.):][ \t]+\w)")
_BOXED = re.compile(r"\\f?box(?:ed)?\s*\{")
_ELEMENT = re.compile(
    r"<\s{0,4}(?:(?:final[_ -]?)?answer|(?:final|result|output|solution|response)(?=\s{0,4}>[^<>\n]{0,40}</))\s{0,4}>",
    re.I,
)
_DENIED = re.compile(
    r"(?:(?:\b(?:not|never|nor|isn['’]t|(?:down|up)\sfrom|compared\s(?:to|with)|rather\sthan|instead\sof|as\sopposed\sto|out\sof|(?<=[0-9]\s)of)(?:\s(?:the|all|these|those|my|our|his|her|their|its))?"
    r"|(?<=[,(\[])\s?(?:previously|formerly|originally))\s{1,3}[$(\"'*]{0,3}"
    r"|(?:±|\\pm)\s{0,3})$",
    re.IGNORECASE,
)
"""Before a number that is not the answer, that it is a part of, or that says how far off it may be."""
_CONFLICTING = ""
"""What is read where an answer names several numbers, and does not decide between them."""
_END_OF_CUE = {_BOXED: "}", _ELEMENT: "<"}
_TWO_LETTERS = re.compile(r"[^\W\d_]{2}")
"""A single letter may name a quantity."""
_VISIBLE = re.compile(r"\S")
_CLAUSE_END = re.compile(r"\n|;|\.(?=\s|$)|,\s?(?=[A-Za-z_]\w{0,20}\s?=)")


class NumberStyle(NamedTuple):
    """How numbers are written where a run of digits could be several: what `number` and `value` are told."""

    comma: bool
    spaces: bool
    largest: int
    proportions: bool | None = None


def number(reply: str, comma: bool = False, largest: int = 0, proportions: bool | None = None) -> str | None:
    r"""The number a reply gives as its answer, in one spelling: "1234", "-7", "0.5", "3/4". None where there is none.

    The last "####", else the last `\boxed{}`, `<answer>` or "answer is" says where to look: behind the last "=" of
    that sentence, else at its first number. Without such a cue, or no number there, it is the last number of the reply.
    A minus belongs to the number unless something stands before it that can be subtracted from: "5-3" gives 3.
    Where several stand there side by side, as in a range or a list, there is none: see `evaluators.undecided`.
    `comma`: as in `digits.numbers_in`; the spelling has a decimal comma then, so that it is read again as it was meant.
    `largest`: the largest right answer. From a million on spaces may stand between thousands; "5k" and "2.5 million"
    are 5000 and 2500000 where that has no more digits than the largest. `proportions`: whether right answers lie
    between 0 and 1 (`digits.proportions`), so that 75% is 0.75.
    """
    said = spoken(reply)
    written = NumberStyle(comma, largest >= MILLION, largest, proportions)
    found = None if said is None else read_first(said, lambda text: _found(text, written))
    return found.replace(".", ",") if found is not None and comma else found


@lru_cache(maxsize=16_384)
def value(text: str, comma: bool = False, spaces: bool = False, largest: int = 0) -> Fraction | None:
    """The exact value of the number that `number` reads from `text`, or None."""
    read = _found(text, NumberStyle(comma, spaces, largest))
    return None if read is None else Fraction(read)


@lru_cache(maxsize=16_384)
def numbers_named(text: str) -> frozenset[Fraction]:
    """Every number that a text names. What could be two, "1,234", is both of them; thoughts are no part of it."""
    said = spoken(text)
    found: set[Fraction] = set()
    for comma in (False, True) if said is not None else ():
        plain = in_plain_spelling(str(said), comma)
        for match in _FRACTION_OR_NUMBER.finditer(plain):
            found.update(map(Fraction, _spelled(match, plain, NumberStyle(comma, spaces=True, largest=0))))
    return frozenset(found)


def equal(left: Fraction, right: Fraction) -> bool:
    """Whether two numbers are the same answer: whole numbers exactly, others within `TOLERANCE` of the larger."""
    if left.denominator == right.denominator == 1:
        return left == right
    return abs(left - right) <= TOLERANCE * max(abs(left), abs(right))


def _found(said: str, written: NumberStyle) -> str | None:
    plain = without_compounds(in_plain_spelling(without_unspaced(without_struck(said)), written.comma))
    plain = undecided.without_left(plain)
    for cue in (_HASHES, _BOXED, _ELEMENT, _CUE):
        # What is set for an answer alone comes before what is said in passing as well.
        places = [match.end() for match in cue.finditer(plain)]
        if places:
            end = end_of_place(plain, places[-1], _END_OF_CUE[cue]) if cue in _END_OF_CUE else -1
            if end >= 0 and undecided.names_two(plain, places[-1], end):
                return None
            found = _answer_at(plain, places[-1], end if end >= 0 else len(plain), written)
            if found is not None:
                kept = found != _CONFLICTING and not _is_taken_back(plain, places[-1], found, written)
                return found if kept else None
            # A place set for the answer that holds words has been filled: "No solution" is no number of the working.
            if end >= 0 and _TWO_LETTERS.search(plain, places[-1], end):
                return None
    return _last_in(plain, written)


def _is_taken_back(plain: str, start: int, found: str, written: NumberStyle) -> bool:
    """Whether the answer that was announced at `start` is corrected behind it, and does not come out again."""
    corrected = CORRECTED.search(plain, start)
    if corrected is None:
        return False
    behind = plain[corrected.end() :]
    # "Actually, you can verify it by adding" takes nothing back.
    return _last_in(behind, written) != found if re.search("[0-9]", behind) else undecided.is_withdrawn(behind)


def _last_in(plain: str, written: NumberStyle) -> str | None:
    """The last number of a reply that announces none."""
    if undecided.is_list(plain) or answers_parts(plain):
        return None
    stated = end_of_stated(plain)
    stop = len(plain) if stated is None else stated
    for match in reversed(list(_QUANTITY.finditer(plain))):
        if match.start() >= stop:
            continue
        if match.group() == COMPOUND:
            return None
        numbers = _numbers_meant(match, plain, written)
        if numbers and (joins(plain, *match.span()) or undecided.is_refused(plain, *match.span())):
            return None
        if numbers and undecided.is_operand(plain, match.start()):
            # "15 apples (10 + 5)": the brackets say how it was worked out.
            opened = undecided.bracket_around(plain, *match.span())
            if opened is None:
                return None
            stop = opened
            continue
        if numbers and (aside := undecided.aside_of(plain, *match.span())) is not None:
            if undecided.says_how_exact(plain, aside[1]):
                stop = aside[1]
                continue
            return _agreed(match, plain, aside, written)
        if numbers:
            pair = undecided.solutions(plain, max(0, match.start() - undecided.LOOKED_BACK), match.end())
            other = undecided.before(plain, *match.span()) if pair is None else pair[0]
            return (
                _in_percent(match, plain, numbers[-1], written)
                if other is None
                else _agreed(match, plain, other, written)
            )
    return None


def _in_percent(match: re.Match[str], plain: str, found: str, written: NumberStyle) -> str:
    """The percentage that stands beside the share `found` in data that counts in percent: "0.75, i.e. 75%"."""
    if written.proportions is not False or not 0 < Fraction(found) < 1:
        return found
    begin = max(0, match.start() - undecided.LOOKED_BACK)
    for other in _FRACTION_OR_NUMBER.finditer(plain, begin, match.end() + undecided.LOOKED_BACK):
        named = _spelled(other, plain, written)
        if is_percentage(plain, other.end()) and len(named) == 1 and equal(Fraction(named[0]), Fraction(found) * 100):
            return named[0]
    return found


def _numbers_meant(match: re.Match[str], plain: str, written: NumberStyle) -> list[str]:
    """The numbers of a match, unless it is denied, or only says how exactly another one is given."""
    aside = _ends_in(_DENIED, plain, match) or undecided.says_precision(plain, match.end())
    return [] if aside else _spelled(match, plain, written)


def _agreed(match: re.Match[str], plain: str, place: undecided.Span, written: NumberStyle) -> str | None:
    """What the two numbers come to that a reply names as one, at `match` and at `place`: "3/4 or 0.75".

    Of a share and its percentage, "0.75 (75%)", the one that the data asks for, else the first. None for two numbers.
    """
    other = _FRACTION_OR_NUMBER.search(plain, *place)
    found = [_spelled(each, plain, written) for each in (match, other) if each is not None]
    if other is None or any(len(each) != 1 for each in found):
        return None
    mine, its = (Fraction(each[0]) for each in found)
    if equal(mine, its):
        return found[0][0]
    percents = [is_percentage(plain, each.end()) for each in (match, other)]
    if percents[0] == percents[1] or not equal(mine * (1 if percents[0] else 100), its * (100 if percents[0] else 1)):
        return None
    if written.proportions is False:
        return found[0 if percents[0] else 1][0]
    return found[0][0] if match.start() < other.start() else found[1][0]


def _answer_at(plain: str, start: int, stop: int, written: NumberStyle) -> str | None:
    """The number of the sentence that begins at `start` and ends before `stop`."""
    first = _VISIBLE.search(plain, start, stop)
    end = first and _CLAUSE_END.search(plain, first.start(), stop)
    ended = stop if end is None or plain[end.start()] in ";," else end.start()
    if undecided.is_no_answer(plain, start, stop):
        return _CONFLICTING
    pair = undecided.solutions(plain, start, ended)
    if pair is not None:
        last = _FRACTION_OR_NUMBER.search(plain, *pair[1])
        found = None if last is None else _agreed(last, plain, pair[0], written)
        return _CONFLICTING if found is None else found
    stop = end.start() if end is not None else stop
    stop = before_condition(plain, start, undecided.without_reason(plain, start, stop))
    equals = plain.rfind("=", start, stop)
    if is_algebra(plain[equals + 1 if equals >= 0 else start : stop], plain.startswith("}", stop)):
        return _CONFLICTING
    # "= x apples" holds none: then from where the sentence begins.
    for begin in (equals + 1, start) if equals >= 0 else (start,):
        for match in _QUANTITY.finditer(plain, begin, stop):
            if match.group() == COMPOUND:
                return _CONFLICTING
            numbers = _numbers_meant(match, plain, written)
            if numbers and joins(plain, *match.span()):
                return _CONFLICTING
            if numbers:
                other = undecided.beside(plain, *match.span(), ended)
                alone = _in_percent(match, plain, numbers[0], written)
                agreed = alone if other is None else _agreed(match, plain, other, written)
                return agreed if agreed is not None and len(numbers) == 1 else _CONFLICTING
    return _CONFLICTING if FORMULA in plain[start:ended] else None


def _ends_in(pattern: re.Pattern[str], plain: str, match: re.Match[str]) -> bool:
    """Whether what stands before a number ends in `pattern`. A sign belongs to the number."""
    before = plain[max(0, match.start() - 32) : match.start()].rstrip(MINUS)
    return pattern.search(before) is not None


def _spelled(match: re.Match[str], plain: str, written: NumberStyle) -> list[str]:
    run = match["run"]
    if run is None:
        found = [str(fraction_of(match["whole"], int(match["top"]), int(match["bottom"])))]
    else:
        found = numbers_in(run, written.comma, written.spaces)
        if len(found) == 1:
            found = [scaled_number(found[0], plain, match.end(), written.largest)]
    if written.proportions and len(found) == 1:
        found = [as_proportion(found[0], plain, match.end())]
    if found and found[0] != "0" and is_negative(plain, match.start()):
        found[0] = "-" + found[0]
    return found
