r"""Where the answer's number is one of several that nothing decides between: a range, a list, alternatives.

"10-20", "between 10 and 20", `\boxed{3, 4}` and "3 or 4" answer no question that asks for one number. A working is
another thing, "5 - 3 = 2": it names numbers on its way to one. What is read here is the text that
`promptopt.evaluators.numerals` has brought into plain spelling.
"""

from __future__ import annotations

import re

Span = tuple[int, int]
"""Where a number begins and ends."""

_SIGNED_NUMBER = r"[-−–+]?(?:[0-9](?:[0-9.,'/]{0,20}[0-9])?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?"
_MARKUP = r"[*$)(\"'`|_]{0,4}"
_UNIT = r"(?:\s?(?:%|°\s?[CFK]?|[A-Za-z]{1,14}(?![A-Za-z])\.?))?"
_UNIT_AND_GAP = rf"{_UNIT}{_MARKUP}\s{{0,3}}"
_HEDGE = r"(?:(?:maybe|perhaps|possibly|even|about|around|roughly|approximately|likely)\s{1,3})?"
_TO = r"(?:to|a|до|tot|से|through|thru|until|till|up\s{1,3}to|bis|à|jusqu'à|hasta)"
_OR = r"(?:and/or|or|versus|vs\.?|per|oder|ou|eller|lub|или|veya|atau)"
_AND_OF_NUMBERS = r"(?:and|und|et|y|och|og|i|и|ve|&)"
_BETWEEN_TWO = r"\b(?:between|zwischen|entre|mellan|mellem|между)"
_VARIABLE_EQUALS = r"(?:(?<=\s)[A-Za-z]\s?=\s?)?"
_LESS = r"(?:at\s{1,3}most|(?:less|fewer)\s{1,3}than|under|below|no\s{1,3}more\s{1,3}than|up\s{1,3}to)"
_CLOSED = r"(?=\s{0,3}(?:[.,;:)\]}<$*\"'\\]|$))"
_DASH = r"(?:[-−–]{1,3}|~)"

_WORKED = r"\b(?:plus|minus|times|multiplied\sby|divided\sby|by|mal|geteilt\sdurch|fois|por)\b"
"""Operators in words."""

_PRECISION = re.compile(
    r"\s{0,3}-?(?:decimals?|decimal\s{1,3}(?:places?|points?)|significant\s{1,3}\w{1,10}|d\.?p|s\.?f|sig\.?\s?figs?)\b",
    re.IGNORECASE,
)
"""After a number that says how exactly another one is given: "3.14 to 2 decimal places"."""

