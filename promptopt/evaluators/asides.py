"""What a reply says beside its number: dates in words, how sure it is, sources, the numbers of steps."""

from __future__ import annotations

import re

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]v(?:rier)?|mar(?:ch|s|zo)?|märz|apr(?:il)?|avril|may|mai|mayo|june?|juin|"
    r"juni[o]?|jul[yi]?|juillet|julio|aug(?:ust)?|août|sept?(?:ember)?|septembre|septiembre|o[ck]t(?:ober|obre)?|octubre|"
    r"nov(?:ember|embre)?|noviembre|de[cz](?:ember)?|déc(?:embre)?|diciembre|enero|febrero|abril|agosto)\.?"
)
_DATE_IN_WORDS = re.compile(
    rf"(?<![\w.,])[0-9]{{1,2}}(?:st|nd|rd|th|er|\.)?\s(?:of\s|de\s)?{_MONTH},?\s(?:de\s)?[0-9]{{4}}(?!\w)"
    rf"|\b{_MONTH}\s[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s[0-9]{{4}}(?!\w)",
    re.IGNORECASE,
)
_CONFIDENCE = re.compile(
    r"^[^\w\n]{0,9}(?:(?:my|level\sof)\s)?(?:confidence|certainty|probability\sof\sbeing\sright|konfidenz|confiance|confianza)"
    r"(?:\s(?:level|score|rating|in\s\w{1,9}(?:\s\w{1,9})?))?[^\w\n]{0,9}[0-9][0-9.,/]{0,9}[^\w\n]{0,9}$",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that says how sure the reply is."""
_SURE = re.compile(
    r"\(?\s?\b(?:I(?:'m|\sam)\s)?(?:(?:about|around|roughly|only)\s)?[0-9]{1,3}\s?%\s"
    r"(?:sure|certain|confident|confidence|certainty)\b\s?\)?"
    r"|\b(?:confidence|certainty)(?:\s(?:level|score))?\s?(?:[:=]|is|of)?\s?[0-9]{1,3}(?:\.[0-9])?\s?%",
    re.IGNORECASE,
)
_SOURCE = re.compile(r"(?<=[0-9.%])\s?(?:\[[0-9]{1,2}\]\s?){1,5}(?=[.,;]?(?:\s|$))")
"""A note behind the number or the sentence: "12 [1]"."""
_REFERENCE = re.compile(
    r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!occurs )(?<!stands )(?<!appears )(?<!found )"
    r"\b(?:see|cf\.?|in|from|by|per|using)\s(?:also\s)?(?:the\s)?(?:step|equation|eq\.|figure|fig\.|table|section|page|p\.|example|note|footnote|line|"
    r"paragraph)s?\s\(?[0-9]{1,4}\)?(?:\s?(?:and|to|[-–])\s?[0-9]{1,4})?(?![\w.]*[0-9])",
    re.IGNORECASE,
)
"""Where something stands: "(see step 3)"; in "the error is in line 3" it is the answer."""
_BRACKETED = re.compile(
    r"[\[(](?:source:?\s|ref\.?\s)?(?:step|equation|eq\.|figure|fig\.|table|section|page|p\.|example|note|footnote|line|paragraph|chapter)s?"
    r"\s[0-9]{1,4}(?:\s?(?:and|to|,|[-–])\s?[0-9]{1,4})?[)\]]",
    re.IGNORECASE,
)
"""The same in brackets, as a source: "120 (Table 3)"."""
_STEP = re.compile(
    r"^[^\w\n]{0,6}(?:step|schritt|étape|paso|passo|шаг)\s[0-9]{1,2}\s?[:.)](?=[^\n]{0,9}\w)", re.I | re.M
)
_YEAR = re.compile(r"[A-Za-z]\S{0,3}\s(?:de\s)?(?:[0-9]{1,2}(?:st|nd|rd|th)?,?\s)?[12][0-9]{3}(?!\w)")
_DIGIT = re.compile("[0-9]")


def without_asides(text: str) -> str:
    """The text without all of them; where one is all that is said it is what was asked for."""
    bare = _DATE_IN_WORDS.sub(" ", text) if _YEAR.search(text) else text
    said = _CONFIDENCE.sub(" ", bare) if "\n" in bare else bare
    said = _SURE.sub(" ", said) if "%" in said else said
    said = _SOURCE.sub(" ", said) if "]" in said else said
    said = _STEP.sub(" ", _REFERENCE.sub(" ", _BRACKETED.sub(" ", said)))
    return said if said == bare or _DIGIT.search(said) else bare
