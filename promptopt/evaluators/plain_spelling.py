"""Numbers in the one spelling that is searched for them: signs, separators, fractions, LaTeX, digits of all scripts.

What is no number, though it has digits, goes as a whole: dates, times such as 10h30, identifiers. A part of one is
never read alone.
"""

from __future__ import annotations

import re
import unicodedata

from promptopt.digits import fixed
from promptopt.evaluators.asides import without_asides
from promptopt.evaluators.cues import ATTACHED, UNSPACED, in_latin
from promptopt.evaluators.formulas import FORMULA, without_formulas, without_tex
from promptopt.evaluators.magnitudes import with_words

# A space goes before it: NFKC makes ½ a 1⁄2, and 3½ would become 31/2.
_VULGAR = re.compile(r"(?<=\w)(?=[\u00bc-\u00be\u2150-\u215e])")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
# 10⁵ is a power of ten; any other raised digit belongs to a unit or a note (m²), and is dropped.
_RAISED = re.compile(r"(?<=10)[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207a\u207b]+")
_SMALL_FRACTION = re.compile(r"[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+[\u2044/][\u2080-\u2089]+")
_SUPERSCRIPT = re.compile(r"[\u00b2\u00b3\u00b9\u2070-\u207f]+")
_LETTERS = re.compile(rf"[{UNSPACED}{ATTACHED}]")
_SIGN = r"[$¢£¤¥֏؋৲৳৻૱௹฿៛\u20a0-\u20cf﷼﹩＄￠￡￥￦]"
_CURRENCY = re.compile(rf"\\?{_SIGN}|\b(?:US|CA|AU|NZ|HK|R)(?=\\?\$)")
_SIGNED_CURRENCY = re.compile(rf"([-−–])\s?\\?{_SIGN}\s?")
_EMPHASIS_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_NEGATIVE = re.compile(r"(?<![0-9]\s)\b(?:negative|minus)\s+(?=[.0-9])", re.IGNORECASE)
_TOLERANCE = re.compile(r"\bplus\sor\sminus\b", re.IGNORECASE)
_PYTHON_POWER = re.compile(r"(?<=[0-9])\*\*(?=[0-9])")
# Bold print that ends within a number: "**$1,234**.56".
_BOLD_WITHIN_NUMBER = re.compile(r"(?<![\w)*.])\*\*(?=[^\s*])([^*\n]{0,60}[0-9])\*\*(?=[.,]?[0-9])")
_WIDE_FRACTION = re.compile(r"(?<![\w/.,])([0-9]{1,9}) / (0{0,8}[1-9][0-9]{0,8})(?![\w/]|[.,][0-9]|\s?[/*×÷+])(?<!/ )")
"""A quotient is its own value, as that of 3/4 is."""
_INTERVAL = re.compile(r"(?:(?<=\[)|(?<=\{\())(\s?-?[1-9][0-9]{0,8}),(?=-?[0-9]{1,9}\s?[\])])(?![0-9]{3}\s?[\])])")
"""Two numbers in square brackets are a list, and in round ones in a box a point."""
_FLAT = re.compile(r"(?<=[0-9])([.,])[-–—]{1,2}(?![\w\\])|(?<=[0-9])/-(?!\w)")
"""What stands for no cents: "1.250,-", "500/-"."""
# Dates, times such as 10h30 and hexadecimal numbers go as a whole: a part of one is never read alone.
_DATE_TIME_OR_HEX = re.compile(
    r"(?<![\w.,-])(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:T[0-9:.]{2,20}Z?)?|[0-9]{1,2}-[0-9]{1,2}-[0-9]{4})(?![\w-])"
    r"|(?<!\w)(?:[0-9]{1,2}h[0-9]{2}|[12][0-9]{2}0s|0[xX][0-9a-fA-F]{1,40}|0[bo][0-7]{1,64})(?!\w)"
)
_CURRENCIES = "US|USD|EUR|GBP|CHF|JPY|INR|CNY|RMB|AUD|CAD|RS"
_IDENTIFIER = re.compile(
    # 123-45-6789, 550e8400-e29b-41d4; 1Z999; AB-1234; (555) 123-4567. A sum and a cubic metre are none: 10-5-2, 12m3.
    r"(?<![\w.,-])(?=[0-9a-fA-F-]{0,8}[0-9])(?=[0-9a-fA-F-]{0,20}[0-9a-fA-F]{3})"
    r"[0-9a-fA-F]{1,16}(?:-[0-9a-fA-F]{1,16}){2,8}(?![\w-])"
    r"|(?<![\w.,/-])(?![0-9]+[eE][0-9])(?![0-9]+[A-WYZa-wyz]{1,3}[23](?!\w))[0-9]{1,40}[A-Za-z]{1,40}[0-9]\w{0,80}"
    rf"|(?<![\w-])(?!(?:{_CURRENCIES})-)[A-Z]{{2,10}}-[0-9]{{2,12}}(?![\w.,]*[0-9])"
    r"|(?<![\w.,])(?:\+[0-9]{1,3}[ -])?\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}(?![\w-])"
)
_REPEATING = re.compile(r"(?<![\w.,])[0-9]{1,20}[.,][0-9]{0,20}(?:\([0-9]{1,20}\)|[0-9]\s?[\u0304\u0305\u0307])")
"""Decimals that never end: 0.(6), 0.6̅."""
_EUROS = re.compile(r"(?<=[0-9])€(?=[0-9]{2}(?!\w))")
_MODULO = re.compile(r"\(\s?(?:mod|modulo)\s[0-9]{1,9}\s?\)|\\pmod\s?\{?[0-9]{1,9}\}?")
"""What a number is a remainder of: "5 (mod 7)"."""
_RANGES = re.compile(r"(?<=[0-9円元块])\s?(?:\.{2,3}|[…〜～∼至到]|から)\s?(?=[-−–]?[0-9])")
_CHOICES = re.compile(r"(?<=[0-9])\s?(?:或者|或是|或|または|もしくは)\s?(?=[-−–]?[0-9])")
_BARE_COMMA = re.compile(r"(?<![^\s(\[=:$*\-−+]),(?=[0-9])")
"""Where decimals have a comma: ",5"."""


