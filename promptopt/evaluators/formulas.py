r"""LaTeX around numbers, and formulas that are no plain number: powers, roots, logarithms, factorials, `\binom{5}{2}`.

Whole formulas go, so that no part of one is read alone: 2√3 is not 2, and not 3.
"""

from __future__ import annotations

import re

FORMULA = "\ufdd1"
"""What stands in a text in place of a formula: a character that no text may hold."""

# Thin spaces that LaTeX sets between thousands: 1\,234.
_THIN_SPACE = re.compile(r"(?<=[0-9])(?:\{?\\[,;:! ]\}?|~)(?=[0-9]{3}(?![0-9]))")
_TIMES_SIGN = re.compile(r"\\(?:times|cdot)(?![A-Za-z])")
_SPACING = re.compile(r"\\[,;:! ]|\\(?:left|right|quad|displaystyle)(?![A-Za-z])")
_LATEX_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:bf|rm|it)|mbox|operatorname)\s{0,4}\{([^{}]{0,200})\}")
_FRACTION = re.compile(
    r"\\[dtcs]?frac\s{0,4}(?:\{\s{0,4}(-?)\s{0,4}([0-9.,]{1,20})\s{0,4}\}|([0-9]))\s{0,4}"
    r"(?:\{\s{0,4}(-?)\s{0,4}([0-9.,]{1,20})\s{0,4}\}|([0-9]))"
)
_BARE_BOX = re.compile(r"\\boxed\s?([0-9])(?![0-9])")
_ORDINAL = re.compile(r"(?<=[0-9])\^\s?\{?(?:st|nd|rd|th)(?![a-z])\}?", re.IGNORECASE)
# 1.5 × 10^5 is 1.5e5, and 10^5 alone 1e5.
_TIMES_TEN = re.compile(
    r"(?<=[0-9])\s{0,4}(?:×|x|X|\*|·|⋅|\\times|\\cdot)\s{0,4}10\s?(?:\^|\*\*)\s?\{?\s?([+\-−]?)([0-9]{1,3})\s?\}?(?![0-9])"
)
_TEN = re.compile(r"(?<![\w.,])10\s?\^\s?\{?\s?([+\-−]?)([0-9]{1,3})\s?\}?(?![0-9])")
# Of m^2 only the exponent goes, as the number before it counts metres.
_POWER = re.compile(
    r"(?P<base>(?<![0-9.,])[0-9][0-9.,]{0,30}\s?|(?<![A-Za-z])[xyzn])?\^\s?"
    r"(?:\{[^{}]{0,40}\}|[+\-−]?[0-9.]{1,20}|\\circ)"
)
_DEGREE = re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ)")
_TIMES = r"(?<![0-9.,/])(?:[0-9][0-9.,/]{0,30}\s?)?"
_IRRATIONAL = re.compile(
    rf"{_TIMES}(?:\\sqrt(?:\[[^\[\]]{{0,9}}\])?\s?(?:\{{[^{{}}]{{0,60}}\}}|[0-9])|√\s?[0-9.]{{0,30}}"
    r"|\\pi(?![A-Za-z])|π)(?:\s?/\s?[0-9]{1,9})?"
    r"|(?<![0-9.,])[0-9][0-9.,]{0,30}\\(?:overline|bar|dot)\s?\{[0-9]{1,20}\}"
)
_FUNCTION = re.compile(
    rf"{_TIMES}\\(?:log|ln|lg|exp|(?:arc)?(?:sin|cos|tan)|sec|csc|cot|[dt]?binom)(?![A-Za-z])"
    rf"(?:_\s?(?:\{{[^{{}}]{{0,9}}\}}|[0-9a-z]))?\s?"
    rf"(?:(?:\{{[^{{}}]{{0,60}}\}}\s?){{1,2}}|\([^()]{{0,60}}\)|[0-9][0-9.]{{0,30}}(?:\s?{FORMULA})?|{FORMULA})?"
)
_FUNCTIONS = "sqrt|cbrt|log(?:_?[0-9a-z]{1,2})?|ln|exp|(?:arc)?(?:sin|cos|tan)|n[CP]r|gcd|lcm|max|min|floor|ceil|abs"
_LENGTH = r"(?:[a-z]{0,5}met(?:er|re)s?|[ckm]?m|units?|feet|foot|ft|inch(?:es)?|yards?|miles?)\b"
"""Of an area that is misspoken: "42 squared meters"."""
_PLAIN_FUNCTION = re.compile(
    rf"{_TIMES}\*?\s?(?<!\\)\b(?:(?:{_FUNCTIONS})\s?\([^()\n]{{0,60}}\)|(?-i:[CPfgh])\([0-9., ]{{1,30}}\)"
    # Who logs eight hours takes no logarithm.
    r"|(?<!\bI\s)(?<!\bto\s)(?<!\bwe\s)(?<!\byou\s)(?<!\bthey\s)(?:sqrt|log|ln)\s[0-9][0-9.]{0,30}(?!\w)"
    r"|(?:square|cube)\sroot\sof\s[0-9][0-9.,]{0,30}(?<![.,]))"
    rf"|(?<![\w.,])[0-9][0-9.,]{{0,30}}\s(?:(?:squared|cubed)(?!\s{_LENGTH})|factorial|(?:raised\s)?to\sthe\spower\sof\s[0-9]{{1,9}}"
    r"|(?:raised\s)?to\sthe\s[0-9]{1,9}(?:st|nd|rd|th)\spower|choose\s[0-9]{1,9})\b",
    re.IGNORECASE,
)
"""In words, and as programs write them: sqrt(2), "the square root of 2", "5 squared"."""
_OPERATION_WORD = re.compile(r"\b(?:root|squared|cubed|factorial|power|choose|sqrt|log|ln)\b|\w\(", re.IGNORECASE)
# Before what can follow one only: "15!" alone is said with joy.
_FACTORIAL = re.compile(r"(?<![\w.,!])[0-9]{1,4}!(?=\s?(?:[}$=/×·+]|\\|-\s?[0-9]))")
_BASE = re.compile(r"(?<![\w.,])[0-9]{1,64}_\{[0-9]{1,2}\}")
"""A number of another base than ten."""
# What is left of a fraction with a formula in it.
_OTHER_FRACTION = re.compile(
    rf"\\[dtcs]?frac\s{{0,4}}(?:\{{[^{{}}]{{0,30}}{FORMULA}[^{{}}]{{0,30}}\}}\s{{0,4}}\{{[^{{}}]{{0,60}}\}}"
    rf"|\{{[^{{}}]{{0,60}}\}}\s{{0,4}}\{{[^{{}}]{{0,30}}{FORMULA}[^{{}}]{{0,30}}\}})"
)
_JOINED_BEFORE = re.compile(rf"{FORMULA}[ )}}]{{0,3}}[+\-−–*/×·][ ({{]{{0,3}}$")
_JOINED_BEHIND = re.compile(rf"[ )}}]{{0,3}}[+\-−–*/×·][ ({{]{{0,3}}{FORMULA}")
_VARIABLE = "[abijnpqruvwxyz]"
"""Letters that stand for a number more often than for a unit."""
_TERM_ENDS = r"(?=[\s*$]{0,3}(?:[+*/^=.,;:)}\]]|-(?![A-Za-z]{2})|\\|$))"
_ALGEBRA = re.compile(
    # In "a -5% change" the a is a word.
    # 5x, 2xy, 3(x + 1), x + 3, 3 - n, what is left of \frac{2}{x}, |-5|, \lfloor 5.5 \rfloor.
    rf"(?<![\w.,])[0-9][0-9.,]{{0,30}}(?:{_VARIABLE}|[ *·]{{0,2}}[xyz]{{1,3}}|ab){_TERM_ENDS}"
    rf"|[0-9)]\([-+*/^0-9 ]{{0,12}}{_VARIABLE}[-+*/^0-9 ]{{0,12}}\)"
    rf"|(?<![A-Za-z0-9\\])(?!a\s[-−+][0-9]){_VARIABLE}\s?[-−+*/^]\s?[0-9(]"
    rf"|[0-9)]\s?[-−+*/^]\s?(?:[0-9]{{1,9}})?{_VARIABLE}{_TERM_ENDS}"
    rf"|[0-9]\s?{FORMULA}"
    # Not metres by second, m/s.
    r"|\\[dtc]?frac(?![A-Za-z])(?!\s?\{\s?[a-z]{1,4}\s?\}\s?\{\s?(?:[smhlg]|[a-z]{2,4})\s?\})|\\[lr]?(?:floor|ceil|vert)(?![A-Za-z])|\A[\s$]{0,3}\|[^|]{1,40}\|[\s$]{0,3}\Z"
)
_IN_UNITS = re.compile(r"[^A-Za-z+*/^=(]*[0-9][pvb][\s.,;)*$]*")
"""Pence, volts and billions, outside a box."""
_FORMULA_SIGNS = ("^", "√", "π", "\\", "!")


