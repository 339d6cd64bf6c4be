"""What denies a label, in text without upper case and apostrophes: "not spam", "spam? not really"."""

from __future__ import annotations

import re

# What may stand between a negation and the label that it denies: "not really a positive one".
_FILLERS = (
    r"(?:(?:an?|the|any|really|very|clearly|truly|necessarily|always|entirely|completely|fully|quite|exactly|strictly|actually|particularly|especially|overly|considered|deemed|be|being|seem|appear|look|sound|count|qualify|"
    r"contain|include|express|convey|constitute|show|exhibit|display|promote|involve|use|have|has|gets?|meet|bar|threshold|criteri(?:a|on)|definition|amount|fall|into|under|"
    r"as|reasons?|evidence|indications?|signs?|hints?|traces?|way|basis|need|anything|for|classif(?:ied|y)|label(?:l?ed)?|call(?:ed)?|describe(?:d)?|rated?|case|example|of|to|think|believe|say|see|find|"
    r"it|its|this|that|is|thats|sure|certain|clear|if|whether|tell|determine|decide|judge|know|conclude|at|all|"
    r"ist|es|est|é|è|eine?[nrms]?|als|wirklich|sehr|un|une|una|um|uma|muy|très|molto|является)\s+){0,5}"
)
_NEGATION = re.compile(
    r"\b(?:not|isnt|arent|wasnt|werent|doesnt|dont|didnt|cannot|cant|wont|wouldnt|couldnt|shouldnt|never|neither|nor|non|"
    r"no|nothing|none\s+of|free\s+of|without|hardly|lack(?:s|ing)?|rather\s+than|instead\s+of|as\s+opposed\s+to|(?:opposite|absence|devoid)\s+of|"
    r"unable\s+to|un(?:clear|certain|sure|decided)(?!\s-\s)|(?:hard|difficult|impossible)\s+to|anything\s+but|far\s+from|rules?\s+out|ruled\s+out|nicht|kein(?:e[nrms]?)?|weder|pas|jamais|ni|nunca|não|niet|geen|"
    r"inte|ikke|nie|není|nem|nincs|bukan|tidak|không(?:\s+phải)?|δεν|όχι|не|ни)(?:[^\S\n]|-|\n(?=\w))+"
    rf"{_FILLERS}\W{{0,3}}$|(?:\[\s?\]|☐)\W{{0,5}}$|(?:不是|并非|並非|不属于|不屬於|没有|沒有|不|非|无|無|ไม่(?:ใช่)?|ليست?|غير)\W{{0,2}}$"
)
# Japanese, Korean, Turkish and Hindi deny behind the word: ではない, 아니다. So do forms and JSON: "toxic: no"; and
# whoever asks first: "Toxic? Not really."
_DENIED_AFTER = re.compile(
    r"-free\b|\W{0,2}(?:değil|नहीं)|\W{0,2}(?:(?:では|じゃ)(?:な|あり)|(?:이|가)?\s?아[니닙])|[*\"'`)\]]{0,4}\s{0,2}[:=?]\s{0,2}[*\"'`(]{0,4}(?:no|false)\b"
    r"[*\"'`)\]}]{0,4}\s{0,3}(?:$|[\n,;.!}|<])"
    r"|[*\"'`)\]]{0,4}\?[*\"'`)]{0,4}\s{1,3}[*\"'`(]{0,4}(?:nope|nein|non|hardly|never|unlikely|far\sfrom\sit|by\sno\smeans|i\sdoubt\sit"
    r"|(?:i\s)?(?:do\snot|dont)\sthink\sso|(?:\w{1,12}ly\s|of\scourse\s)?not(?:\sreally|\sat\sall|\squite|\sexactly)?)"
    r"[*\"'`)]{0,4}\s{0,3}(?:$|[\n,;.!—–])"
)
# "Safe? Not sure.", and "Is it safe to read? Hard to say."
_ASKED_AND_LEFT = re.compile(
    r"[^.?!\n]{0,40}\?{1,3}[*\"'`)]{0,4}\s{1,3}[*\"'`(]{0,4}(?:(?:im|i\sam|its|it\sis|thats|that\sis|well|hmm)[,.…]{0,3}\s)?(?:(?:still|really|honestly)[,]?\s)?"
    r"(?:not\s(?:\w{1,12}ly\s|quite\s|so\s|too\s|100\s?%\s)?(?:sure|certain|clear|necessarily|enough)|un(?:sure|certain|clear|known|decided)"
    r"|(?:hard|difficult|impossible|tough)\sto\s(?:say|tell|know|judge|determine|decide)"
    r"|(?:i\s)?(?:cannot|cant|can\snot|couldnt|could\snot)\s(?:really\s)?(?:say|tell|know|judge|determine|decide|be\ssure)"
    r"|(?:i\s)?(?:dont|do\snot)\s(?:really\s)?know|no\sidea|who\sknows|(?:it\s)?depends"
    r"|(?:maybe|perhaps|possibly|(?:it\s)?(?:could|might|may)\sbe)(?:\snot)?(?=[*\"'`)]{0,4}\s{0,3}(?:$|[\n.!…])))\b"
)
_UNTOLD = re.compile(
    r"\b(?:un(?:sure|certain|clear|known|decided)|not\s(?:\w{1,12}ly\s)?(?:sure|certain|clear|known)|"
    r"(?:cannot|cant|unable\sto|hard\sto|difficult\sto|impossible\sto|not\spossible\sto)\s(?:\w{1,12}ly\s)?(?:tell|say|know|judge|determine|decide)|(?:dont|do\snot)\sknow)"
    r"\s(?:if|whether)\b(?:(?!\b(?:but|however|yet|so|still|though)\b)[^.!?;:\n]){0,60}$"
)
"""Before a label that is only asked about: "It is unclear whether the review is negative"."""
_UNDECIDED = re.compile(
    r"\b(?:if|whether|tell|determine|decide|judge|know|conclude|sure|certain|clear|un(?:clear|certain|sure|decided)|"
    r"hard|difficult|impossible|unable)\b"
)
"""In a negation: "I cannot tell whether it is toxic" says nothing of the opposite."""
_PLAINLY = re.compile(r"\w+\s+(?:(?:an?|the|actually|really|be|considered|deemed)\s+){0,2}\W{0,3}")
"""A negation that denies and says nothing else: "not really", and not "no reason to say"."""
_SHARED = re.compile(r"\W{0,4}(?:\b(?:or|nor|noch|ni|ни)\b|/)\W{0,4}(?:an?\s)?")
"""Between two labels that one negation denies: "neither positive nor negative"."""
LOOKED_BACK = 48
"""Characters before a label in which its negation stands. Ours: from its beginning, a long text would be searched anew
for each label."""


