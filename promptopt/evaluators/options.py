"""The option that a reply chooses: a letter as itself, in brackets, announced, or alone; never one of several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from promptopt.evaluators import ticks
from promptopt.evaluators.continued import read_first
from promptopt.evaluators.cues import ATTACHED, CORRECTED, IS, NOUN, UNSPACED, in_latin, without_struck
from promptopt.evaluators.undecided import is_withdrawn
from promptopt.thoughts import spoken

_MARKUP = re.compile(r"[*`_$]|</?(?:b|i|u|em|strong|mark|code|span|p|div|h[1-6])(?:\s[^<>]{0,80})?>", re.IGNORECASE)
_ANGLES = re.compile(r"<([A-Z])>(?![^<>]{0,500}</)")
"""A letter in the brackets of a form, "<letter>": no tag, which would be closed."""
_TEX = re.compile(r"\\(?:text|math)[a-z]{0,6}\s?\{([^{}]{0,80})\}")
_LETTERS = re.compile(rf"[{UNSPACED}{ATTACHED}]+")
_OR_BETWEEN_LETTERS = re.compile(
    r"(?<=[A-Z)])[ \t]*,?[ \t]*(?:或者?是?|还是|還是|以及|および|または|もしくは|또는|혹은|[和与與及跟とか와과]|أو|و)"
    r"[ \t]*(?=\(?[A-Z](?![A-Za-z]))"
)
_HELD_AGAINST = re.compile(r"([A-Z])[ \t]*(?:ではなく|じゃなく|(?:이|가)[ \t]?아니라)")
_WRONG = re.compile(
    r"((?:[A-Z][ \t]*[、和与與及跟と][ \t]*){0,6}[A-Z])(?![A-Za-z])[)）]?[ \t]*(?:选项|選項|项|項)?(?:都|均|皆)?"
    r"(?:是)?(?:错误的?|錯誤的?|错的|錯的|错(?=[，。、；,.;\s]|$)|不正确|不正確|不对|不對|不是(?:正确|正確)?答案|は(?:誤り|間違い|不正解|不適切|正しくない))"
)
_RIGHT = re.compile(
    r"(?<![A-Za-z、和与與及跟と])([A-Z])[)）]?[ \t]*(?:选项|選項|项|項)?(?:是)?"
    r"(?:正确的?|正確的?|对的|對的|对(?=[，。、；,.;\s]|$)|[がは](?:正しい|正解))(?!吗|嗎|答案)"
)
_ALSO = re.compile(r"[,、]?[ \t]*([A-Z])[ \t]*(?:选项|選項|项|項)?也(?:是)?(?:正确|正確|对|對)的?")
_NOT_UNSPACED = re.compile(r"(?:而?不是|并非|並非|而非|不[选選]|不能[选選])[ \t]*(?=\(?[A-Z](?![A-Za-z]))")
_OTHER_CLAUSE = re.compile(rf",[ \t]*(?=[{UNSPACED}{ATTACHED}]|not\s|[A-Z][ \t]*[はが是不는은가이])")
"""What scripts without spaces say between options, before their words go: "或" joins, "不是" denies."""

# What may follow a single letter where it is an answer: a stop, a bracket, another option, or a reason.
_AFTER_LONE_LETTER = (
    r"(?=\s{0,9}(?:$|[.,;:)(\]}\n<—–/&+\"'}|]|-\s)|\s{1,9}(?:because|since|as|and|or|but|is|due|which|that|where|"
    r"fits|matches|works|makes|(?<!I\s)only)\b)"
)
# "A" and "I" are words too, and so is every letter in lower case for one who reads only a bit of a word.
# Turkish ends a sentence behind an apostrophe: "B'dir".
_GOES_ON = r"(?![\w+#°]|'(?!d[iıuü]r\b))"
_BARE = rf"(?:(?-i:[B-HJ-Z]){_GOES_ON}|[A-Za-z](?![\w'+#°]){_AFTER_LONE_LETTER})"
_BRACKETED_LETTER = r"[(\[{\"']\s?[A-Za-z]\s?[)\]}\"']"
_ONE = rf"(?P<one>{_BRACKETED_LETTER}|{_BARE})"
_MORE = re.compile(
    r"\s{0,9}(?:,\s{0,9}(?:and|or)\b|\?\s{0,9}or\b|and/or\b|[,;/&+~–—-]|(?:and|or|to|through|und|oder|et|ou|y|e|o|och|eller|en|of|и|или|ve|veya|dan|atau|và|hoặc)\b)\s{0,9}"
    r"(?:(?:possibly|maybe|perhaps|even|also|rather|else|potentially|probably)\s{1,9})?(?:option\s)?"
    rf"(?P<more>(?:{_BRACKETED_LETTER}|(?-i:II|III|IV)(?!\w)|(?-i:[A-Z])(?![\w'])(?:(?<![AI])|{_AFTER_LONE_LETTER}))(?!\s{{1,9}}(?:is|isn't|was|has|does|would)\b))",
    re.IGNORECASE,
)
"""Another option beside one; "B, A is wrong" goes on with a clause, and names no other."""
_SURE = (
    r"(?:(?:clearly|definitely|probably|likely|thus|therefore|indeed|option|choice|letter|the|la|el|die|(?:a\s)?letra|lettre|lettera|"
    r"(?:a\s)?alternativa|opci[oó]n|(?:a\s)?op[cç][aã]o|opzione|буква|вариант)\s{1,9}){0,3}"
)

# \boxed{B}, #### B, <answer>B
_MARKED_ANSWER = re.compile(
    r"(?:\\f?box(?:ed)?\s?\{|####|<\s?(?:final[_ -]?)?(?:answer|choice|option|label|letter)\s?>"
    r"|<\s?(?:final|result|output|solution|response)\s?>)"
    rf"[^\w\"'(\[{{]{{0,9}}(?:option\s)?{_ONE}",
    re.IGNORECASE,
)
# "The answer is B", "Choice: B", "the best one would be B".
_ANSWER_IS = re.compile(
    rf"\b(?:{NOUN}|(?:choice|option|pick|selection|letter|verdict|response)(?:\shere)?"
    rf"(?=[\"')\]]{{0,2}}\s{{0,9}}(?:[:=]|{IS}\b|would|should|must))"
    # With a colon after it such a word ends a sentence about another one: "A is correct: B is too small."
    rf"|(?:best|correct|right|richtig|korrekt|correcta|correta|corretta)(?=\s{{1,9}}(?:one\s)?(?:{IS}|would|should|must)\b))"
    rf"[\"')\]]{{0,2}}(?:'s\b)?"
    rf"(?:(?:\s(?!not\b)\w{{1,14}}){{0,2}}\s{{1,9}}(?:{IS}|(?:would|should|must|might|may|could|has\sto)\s+be)\b)?"
    rf"\s{{0,9}}(?:[:=]|[-=]?>|→|-\s)?\s{{0,20}}{_SURE}(?:\[(?=\s?[\"']))?{_ONE}",
    re.IGNORECASE,
)
_NOT_TAKEN_BACK = r"(?![^.;:!\n]{0,60}\b(?:but|however|yet|except)\b)"
# "B is the best answer", and not "B is correct?".
_ASSERTED = re.compile(
    rf"(?<![\w'.]){_ONE}\s{{1,9}}(?:(?:is|was|seems|looks)\s{{1,9}}"
    r"(?:(?:clearly|definitely|the|a|most|likely|only|also)\s{1,9}){0,3}"
    r"(?:correct|right|best|answer|true|accurate|(?<=most\s)(?:plausible|likely|appropriate|suitable|reasonable|logical|sensible|fitting)(?!\s(?:wrong|incorrect|false|not)\b)"
    r"|(?:one|option|choice)\s(?:that|which))\b(?!\s?\?)"
    # Not "Machine B works for 3 hours", nor "A makes sense, but …".
    rf"|(?:(?:fits|matches|works)\s(?:best|perfectly|well|here)|makes\sthe\smost\ssense)\b{_NOT_TAKEN_BACK}"
    r"|(?:(?<!\w\s\w\s)|(?<=\bonly\s\w\s))(?:fits|matches|works|makes\ssense)"
    r"(?:\s(?:the|all|both|every)(?:\s(?:of\s(?:the|these|those)\s)?\w{1,20}){1,2})?"
    r"(?=\s{0,3}(?:$|[.;:!)\n]|,(?!\s(?:but|however|yet)\b)|\s(?:because|since|as)\b)))",
    re.IGNORECASE,
)
_CHOSEN = re.compile(
    r"\b(?:choos(?:e|ing)|chose|pick|select|go(?:ing)?\swith|opt\sfor|vote\sfor|prefer|say|guess|think|believe)\s{1,9}(?:that\s{1,9})?"
    rf"(?:it(?:'s|\sis)\s{{1,9}})?{_SURE}{_ONE}",
    re.IGNORECASE,
)
_LETTER_ALONE = rf"(?:option\s)?(?:{_BRACKETED_LETTER}|(?-i:[A-Z])(?![\w'+#°]))"
_OVER = re.compile(
    rf"(?<![\w'.])(?:option\s)?(?P<one>{_BRACKETED_LETTER}|(?-i:[A-Z]))\s{{1,3}}(?:rather\sthan|instead\sof|over|as\sopposed\sto)"
    rf"\s{{1,3}}{_LETTER_ALONE}",
    re.IGNORECASE,
)
_BUT = re.compile(
    rf"(?:\bnot|n't)\s{{1,3}}{_LETTER_ALONE}\s?[,;]?\s{{1,3}}(?:but|it's|it\sis)\s{{1,3}}(?:(?:rather|instead)\s)?(?:option\s)?"
    rf"(?P<one>{_BRACKETED_LETTER}|(?-i:[A-Z])(?![\w'+#°]))",
    re.IGNORECASE,
)
"""One option held against another: "B rather than A", "not A, but B"."""
# "U.S." and "J. R. Smith" abbreviate words.
_INITIALS = r"(?!\.\s?[A-Z]\.)"
# (B), [B], "option B", "B)", "B." at the beginning of a line, "; B: …".
_MENTION = re.compile(
    r"(?<!\w)\(\s?([A-Za-z])\s?\)|\[([A-Za-z])\]|\b[Oo]ption\s([A-Za-z])(?!\w)"
    r"|(?<![\w'.])(?<!\bor\s)(?<!\band\s)([A-Z])\)(?=\s|$)"
    rf"|^[ \t]{{0,9}}(?:[-•>]\s{{0,3}}|[0-9]{{1,3}}[.)]\s{{0,3}})?((?!Q:)[A-Z]){_INITIALS}[.:](?=\s|$)"
    r"|(?<=[.!?;,]\s)([A-Z]):(?=\s)",
    re.MULTILINE,
)
_DENIED = re.compile(
    r"\b(?:not|isn't|isnt|never|neither|nor|than|except|eliminate|exclude|reject|rule\sout|ruled\sout)\s{1,3}(?:option\s)?$",
    re.IGNORECASE,
)
# Before the answer a reply may say to which question: "Question 3: B".
_WHICH_QUESTION = (
    r"\W{0,9}(?:(?:[Qq](?:uestion)?\s?)?[0-9]{1,3}\s?[.):]\s{0,9})?\W{0,9}"
    r"(?i:(?:definitely|certainly|clearly|obviously|surely|probably|likely|maybe|perhaps|only|just|my\sguess)\W{1,3})?"
)
_WEIGHED = r"[A-Z][\"']\s?:[^{}]{1,40},\s?[\"'][A-Z][\"']\s?:"
"""Options with a number each, in JSON: "A": 0.1, "B": 0.7."""
_OPENING = re.compile(
    rf"{_WHICH_QUESTION}(?:(?!{_WEIGHED})([A-Z]){_INITIALS}[)\]}}\"'>]{{0,3}}(?=\s{{0,9}}(?:$|[\n.,:;!—–]|-\s)|(?<![AI])\s\(|\s{{1,9}}(?:is(?!\s+(?:(?:most|very|quite)\s+)?(?:\w{{1,9}}ly\s+)?(?:not|wrong|incorrect|false)\b)|because|since|as|(?<![AI]\s)only)\b|(?<!I)\s{{1,9}}only(?=\W{{0,3}}$|\s?[.,;:!\n]|\s(?:because|since|as)\b))"
    r"|([a-z])(?:\W{0,20}$|[).:](?=\s)))"
)
_LAST_LINE_LETTER = re.compile(rf"{_WHICH_QUESTION}([A-Z])(?![+#]|-\W*$)\W{{0,9}}")
_LETTERED_THINGS = re.compile(
    r"\b(?:vitamins?|hepatitis|type|grade|group|class|section|plan|team|figure|table|part|chapter|appendix|phase|stage|"
    r"level|statements?|assertions?|premise|conclusion|hypothesis|equation|war|route|series|room|building|dr|mr|mrs|ms|prof|st)\b\.?\s{1,3}$",
    re.IGNORECASE,
)
"""Before a letter that names something which is no option."""
_UNLIKELY = re.compile(
    r"\b(?:not|cannot|can't|never|neither|nor|hardly|unlikely)\b(?:(?!\b(?:so|but|hence|thus|therefore)\b)[^.!?\n]){0,20}$",
    re.IGNORECASE,
)
"""Before a letter that a reply ends in, and does not choose."""
# "… so B", "… → B"; not "could be B", nor the C of "A, B, C".
_CONCLUDING_WORD = re.compile(
    r"(?:(?<!could )(?<!might )(?<!may )"
    r"\b(?i:is|it's|be|so|thus|hence|therefore|as|with|say|think|choose|pick|option|choice|letter)\s{1,9}"
    r"|(?<![A-Z]\s)[:=→>,.!?—–]\s{1,9}|(?<![A-Z]\s)[:=→>])"
    r"[(\"']{0,2}(?<![A-Z],\s)([B-HJ-Z])(?!\s?[+#])\W{0,20}$"
)

_ASKED_AND_ANSWERED = re.compile(r"^[ \t]{0,9}(?:Q|(A)):(?=\s)", re.MULTILINE)
_CELL = re.compile(r"\|[ \t]{0,9}\(?([A-Z])\)?[ \t]{0,9}(?=\||$)", re.MULTILINE)
_SMALL_LETTER_NEXT = re.compile(r"\s[a-z]")
_LONE = re.compile(r"(?<![\w'])([A-Z])(?![\w'])")


def choice(reply: str) -> str | None:
    """The letter of the option chosen, as "(B)": from "(b)", "B.", "**B**", "Option B", "The answer is B", "答案是Ｂ".

    An explicit answer comes first, the last one given: marked (boxed, after "####", in `<answer>`), else announced
    ("answer is"), else asserted ("B is correct", "I choose B"). Otherwise the reply must mention one option only, or
    open with one on a line of its own and not go on listing others, or end in one. A letter that only names something
    ("37 C", "vitamin B") is none, and where an answer names several there is none to be read. Letters only.
    """
    said = spoken(reply)
    return None if said is None else read_first(said, _chosen)


def _chosen(said: str) -> str | None:
    plain = _normalised_reply(said)
    ticked, crossed = ticks.letters(plain)
    bare = ticks.without_ticks(plain)
    found = _option_in(bare)
    if ticked is None:
        return None if found is not None and found[1] in crossed else found
    # Ticks may say which statements hold, and the answer be another letter.
    says = (
        found is not None and found[1] not in crossed and any(cue.search(bare) for cue in (_MARKED_ANSWER, _ANSWER_IS))
    )
    return found if says else f"({ticked})"


def _option_in(plain: str) -> str | None:
    for cue in (_MARKED_ANSWER, _ANSWER_IS, _BUT, _OVER, _ASSERTED, _CHOSEN):
        found = cue.finditer(plain)
        if cue is _ASSERTED:
            found = (match for match in found if not _is_aside(plain, match.start()))
        places, given = list[int](), list[str | None]()
        for match in found:
            places.append(match.end("one"))
            given.append(_single(match, plain))
        if given and _is_taken_back(plain, places[-1], given[-1]):
            return None
        if given:
            # "A is right … B is right" weighs both; only an announced answer is taken back by a later one.
            return given[-1] if cue is not _ASSERTED or len(dict.fromkeys(given)) == 1 else None
    lines = [line.strip() for line in plain.split("\n") if line.strip()]
    last = (
        _LAST_LINE_LETTER.fullmatch(lines[-1]) if len(lines) > 1 and lines[-2].endswith((".", "!", ")", '"')) else None
    )
    if last is not None and not _LAST_LINE_LETTER.fullmatch(lines[-2]):
        return _letter(last.groups())
    if len(lines) > 1 and (alone := _LAST_LINE_LETTER.fullmatch(lines[0])) and not any(map(_MENTION.match, lines[1:])):
        # What follows an answer on a line of its own gives reasons.
        other = _LAST_LINE_LETTER.fullmatch(lines[1])
        several = other is not None and other[1] != alone[1]
        return None if several or CORRECTED.search(plain) else _letter(alone.groups())
    named = [(match, _letter(match.groups())) for match in _MENTION.finditer(plain)]
    mentions = [(m, letter) for m, letter in named if not _DENIED.search(plain, max(0, m.start() - 24), m.start())]
    if not named:
        return _unmentioned(plain)
    if not mentions:
        return None
    first = mentions[0][1]
    if all(letter == first for _, letter in mentions):
        return None if CORRECTED.search(plain, mentions[0][0].start() + 1) else first
    opens = not re.search(r"\w", plain[: mentions[0][0].start()])
    alone = all(_letter(match.groups()) == first for match in _MENTION.finditer(plain.split("\n", 1)[0]))
    starts = [match for line in lines[1:] if (match := _MENTION.match(line))]
    return first if opens and alone and not starts else None


def _is_taken_back(plain: str, start: int, found: str | None) -> bool:
    """Whether the answer announced at `start` is corrected behind it, and does not come out again."""
    corrected = CORRECTED.search(plain, start)
    if corrected is None:
        return False
    behind = plain[corrected.end() :]
    other = _option_in(behind)
    # "Sorry, I cannot draw it" takes nothing back: A and I are words too.
    if other is None and all(
        match[1] in "AI" and _SMALL_LETTER_NEXT.match(behind, match.end()) for match in _LONE.finditer(behind)
    ):
        return is_withdrawn(behind)
    return other != found


def _is_aside(plain: str, start: int) -> bool:
    """Whether the letter that begins there only names something, or is denied."""
    begin = max(0, start - 24)
    return (_LETTERED_THINGS.search(plain, begin, start) or _DENIED.search(plain, begin, start)) is not None


def _normalised_reply(said: str) -> str:
    text = without_struck(said)
    if not text.isascii():
        text = _ALSO.sub(r" or \1. \1 is correct", unicodedata.normalize("NFKC", text))
        # Before what announces an answer is in English: "不选C".
        text = _NOT_UNSPACED.sub(", not ", _RIGHT.sub(r"\1 is correct", _WRONG.sub(_judged_wrong, text)))
        text = in_latin(text)
        if _LETTERS.search(text):
            text = _HELD_AGAINST.sub(r" not \1, but ", _OR_BETWEEN_LETTERS.sub(" or ", text))
            text = _LETTERS.sub("  ", _OTHER_CLAUSE.sub(". ", text))
    if "\\" in text:
        text = _TEX.sub(r"\1", text)
    if text.lstrip(" \n*_#").startswith("Q:"):
        text = _ASKED_AND_ANSWERED.sub(lambda mark: "Answer:" if mark[1] else "Question:", text)
    return _MARKUP.sub("", _ANGLES.sub(r"(\1)", text) if "<" in text else text).strip()


def _judged_wrong(match: re.Match[str]) -> str:
    # A sentence of its own: the options before it are not listed with these.
    return f". {' and '.join(re.findall('[A-Z]', match[1]))} is wrong "


def _single(match: re.Match[str], plain: str) -> str | None:
    """The letter that a cue announces; None where it announces another one beside it."""
    one = _option_letter(match["one"])
    more = _MORE.match(plain, match.end("one"))
    return None if more is not None and _option_letter(more["more"]) != one else f"({one})"


def _unmentioned(plain: str) -> str | None:
    """The letter that the reply opens with or ends in."""
    alone = [
        _letter(match.groups()) for line in plain.split("\n") if (match := _LAST_LINE_LETTER.fullmatch(line.strip()))
    ]
    # Several options, a letter on each line, choose none.
    if len(dict.fromkeys(alone)) > 1:
        return None
    opening = _OPENING.match(plain)
    if opening is not None:
        end = opening.end(1) if opening[1] is not None else opening.end(2)
        more = _MORE.match(plain, end)
        several = more is not None and f"({_option_letter(more['more'])})" != _letter(opening.groups())
        return None if several or CORRECTED.search(plain, end) else _letter(opening.groups())
    if alone and _LAST_LINE_LETTER.fullmatch(plain.rpartition("\n")[2].strip()):
        return alone[-1]
    # Only the end: an answer would be among the last words.
    closing = _CONCLUDING_WORD.search(plain, max(0, len(plain) - 60))
    if closing is None:
        return _in_cell(plain) if "|" in plain else None
    before = plain[: closing.start(1)]
    named = _LETTERED_THINGS.search(before, max(0, len(before) - 24)) or _UNLIKELY.search(
        before, max(0, len(before) - 40)
    )
    return None if named else _letter(closing.groups())


def _in_cell(plain: str) -> str | None:
    """The letter that has a cell of a table to itself, where no other letter stands alone."""
    alone = {match[1] for match in _LONE.finditer(plain)}
    cells = {match[1] for match in _CELL.finditer(plain)}
    return f"({cells.pop()})" if len(cells) == 1 and alone == cells else None


def _option_letter(held: str) -> str:
    return held.strip("()[]{}\"' ").upper()


def _letter(groups: Iterable[str | None]) -> str:
    return f"({next(group for group in groups if group is not None).upper()})"