# 10-20, "12 to 15", "3 or 4", "3 and 4", "3, 4", and 3 × 4 that nobody worked out.
_FURTHER_NUMBER = re.compile(
    rf"{_UNIT_AND_GAP}(?:"
    rf"{_DASH}\s{{0,3}}{_MARKUP}(?P<dash>{_SIGNED_NUMBER})(?!\s?[A-Za-z]\w*\s?=)"
    # An em dash also begins a clause: "12 — 4 boxes of 3".
    rf"|—\s{{0,3}}{_MARKUP}(?P<clause>{_SIGNED_NUMBER}){_CLOSED}"
    rf"|{_TO}\s{{1,3}}{_HEDGE}{_MARKUP}(?P<to>{_SIGNED_NUMBER})"
    rf"|,?\s{{0,3}}{_OR}\s{{1,3}}{_HEDGE}{_MARKUP}{_VARIABLE_EQUALS}(?P<or>{_SIGNED_NUMBER})"
    # Not "5, and 3 of them fell": what is named beside has to close the clause.
    rf"|,?\s{{0,3}}{_AND_OF_NUMBERS}\s{{1,3}}{_HEDGE}{_MARKUP}{_VARIABLE_EQUALS}(?P<and>{_SIGNED_NUMBER}){_UNIT}{_CLOSED}"
    rf"|[,;]\s{{1,3}}{_MARKUP}(?P<list>{_SIGNED_NUMBER})(?:{_CLOSED}|\s{{1,3}}(?:{_OR}|{_AND_OF_NUMBERS})\s)"
    # "500 by 2030" says until when.
    rf"|(?:[+*/×÷·]|(?!by\s(?:19|20)[0-9]{{2}}\b){_WORKED})\s{{0,3}}{_MARKUP}(?P<operator>{_SIGNED_NUMBER})"
    rf")",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    rf"(?<![\w.,/:'])(?P<number>{_SIGNED_NUMBER}){_UNIT_AND_GAP}(?:"
    rf"(?P<dash>(?:{_DASH}|—)\s{{0,3}})"
    rf"|{_TO}\s{{1,3}}{_HEDGE}"
    rf"|,?\s{{0,3}}{_OR}\s{{1,3}}{_HEDGE}"
    rf"|(?:,?\s{{0,3}}(?:{_AND_OF_NUMBERS}|but)\s{{1,3}}|,\s{{1,3}}){_LESS}\s{{1,3}}"
    rf"|[<≤]\s?[A-Za-z]\s?[<≤]\s?"
    rf"){_MARKUP}$",
    re.IGNORECASE,
)
_PAIR_OPENS = re.compile(rf"{_BETWEEN_TWO}\s{{1,3}}{_HEDGE}{_MARKUP}[-−–]?$", re.IGNORECASE)
_PAIR_CLOSES = re.compile(
    rf"{_UNIT_AND_GAP}{_AND_OF_NUMBERS}\s{{1,3}}{_HEDGE}{_MARKUP}(?P<pair>{_SIGNED_NUMBER})", re.IGNORECASE
)
_OPEN_PAIR = re.compile(
    rf"{_BETWEEN_TWO}\s{{1,3}}{_HEDGE}{_MARKUP}(?P<number>{_SIGNED_NUMBER}){_UNIT_AND_GAP}{_AND_OF_NUMBERS}\s{{1,3}}{_HEDGE}{_MARKUP}$",
    re.IGNORECASE,
)
_SOLUTIONS = re.compile(
    rf"(?<!\w)(?P<letter>[A-Za-z])\s?=\s?(?P<one>{_SIGNED_NUMBER}){_MARKUP}\s{{0,3}}(?:[,;]\s?(?:{_OR}\s|{_AND_OF_NUMBERS}\s)?|\b(?:{_OR}|{_AND_OF_NUMBERS})\s)"
    rf"\s{{0,3}}{_MARKUP}(?P=letter)\s?=\s?(?P<other>{_SIGNED_NUMBER})",
    re.IGNORECASE,
)
"""Two solutions: "x = 2 or x = 5". A working, "x = 5 - 3, x = 2", does not name a lone number first."""
_LISTED_NUMBERS = re.compile(
    rf"(?:[=∈]\s?[{{(\[]?|[{{(\[]|\b(?:is|are|were|sind|sont|son|sono|são)\s)\s?(?P<number>{_SIGNED_NUMBER})"
    rf"(?:[,;]\s{{1,3}}{_SIGNED_NUMBER}){{0,9}}"
    rf"(?:[,;]\s{{1,3}}|,?\s{{1,3}}{_AND_OF_NUMBERS}\s{{1,3}}){_MARKUP}$",
    re.IGNORECASE,
)
_PAIRED = re.compile(
    rf"(?<![\w.,/:'])(?P<number>{_SIGNED_NUMBER}){_UNIT}{_MARKUP}\s{{1,3}}{_AND_OF_NUMBERS}\s{{1,3}}{_MARKUP}$",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\s(?:is|are|was|were|be|equals|gives|yields|makes|becomes|ist|sind|est|font|es|son)\s{1,3}$", re.IGNORECASE
)
"""Before the sign of a number that a verb announces: "the sum of 5 and 6 is -8"."""
_LEFT_BEHIND = re.compile(
    r"(?P<change>\b(?:(?:ris(?:e[sn]?|ing)|rose|f[ae]ll(?:s|en|ing)?|gr[eo]w(?:s|n|ing)?|(?:in|de)creas(?:es?|ed|ing)"
    r"|drop(?:s|ped|ping)?|chang(?:es?|ed|ing)|climb(?:s|ed|ing)?|jump(?:s|ed|ing)?|s[aiu]nk(?:s|ing)?|declin(?:es?|ed|ing)"
    r"|reduc(?:es?|ed|ing)|lower(?:s|ed|ing)|rais(?:es?|ed|ing)|expand(?:s|ed|ing)?|improv(?:es?|ed|ing)"
    r"|shr[aiu]nk(?:s|ing)?|surg(?:es?|ed|ing)|went|gone|go(?:es)?|cut(?:s|ting)?)\b"
    # "Prices that rise range from 10 to 20."
    r"(?:(?!rang|var[iy]|anywhere)[^\d.;:!?\n()]){0,40}?\sfrom"
    r"|(?:augment\w{1,4}|diminu\w{1,4}|pass[aeé]\w{0,3}|mont[eé]\w{0,2}|baiss\w{1,3}|sub[ei]\w{0,4}|baj[aó]\w{0,3}|aument\w{1,4}"
    r"|disminu\w{1,4}|sali\w{1,4}|sces\w{1,2})\s(?:de|da))"
    rf"\s{{1,3}}(?:[A-Z]{{3}}\s)?{_MARKUP})(?P<left>{_SIGNED_NUMBER}){_UNIT_AND_GAP}"
    rf"(?={_TO}\s{{1,3}}{_HEDGE}(?:[A-Z]{{3}}\s)?{_MARKUP}(?P<reached>{_SIGNED_NUMBER}))",
    re.IGNORECASE,
)
"""Where something began that has changed: "the price rose from 10 to 15"."""
_YEAR = re.compile(r"(?:1[5-9]|20)[0-9]{2}")
_PLACE = re.compile(
    r"\b(?:page|step|question|problem|exercise|part|chapter|section|line|figure|table)\s{1,3}$", re.IGNORECASE
)
"""Before numbers that count pages and steps."""
_TWO_NAMED = re.compile(
    rf"(?<!\w)(?P<one>[A-Za-z])\s?=\s?{_SIGNED_NUMBER}[ ]{{0,2}}(?:[,;]|{_AND_OF_NUMBERS}|{_OR})"
    rf"\s{{0,3}}(?:{_AND_OF_NUMBERS}\s)?(?!(?P=one))[A-Za-z]\s?=\s?{_SIGNED_NUMBER}"
)
_REASON = re.compile(
    r"[0-9A-Za-z%°$*]\s(?=\((?:(?:since|because|as|where|with|check|verify)\b[^()\n]{0,20})?[A-Za-z]\s?[-−+*/×][^()\n]{1,80}=[^()\n]{1,40}\))"
)
_ONE_IN = re.compile(r"(?<![\w.,/:'])1(?=\sin\s{1,3}$)")
_WHOLE_LIST = re.compile(
    rf"[\W_]{{0,6}}(?P<first>{_SIGNED_NUMBER})(?P<others>(?:(?:[,;]|,?\s{{1,3}}{_AND_OF_NUMBERS})\s{{1,3}}{_SIGNED_NUMBER}){{1,50}})[\W_]{{0,6}}",
    re.IGNORECASE,
)
_EACH = re.compile(_SIGNED_NUMBER)
_POINT_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_DECIMAL_COMMA = re.compile(r",(?=[0-9]{1,2}(?![0-9]))")
_SIGNED = re.compile(r"[-−–]\s?[-−–]")
_OPERATOR = re.compile(
    # One star multiplies; two are bold print.
    rf"{_SIGNED_NUMBER}{_UNIT}[*$)]{{0,2}}[ ]{{0,3}}(?:[+/×÷·]|(?<=[0-9] )[xX](?= )|(?<!\*)\*(?!\*)|(?<=\s){_WORKED})"
    r"[ ]{0,3}[$(]{0,2}[-−–]?$"
)
_IN_BRACKETS = re.compile(r"[0-9A-Za-z%°$*][ ]{0,2}(?P<open>\()[^()\n]{0,80}$")
_MEASURED = re.compile(
    rf"(?<![\w.,/:'])(?P<number>{_SIGNED_NUMBER}){_UNIT}(?:\s[A-Za-z]{{1,14}})?{_MARKUP}\s{{0,3}}$", re.IGNORECASE
)
_ROUNDED = re.compile(
    r"\s{0,3}\(\s?(?:rounded|rounding|exactly|precisely|approx\w*|about|roughly|from|before|actually|or\s(?:about|roughly)|[≈~])",
    re.IGNORECASE,
)
_ENDS_WITH_UNIT = re.compile(rf"{_UNIT}[\W_]*$")
# "Twelve (12)" says it in digits as well.
_NUMBER_IN_WORDS = re.compile(
    r"\W{0,6}(?:(?:about|approximately|exactly|just|only)\s)?(?:zero|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve|\w{3,6}teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|one(?=\W{0,6}$))\b(?![\w\s-]{0,30}[(=:])",
    re.IGNORECASE,
)
_NOT_GIVEN = re.compile(
    r"[^\w.]{0,6}(?:n/?a\b|none\b(?!\s(?:other|but))|nothing\b(?!\s(?:but|other))|(?:an?\s)?(?:unknown|undefined|un(?:clear|certain|determined|available)|"
    r"indeterminate|impossible|insufficient|infinit[ey]|nan|null|nil|dne)\b"
    r"|(?:can(?:not|'t|not\sbe|’t)|could\snot|does\snot\sexist|doesn['’]t\sexist|not\s(?:enough|possible|given|available|applicable|known|clear|defined|determin\w{2,6}|specified|stated|provided))\b|no\s(?:solution|answer|real|such)\b|∞)",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"\b(?:can(?:not|['’]t|\snot)|could(?:n['’]t|\snot)|(?:un|not\s)able\sto|(?:im|not\s)possible\sto)\s(?:(?:be|really|accurately|reliably|definitively)\s){0,2}"
    r"(?:determin|solv|answer|calculat|comput|help|provide|assist|tell|know|say|find\sout|work\sout|conclude|give|do\sth(?:is|at))\w{0,4}\b"
    r"|\b(?:do|does|did)(?:n['’]t|\snot)\s(?:specify|mention|state|indicate|say|tell)\s(?:how|what|which|the|any|when)\b"
    r"|\b(?:not\s(?:have\s)?enough|insufficient|missing|too\slittle)\s(?:information|data|context|details?)\b|\bI\s(?:do\snot|don['’]t)\sknow\b",
    re.IGNORECASE,
)
_UNANSWERED = re.compile(
    r"\b(?:answer|result|solution|total|number|value|amount)\s(?:can(?:not|['’]t|\snot)|could(?:n['’]t|\snot)|is\snot\spossible\sto)\s(?:be\s)?"
    r"(?:\w{1,12}ly\s)?(?:determin|calculat|comput|known|found|given|answer|derived|inferred)",
    re.IGNORECASE,
)
"""Whatever numbers follow."""
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
_AFTER_ALL = re.compile(r"\b(?:but|however|so|thus|hence|therefore|yet|still|assuming|if)\b|[=≈]", re.IGNORECASE)
_SENTENCE_OR_LINE_END = re.compile(r"[.!?](?=\s)|\n")
_WITHDRAWN = re.compile(
    r"\b(?:wrong|incorrect|mistake\w{0,2}|mistook|error|(?:not|n['’]t)\s(?:right|correct|true)|redo|recalculate|miscalculat\w{1,3}|misread"
    r"|miscount\w{0,2}|recheck|recount)\b|\A\W{0,4}(?:no|that)\W*\Z",
    re.IGNORECASE,
)
LOOKED_BACK = 120
"""Characters before a number in which what belongs to it stands. Ours."""
LONGEST_LIST = 1_000
"""Characters of a reply that may be nothing but a list. Ours."""