def in_plain_spelling(reply: str, comma: bool) -> str:
    """The reply with every spelling of a number that `_NUMBER` does not know turned into one that it does."""
    text = _BOLD_WITHIN_NUMBER.sub(r"\1", reply) if "**" in reply else reply
    text = _PYTHON_POWER.sub("^", _RANGES.sub(" to ", text)).replace("+/-", "±")
    text = _TOLERANCE.sub("±", text)
    if not text.isascii():
        text = _EUROS.sub("," if comma else ".", _REPEATING.sub(FORMULA, text))
        text = _RAISED.sub(lambda match: "^" + unicodedata.normalize("NFKC", match.group()), text)
        text = _SMALL_FRACTION.sub(lambda match: f" {unicodedata.normalize('NFKC', match.group())}", text)
        text = with_words(_CHOICES.sub(" or ", text))
        text = _SUPERSCRIPT.sub(" ", in_latin(_full_width_commas(text)))
        # The Arabic decimal mark can be read in no other way.
        text = fixed(text).replace("\u066b", "," if comma else ".").replace("\u066c", "'")
        text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text)).replace("\u2044", "/")
        text = _OTHER_DIGIT.sub(lambda match: str(unicodedata.digit(match.group())), text)
        text = _LETTERS.sub("  ", text)  # two: one would join numbers into thousands
    text = _REPEATING.sub(FORMULA, _MODULO.sub(" ", text)) if "(" in text or "\\pmod" in text else text
    if "\\" in text or "{,}" in text:
        text = without_tex(text)
    text = without_formulas(text)
    if "'" in text:
        text = fixed(text)
    if comma and "," in text:
        text = _BARE_COMMA.sub("0,", text)
    if not comma and ("[" in text or "{(" in text):
        text = _INTERVAL.sub(r"\1, ", text)
    if " / " in text:
        text = _WIDE_FRACTION.sub(r"\1/\2", text)
    if "_" in text:
        text = _EMPHASIS_UNDERSCORES.sub(" ", text)
    text = _CURRENCY.sub(" ", _SIGNED_CURRENCY.sub(r"\1", text))
    text = _DATE_TIME_OR_HEX.sub(" ", _NEGATIVE.sub("− ", _FLAT.sub(_no_cents, text)))
    return without_asides(_IDENTIFIER.sub(FORMULA, text))


def _no_cents(match: re.Match[str]) -> str:
    return f"{match[1]}00" if match[1] else ""


def _full_width_commas(text: str) -> str:
    """A full-width comma separates thousands between full-width digits; elsewhere it is a stop."""
    return re.sub(r"(?<=[０-９])，(?=[０-９]{3})", "٬", text)