def is_denied(folded: str, start: int, end: int) -> bool:
    """Whether what stands there is denied, before it or behind it."""
    return (
        _negation_of(folded, start) is not None
        or _DENIED_AFTER.match(folded, end) is not None
        or _is_left_open(folded, start, end)
    )


def is_shared(folded: str, end: int, start: int) -> bool:
    """Whether the negation of what ends at `end` also denies what begins at `start`."""
    return start <= end + 20 and _SHARED.fullmatch(folded, end, start) is not None


def leaves_open(folded: str, start: int, end: int) -> bool:
    """Whether what denies it only says that nobody knows: "I cannot tell whether it is toxic", "toxic? Not sure"."""
    negation = _negation_of(folded, start)
    undecided = negation is not None and _UNDECIDED.search(negation.group()) is not None
    return undecided or _is_left_open(folded, start, end)


def denies_plainly(folded: str, start: int, end: int) -> bool:
    """Whether the negation of what stands there says no more than that it is not so."""
    negation = _negation_of(folded, start)
    if negation is None:
        return _DENIED_AFTER.match(folded, end) is not None
    return _PLAINLY.fullmatch(negation.group()) is not None


def _is_left_open(folded: str, start: int, end: int) -> bool:
    asked = "?" in folded and _ASKED_AND_LEFT.match(folded, end) is not None
    return asked or _UNTOLD.search(folded[max(0, start - 2 * LOOKED_BACK) : start]) is not None


def _negation_of(folded: str, start: int) -> re.Match[str] | None:
    return _NEGATION.search(folded[max(0, start - LOOKED_BACK) : start])