def without_left(plain: str) -> str:
    """The text without numbers from which others have changed: "rose from 10 to 15" comes to 15, and is no range."""
    return _LEFT_BEHIND.sub(_unless_years, plain)


def _unless_years(change: re.Match[str]) -> str:
    """What stays of a change: all of it between two years, for "It rose from 1990 to 2000" says when."""
    years = all(_YEAR.fullmatch(change[name]) for name in ("left", "reached"))
    return change.group() if years else change["change"]


def is_no_answer(plain: str, start: int, stop: int) -> bool:
    """Whether the answer given there is in words, or that there is none: "N/A", "unknown", "cannot be determined"."""
    return (_NUMBER_IN_WORDS.match(plain, start, stop) or _NOT_GIVEN.match(plain, start, stop)) is not None


def is_refused(plain: str, start: int, end: int) -> bool:
    """Whether a reply says, in the sentence of the number at `start` or behind it, that it cannot answer.

    A number that only counts places, "the 3rd value", is no answer behind a refusal either.
    """
    refusals = [match.start() for match in _REFUSED.finditer(plain)]
    unanswered = _UNANSWERED.search(plain)
    if unanswered is not None and not _AFTER_ALL.search(plain, unanswered.end(), max(start, unanswered.end())):
        return True
    if not refusals:
        return False
    counts = _ORDINAL.match(plain, end) is not None
    begins = 0 if counts else max((match.end() for match in _SENTENCE_OR_LINE_END.finditer(plain, 0, start)), default=0)
    return refusals[-1] >= begins and not _AFTER_ALL.search(plain, refusals[-1], max(start, refusals[-1]))


