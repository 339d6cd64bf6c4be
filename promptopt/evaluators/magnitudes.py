"""Numbers with a word for their size, "2.5 million", "$5M", "5k"; and shares that are said as percentages as well."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

_SIZES = {
    "hundred": 2, "k": 3, "thousand": 3, "thousands": 3, "tausend": 3,
    "m": 6, "mn": 6, "mio": 6, "million": 6, "millions": 6, "millionen": 6, "millones": 6, "millón": 6,
    "milhões": 6, "milhão": 6, "milioni": 6, "milione": 6, "miljoen": 6,
    "b": 9, "bn": 9, "billion": 9, "billions": 9, "mrd": 9, "milliarde": 9, "milliarden": 9, "milliard": 9,
    "milliards": 9, "miliardi": 9, "miljard": 9, "trillion": 12, "trillions": 12, "tn": 12,
    "tsd": 3, "mille": 3, "mil": 3, "тыс": 3, "тысяч": 3, "тысячи": 3, "тысяча": 3, "млн": 6, "миллион": 6,
    "миллиона": 6, "миллионов": 6, "млрд": 9, "миллиард": 9, "миллиарда": 9, "миллиардов": 9,
    "ribu": 3, "juta": 6, "nghìn": 3, "triệu": 6, "tỷ": 9, "bin": 3, "milyon": 6, "tysięcy": 3, "tys": 3,
    "lakh": 5, "lakhs": 5, "crore": 7, "crores": 7, "tenthousand": 4, "hundredmillion": 8,
}  # fmt: skip
"""What power of ten each word stands for."""
_SIZE_WORDS = "|".join(sorted((word for word in _SIZES if len(word) > 1), key=len, reverse=True))
_SIZE = re.compile(rf"(?:(?P<letter>(?-i:[kKMB]))|[*_]{{0,2}}[ -]?(?P<word>{_SIZE_WORDS}))(?!\w)", re.IGNORECASE)
"""Letters stand right behind the number: "5 M" and "300 K" may be units."""
_UNSPACED_SIZE = re.compile(r"(?<=[0-9０-９])\s?(?P<size>[萬万億亿만억])")
_UNSPACED_SIZES = dict.fromkeys("萬万만", " tenthousand ") | dict.fromkeys("億亿억", " hundredmillion ")
ANY = 10**18
"""A largest right answer that leaves no such word out."""
_PERCENT = re.compile(
    r"\s?(?:\\?%|percent\b|per\scent\b|pct\b|prozent\b|po[ur]r?\scent\b|p[eo]r\sci?ento\b|процент\w{0,3}|procent\w{0,2}\b)",
    re.IGNORECASE,
)


def scaled_number(number: str, text: str, end: int, largest: int) -> str:
    """`number`, which ends at `end` of the text, times the word for its size that follows it.

    As it stands where no such word follows, or where the product has more digits than `largest`, the largest right
    answer: there the answers are asked for in thousands or millions.
    """
    match = _SIZE.match(text, end) if largest and "/" not in number else None
    if match is None:
        return number
    product = Decimal(number) * 10 ** _SIZES[(match["letter"] or match["word"]).lower()]
    return _decimal_text(product) if abs(product) < 10 ** len(str(largest)) else number


def with_words(text: str) -> str:
    """The text with a word in Latin letters for the sizes of Chinese, Japanese and Korean, behind digits: 500万."""
    return _UNSPACED_SIZE.sub(lambda match: _UNSPACED_SIZES[match["size"]], text)


def fraction_of(whole: str | None, top: int, bottom: int) -> Fraction:
    """A fraction, with the whole number before it; "step 2 10/5" holds none: a mixed number's fraction is proper."""
    return Fraction(top, bottom) + (int(whole) if whole is not None and top < bottom else 0)


def as_proportion(number: str, text: str, end: int) -> str:
    """`number`, which ends at `end` of the text, as a proportion where it is a percentage of 1 or more."""
    if not is_percentage(text, end) or Fraction(number) < 1:
        return number
    proportion = Fraction(number) / 100
    # All that people write has an end; 200/3 % has none, and stays a fraction.
    plain = Decimal(proportion.numerator) / Decimal(proportion.denominator)
    return _decimal_text(plain) if Fraction(plain) == proportion else str(proportion)


def is_percentage(text: str, end: int) -> bool:
    """Whether the number that ends at `end` is given in percent."""
    return _PERCENT.match(text, end) is not None


def _decimal_text(number: Decimal) -> str:
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