def without_tex(text: str) -> str:
    """The text without LaTeX's spacing and fonts, with its fractions as 3/4."""
    text = text.replace("{,}", ",").replace(",\\!", ",").replace("{.}", ".").replace("{:}", ":")
    text = _THIN_SPACE.sub("'", _TIMES_SIGN.sub("×", text).replace("\\div", "÷"))
    text = _BARE_BOX.sub(r"\\boxed{\1}", _LATEX_TEXT.sub(r" \1 ", _SPACING.sub(" ", text)))
    return _FRACTION.sub(_quotient, text)


def without_formulas(text: str) -> str:
    """The text with 1e5 for 10^5, and `FORMULA` for each formula."""
    if _OPERATION_WORD.search(text) is not None:
        text = _PLAIN_FUNCTION.sub(FORMULA, text)
    if not any(sign in text for sign in _FORMULA_SIGNS) and "_{" not in text:
        return text
    text = _TEN.sub(r"1e\1\2", _TIMES_TEN.sub(r"e\1\2", text)).replace("e−", "e-")
    text = _ORDINAL.sub(" ", _DEGREE.sub(" ", text))
    text = _POWER.sub(lambda match: FORMULA if match["base"] else " ", _IRRATIONAL.sub(FORMULA, text))
    text = _FACTORIAL.sub(FORMULA, _BASE.sub(FORMULA, _FUNCTION.sub(FORMULA, text)))
    return _OTHER_FRACTION.sub(FORMULA, text)