def is_withdrawn(behind: str) -> bool:
    """Whether what follows a correction says that the answer before it is wrong, and names no other one."""
    return not behind.strip(" .!…\n") or _WITHDRAWN.search(behind) is not None


def names_two(plain: str, start: int, stop: int) -> bool:
    """Whether two letters are given a number each: "k = 5, n = 12"."""
    return _TWO_NAMED.search(plain, start, stop) is not None


def without_reason(plain: str, start: int, stop: int) -> int:
    """Where the answer between `start` and `stop` ends and brackets begin that hold its proof: "42 (x - 2 = 40)"."""
    reason = _REASON.search(plain, start, stop)
    return stop if reason is None else reason.end()


def says_precision(plain: str, end: int) -> bool:
    """Whether the number that ends at `end` says to how many places another is rounded."""
    return _PRECISION.match(plain, end) is not None


def beside(plain: str, start: int, end: int, stop: int) -> Span | None:
    """Where a number stands that is named after the one at `start` to `end`, as its equal; None where none is.

    A difference, a sum and a product that nobody worked out count too: "12 - 3" is no number. `stop`: where the answer
    ends.
    """
    paired = _PAIR_OPENS.search(plain[max(0, start - LOOKED_BACK) : start]) is not None
    match = _PAIR_CLOSES.match(plain, end, stop) if paired else _FURTHER_NUMBER.match(plain, end, stop)
    if match is None or match.lastgroup is None:
        return None
    at = match.span(match.lastgroup)
    return None if says_precision(plain, at[1]) else at


