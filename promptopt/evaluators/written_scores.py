"""A score as judges write it: in digits or a word, with its scale, as stars, and by its name in other languages.

Read only where it says one thing alone. What is left as it is: Roman numbers (`I`, `V` and `X` are words and marks
too, and to read the others alone would lose some scores more often than others), shares, letters, halves.
"""

from __future__ import annotations

import re

from promptopt.evaluators.second_thoughts import CLOSED, takes_back

_SCORE_NAMES = (
    r"score|rating|grade|评分|評分|得分|分数|分數|打分|スコア|評価|評点|得点|点数|採点|점수|평점|punktzahl|bewertung|wertung"
    r"|puntuaci[óo]n|puntaje|calificaci[óo]n|pontuação|punteggio|valutazione|voto|beoordeling|cijfer|poäng|betyg|pisteet"
    r"|оценка|оцінка|балл|рейтинг|ocena|wynik|hodnocení|pontszám|puan|điểm|skor|nilai|βαθμολογία|التقييم|الدرجة|ציון"
    r"|स्कोर|अंक|คะแนน"
)
MEMBER = rf"(?:(?:final|overall)[ _\-]?)?(?:{_SCORE_NAMES})"
"""How a member is called that holds a score."""
BEFORE_NAME = r"^(?:[^\w\n]|_)*"
"""Marks before a name, on its line alone: a judge that writes thousands of empty lines would take minutes to read."""
_CUSTOMARY_STARS = 5
"""Stars that say of how many they are without being told."""
_SCORE_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SCORE_NUMBER = rf"-?\d{{1,6}}(?:[.,]0{{1,6}})?(?!\d)|\b(?:{'|'.join(_SCORE_WORDS)})\b"
_FULL, _EMPTY = "★⭐🌟", "☆✩"
_SCORE = re.compile(
    rf"\+?(?P<number>{_SCORE_NUMBER})"
    rf"(?:\s*(?:/|(?://\s?)?\b(?:out of|of|von|sur|de|su|из|af|av|van|od|z)\b)\s*(?P<scale>{_SCORE_NUMBER}))?"
    r"(?:\s?(?:[点點分점★⭐]|\b(?:points?|stars?|punkte?n?|puntos?|pontos?|punti|étoiles?|sterne?|балл\w{0,2})\b))?"
    rf"|(?P<stars>(?:[{_FULL}]\ufe0f?){{0,5}}[{_EMPTY}]{{0,5}})",
    re.IGNORECASE,
)
# What follows a score on its line: in brackets, or behind a dash or a stop.
_BEHIND = re.compile(
    r"\s*\((?P<aside>[^()\n]{0,200})\)?\W*|(?:\s+[-–—]|[,;.:!])\s+[^\n]{1,200}|\s*//[^\n]{0,200}|[.!。！]?\s*"
)
# `4, or five`, `4 (out of ten)`, `4 - half a point off`, `4. Wait`: another score may be meant.
_DOUBT = re.compile(
    r"\d|%|\b(?:percent|points?|minus|plus|deduct\w*)\b|^\W*(?:no|or|wait|actually|maybe|perhaps|oder|ou)\b"
    # `one of the best` is no score.
    rf"|\b(?:{'|'.join(each for each in _SCORE_WORDS if each != 'one')})\b"
    r"|\b(?:or|of|to|no|not|than|be|a)\W{1,3}one\b",
    re.IGNORECASE,
)
# Marks that a writer sets around a number, and no sign that makes another of it: a dash, a dot, `~`, `>`. Nor where
# a sentence goes on on the next line: `Score: 5`, and `is what it asks for`.
_LINE_OF_SCORE = re.compile(
    rf"{BEFORE_NAME}(?:(?P<last>(?:final|overall|corrected|revised|adjusted|updated)\s+)|my\s+)?(?:(?P<name>{_SCORE_NAMES})|note|nota)[\W_]*?[:=]"
    r"[\s*_`\"'“”„‘’()\[\]{}#]*(?P<said>[^\n]{1,240})$(?!\n(?-i:[a-zà-ÿа-я]))",
    re.IGNORECASE | re.MULTILINE,
)
_JUDGED_RIGHT = (
    r"\s+(?:(?:is|was|would be|seems?|feels?|looks|may be|might be)(?:\s+(?:a|the|my|more|much|rather|only|just))*"
    r"\s+(?:fair|better|right|enough|closer|correct|appropriate|reasonable|justified|warranted|accurate|honest)(?:er)?"
    r"(?:\s+(?:score|rating|grade|here|for (?:it|this|that)))?|fits(?:\s+better)?)"
)
# A score said anew stands at an end, or is called the right one. `Item 3`, `the answer is 3`, `3 would be too low`,
# `one may say`, `2, 3 and 4`, `2.5 hours`, `3 points are strong` and the number of a list's line are none.
_ANEW = (
    r"(?<!item )(?<!question )(?<!answer )(?<!reply )(?<!response )(?<!answer is )(?<!answer should be )"
    r"(?<!answer would be )(?<!answer must be )(?!\d{1,2}\)\s+\w|\d{1,2}\.\s+(?-i:[a-zà-ÿа-я])|(?<=\n)\d{1,2}[.)]\s+\w)"
    r"(?!\d{1,6}(?:,\s*\d{1,6}){0,9},?\s+(?:and|or|to|und|oder|et|ou|y|e)\s+\d)"
    rf"(?P<score>{_SCORE_NUMBER})(?!\.\d)(?:\s*(?:/|(?:out of|of|von|sur|de|su|из)\b)\s*(?P<scale>\d{{1,6}}))?"
    rf"(?:(?:\s*(?:points?\b|stars?\b|分|点))?{CLOSED}|{_JUDGED_RIGHT}{CLOSED}|(?<!one)\s+for\s)"
)
_TWO_WORDS = re.compile(r"[^\W\d_]+\s+[^\W\d_]+")
_KEYBOARD_SIGNS = str.maketrans("：＝（）／−－", ":=()/--")
_AROUND_SCORE = " \t\n*_`\"'“”„‘’()[]"