def end_of_place(plain: str, start: int, mark: str) -> int:
    """Where the place that was set for an answer ends; braces within a box are its own. -1 where it never does."""
    depth = 0
    for place in range(start, len(plain)):
        if plain[place] == mark and depth == 0:
            return place
        depth += (plain[place] == "{") - (plain[place] == "}") if mark == "}" else 0
    return -1


def is_algebra(plain: str, boxed: bool) -> bool:
    """Whether what was given as the answer holds a letter for a number: "5x", "(x - 2)(x + 3)". Then no part is one."""
    return _ALGEBRA.search(plain) is not None and (boxed or _IN_UNITS.fullmatch(plain) is None)


def joins(plain: str, start: int, end: int) -> bool:
    """Whether the number that stands there is a part of a formula: "3 + √5"."""
    before = _JOINED_BEFORE.search(plain, max(0, start - 8), start)
    return before is not None or _JOINED_BEHIND.match(plain, end) is not None


def _quotient(match: re.Match[str]) -> str:
    above, top, short_top, below, bottom, short_bottom = match.groups(default="")
    sign = "-" if (above == "-") != (below == "-") else ""
    # A space makes "2\frac{1}{3}" a mixed number; after a sign there must be none.
    before = match.string[match.start() - 1 : match.start()]
    return f"{' ' if before.isalnum() or before == '}' else ''}{sign}{top}{short_top}/{bottom}{short_bottom} "