def before(plain: str, start: int, end: int) -> Span | None:
    """Where a number stands that is named before the one at `start` to `end`, the last of a reply, as its equal.

    A hyphen makes a range of numbers that rise, and a working of those that fall: "5-3".
    """
    begin = max(0, start - LOOKED_BACK)
    # What looks like a sign may be a hyphen: both are tried.
    for head in (plain[begin:start], plain[begin:start].rstrip("-−–")):
        if (one := _ONE_IN.search(head)) is not None:
            return begin + one.start(), begin + one.end()
        match = _OPEN_PAIR.search(head)
        if match is None and _ENDS_WITH_UNIT.match(plain, end) is not None:
            listed = _LISTED_NUMBERS.search(head)
            match = _PAIRED.search(head) if listed is None else listed
        if match is None and (match := _BEFORE.search(head)) is not None and match["dash"] is not None:
            rises = _size(match["number"]) < _size(plain[start:end]) or _SIGNED.search(match["dash"]) is not None
            signed = _SAYS.search(head[: match.start("dash")]) is not None
            match = match if rises and not signed and not _PLACE.search(head[: match.start()]) else None
        if match is not None:
            return begin + match.start("number"), begin + match.end("number")
    return None


def solutions(plain: str, start: int, stop: int) -> tuple[Span, Span] | None:
    """Where two numbers stand that one letter is said to equal; the last such pair."""
    found = list(_SOLUTIONS.finditer(plain, start, stop))
    return (found[-1].span("one"), found[-1].span("other")) if found else None


def is_operand(plain: str, start: int) -> bool:
    """Whether the number that begins there is added to another one, or multiplied by it: "3 × 4" is no number."""
    return _OPERATOR.search(plain[max(0, start - LOOKED_BACK) : start]) is not None


def bracket_around(plain: str, start: int, end: int) -> int | None:
    """Where the brackets open in which the number stands behind what they explain, "15 (10 + 5)"; None for no such."""
    begin = max(0, start - LOOKED_BACK)
    opened = _IN_BRACKETS.search(plain[begin:start])
    closed = ")" in plain[end : end + LOOKED_BACK].partition("\n")[0].partition("(")[0]
    return begin + opened.start("open") if opened is not None and closed else None


def aside_of(plain: str, start: int, end: int) -> Span | None:
    """Where the number stands, and its unit ends, behind which brackets hold the one at `start`: "5 km (5000 m)"."""
    opened = bracket_around(plain, start, end)
    match = None if opened is None else _MEASURED.search(plain, max(0, opened - LOOKED_BACK), opened)
    return None if match is None else (match.start("number"), match.end())


def says_how_exact(plain: str, opened: int) -> bool:
    """Whether the brackets that open there say what the number before them is rounded from."""
    return _ROUNDED.match(plain, opened) is not None


def is_list(plain: str) -> bool:
    """Whether a reply is nothing but a list of numbers, and does not count from one up: "3, 4"."""
    match = _WHOLE_LIST.fullmatch(plain.strip()) if len(plain) <= LONGEST_LIST else None
    if match is None:
        return False
    named = [match["first"], *_EACH.findall(match["others"])]
    return named != [str(place) for place in range(1, len(named) + 1)]


def _size(written: str) -> float:
    """How large a number is, roughly: without its sign, and read as English writes it."""
    match = _POINT_NUMBER.search(_DECIMAL_COMMA.sub(".", written).replace(",", "").replace("'", ""))
    return float(match.group()) if match is not None else 0.0
