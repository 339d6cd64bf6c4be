"""Numbers as people and models write them: where the answer's number stands in a reply, and what it is worth.

What is read: signs (also the Unicode minus), thousands separators in groups (comma, thin or fixed space, apostrophe),
decimals, exponents, fractions without spaces ("3/4", "1 3/4", LaTeX fractions). Currency and units, "%" among them, are
dropped. What is not: number words, "million", a decimal comma, digits inside words ("m2"), powers.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

TOLERANCE = Fraction(1, 10**6)
"""Relative difference within which two numbers are equal, unless both are whole: those must be the same."""

LONGEST = 400
"""Digits; a longer run is a model stuck on a key, and no number."""

_INTEGER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)|\d+)"
_NUMBER = re.compile(
    r"(?<![\w/.,])(?:(?P<whole>\d{1,9})[ ])?(?P<top>\d{1,9})/(?P<bottom>0{0,8}[1-9]\d{0,8})(?![\w/]|\.\d)"
    rf"|(?<!\w)(?<!\d\.)(?P<decimal>(?:{_INTEGER}(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{{1,3}}(?!\w))?)"
)
_SPACED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f'’](?=\d{3}(?!\d))")
_VULGAR = re.compile(r"(?=[\u00bc-\u00be\u2150-\u215e])")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_SUPERSCRIPT = re.compile(r"[\u00b2\u00b3\u00b9\u2070-\u207f]+")
_CURRENCY = re.compile(r"\\?[$€£¥₹₽₩]|\b(?:US|CA|AU|NZ|HK)(?=\\?\$)")
_SIGNED_CURRENCY = re.compile(r"([-−–])\s?\\?[$€£¥₹₽₩]\s?")
_EMPHASIS = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d{1,9})\}\{(\d{1,9})\}")
_MINUS = "-−–﹣－"

_CUE = re.compile(r"\banswers?\b\W{0,4}(?:(?:is|are|was|(?:will|would|should|must)\s+be)\b|[:=])\W{0,4}", re.IGNORECASE)
# "#### 2. Add them up" is a heading, "#### 18" an answer.
_HASHES = re.compile(r"####(?=[ \t]*[^\w\s]{0,3}\d)(?![ \t]*\d+[.):][ \t]+\w)")
_BOXED = re.compile(r"\\boxed\s*\{")
_VISIBLE = re.compile(r"\S")
_SENTENCE_END = re.compile(r"\n|;|\.(?=\s|$)")


def number(reply: str) -> str | None:
    r"""The number a reply gives as its answer, in one spelling: "1234", "-7", "0.5", "3/4". None where there is none.

    The last "####", else the last `\boxed{}`, else the last "answer is" says where to look: behind the last "=" of
    that sentence, else at its first number. Without such a cue, or no number there, it is the last number of the reply.
    A minus belongs to the number unless something stands before it that can be subtracted from: "5-3" gives 3.
    """
    plain = _plain(reply)
    for cue in (_HASHES, _BOXED, _CUE):
        places = [match.end() for match in cue.finditer(plain)]
        if places:
            brace = plain.find("}", places[-1]) if cue is _BOXED else -1
            found = _answer_at(plain, places[-1], brace if brace >= 0 else len(plain))
            if found is not None:
                return found
    last: str | None = None
    for match in _NUMBER.finditer(plain):
        last = _spelled(match, plain) or last
    return last


@lru_cache(maxsize=16_384)
def value(text: str) -> Fraction | None:
    """The exact value of the number that `number` reads from `text`, or None."""
    read = number(text)
    return None if read is None else Fraction(read)


def equal(left: Fraction, right: Fraction) -> bool:
    """Whether two numbers are the same answer: whole numbers exactly, others within `TOLERANCE` of the larger."""
    if left.denominator == right.denominator == 1:
        return left == right
    return abs(left - right) <= TOLERANCE * max(abs(left), abs(right))


def _plain(reply: str) -> str:
    """The reply with every spelling of a number that `_NUMBER` does not know turned into one that it does."""
    text = reply
    if not text.isascii():
        text = _SUPERSCRIPT.sub(" ", text)
        text = _SPACED.sub("", text)
        text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text)).replace("\u2044", "/")
        text = _OTHER_DIGIT.sub(lambda match: str(unicodedata.digit(match.group())), text)
    if "\\" in text:
        text = text.replace("{,}", ",").replace(",\\!", ",").replace("\\,", "")
        text = _FRACTION.sub(r" \1/\2", text)
    if "'" in text:
        text = _SPACED.sub("", text)
    if "_" in text:
        text = _EMPHASIS.sub(" ", text)
    return _CURRENCY.sub(" ", _SIGNED_CURRENCY.sub(r"\1", text))


def _answer_at(plain: str, start: int, stop: int) -> str | None:
    """The number of the sentence that begins at `start` and ends before `stop`."""
    first = _VISIBLE.search(plain, start, stop)
    end = first and _SENTENCE_END.search(plain, first.start(), stop)
    stop = end.start() if end is not None else stop
    equals = plain.rfind("=", start, stop)
    for begin in (equals + 1, start) if equals >= 0 else (start,):
        match = _NUMBER.search(plain, begin, stop)
        if match is not None:
            return _spelled(match, plain)
    return None


def _spelled(match: re.Match[str], plain: str) -> str | None:
    sign = "-" if _is_negative(plain, match.start()) else ""
    decimal = match["decimal"]
    if decimal is None:
        return sign + str(_fraction(match["whole"], int(match["top"]), int(match["bottom"])))
    if len(decimal) > LONGEST:
        return None
    mantissa, _, exponent = decimal.replace(",", "").lower().partition("e")
    if exponent:
        return _trimmed(sign, format(Decimal(f"{mantissa}e{exponent}"), "f"))
    return _trimmed(sign, mantissa)


def _fraction(whole: str | None, top: int, bottom: int) -> Fraction:
    # "step 2 10/5" holds no mixed number: a mixed number's fraction is proper.
    return Fraction(top, bottom) + (int(whole) if whole is not None and top < bottom else 0)


def _trimmed(sign: str, mantissa: str) -> str:
    whole, _, decimals = mantissa.partition(".")
    whole, decimals = whole.lstrip("0"), decimals.rstrip("0")
    shown = f"{whole if whole else '0'}.{decimals}" if decimals else whole if whole else "0"
    return shown if shown == "0" else sign + shown


def _is_negative(plain: str, start: int) -> bool:
    if start == 0 or plain[start - 1] not in _MINUS:
        return False
    before = plain[max(0, start - 9) : start - 1]
    last = before.rstrip(" ")[-1:]
    if before.endswith(" "):  # "5 -3" subtracts, "is -3" does not
        return not (last.isdigit() or last in {")", "]"})
    return not (last.isalnum() or last in {")", "]", "%", "-"})  # "5-3" subtracts, "GPT-4" joins