def plain(text: str) -> str:
    """A text whose wide colons, brackets and minus signs are those of a keyboard."""
    return text.translate(_KEYBOARD_SIGNS)


def score_on(value: object, high: int | None) -> float | None:
    """The number that a value says it is; None for what says another thing, or two.

    `high`: the end of the scale. One that the value names must be that: `4/10` on a scale to 5 is of another.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float | int):
        return value
    read = _score_at_start(plain(str(value)).strip(_AROUND_SCORE).replace("*", ""), high)
    return None if read is None else read[0]


def stands_alone(line: str, high: int | None) -> bool:
    """Whether a line is a score and nothing else. `4,0` may be two."""
    said = plain(line).strip(_AROUND_SCORE).replace("*", "").rstrip(".")
    bare = re.sub(r"\s?\([^()\n]{0,200}\)?$", "", said)
    return "," not in bare and _SCORE.fullmatch(bare) is not None and score_on(said, high) is not None


def scores_on_lines(text: str, high: int | None) -> set[float | None]:
    """What lines such as `Score: 4/5 (good)` say, those called final or overall before others; None: unreadable."""
    found: dict[bool, set[float | None]] = {False: set(), True: set()}
    for line in _LINE_OF_SCORE.finditer(plain(text)):
        said = line["said"].strip(_AROUND_SCORE + "}").replace("*", "")
        read = _score_at_start(said, high)
        # `Note:` begins a remark in English, but for one that is of the scale.
        if line["name"] is None and (read is None or not read[1]):
            continue
        # `Score: 2 would be harsh.` is a sentence on scores, and one without any number says nothing of them.
        if read is not None or (re.search(r"\d", said) and not _TWO_WORDS.search(said)):
            found[line["last"] is not None].add(None if read is None else read[0])
    return found[True] or found[False]


def said_anew(behind: str, score: float, high: int | None) -> bool:
    """Whether what stands behind a score takes it back and names another of the scale: `Actually 3`."""

    def same(found: re.Match[str]) -> bool:
        number = _number_of(found["score"])
        # `3 of 4 steps` on a scale to 5.
        other_scale = found["scale"] is not None and _number_of(found["scale"]) != high
        return number == score or (high is not None and (number > high or other_scale))

    return takes_back(plain(behind), _ANEW, same)


def behind_lines(text: str) -> str:
    """What stands behind the last line that a score is read in."""
    ends = [line.end() for line in _LINE_OF_SCORE.finditer(plain(text))]
    return text[ends[-1] :] if ends else ""


def _score_at_start(said: str, high: int | None) -> tuple[float, bool] | None:
    """The number at the beginning of a text, and whether its scale is named; None where another may be meant."""
    score = _SCORE.match(said)
    if score is None or not score[0]:
        return None
    if score["stars"]:
        value, scale = _stars(score["stars"], high), float(_CUSTOMARY_STARS)
    else:
        value, scale = _number_of(score["number"]), _number_of(score["scale"]) if score["scale"] else None
        # On a longer scale some scores would have no word.
        if score["number"].isalpha() and high is not None and high >= len(_SCORE_WORDS):
            return None
    if value is None or (scale is not None and high is not None and scale != high):
        return None
    behind = _BEHIND.fullmatch(said, score.end())
    if behind is None:
        return None
    aside = behind["aside"]
    # `★★★★☆ (4/5)`: the same once more.
    if _DOUBT.search(behind[0]) and (aside is None or score_on(aside, high) != value):
        return None
    return value, scale is not None


def _number_of(number: str) -> float:
    word = number.casefold()
    return float(_SCORE_WORDS.index(word)) if word in _SCORE_WORDS else float(number.replace(",", "."))


def _stars(stars: str, high: int | None) -> float | None:
    """How many are full, of five."""
    full, empty = (sum(stars.count(each) for each in kind) for kind in (_FULL, _EMPTY))
    whole = full + empty == _CUSTOMARY_STARS or (not empty and full < _CUSTOMARY_STARS)
    return float(full) if whole and high in (None, _CUSTOMARY_STARS) else None
