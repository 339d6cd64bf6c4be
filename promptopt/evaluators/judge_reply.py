"""What a judge's reply says, read strictly: a score of the scale, yes or no to each item, which of two is better.

JSON is asked for, so an object that holds what was asked for is read: in fences or prose, with other members, numbers
as texts, or nearly right (`near_json`). A line such as `Score: 4` will do too. Nothing is ever clamped or guessed: 7 on
a scale to 5 says nothing, and no more does what can be read in two ways, such as two objects that differ.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar, cast

from promptopt.evaluators.near_json import member_in, named_behind, reason_near
from promptopt.evaluators.second_thoughts import CLOSED, takes_back
from promptopt.evaluators.written_scores import (
    BEFORE_NAME,
    MEMBER,
    behind_lines,
    said_anew,
    score_on,
    scores_on_lines,
    stands_alone,
)
from promptopt.evaluators.yes_and_no import NO, YES
from promptopt.thoughts import spoken

VERSION = 5
"""Of these rules: another reading is another judge."""
TRIED = 50
"""Braces at which an object may begin; a reply with more of them holds no verdict. Ours."""

Choice = Literal["A", "B", "tie"]
Read = TypeVar("Read")

_CHOOSING = (
    r"better|winner|choice|preferred|verdict|besser|gewinner|meilleure?|gagnant|mejor|ganador|melhor|vencedor|migliore"
    r"|vincitore|лучше|победитель|更好|胜者|勝者|승자"
)
_CHOICE_LINE = re.compile(
    rf"{BEFORE_NAME}(?:{_CHOOSING})[\W_]*[:=：]([^\n]{{1,20}}?)(?:\s\((?!\W*(?:or|no|tie|wait)\b)[^()\n]{{0,200}}\)\W*)?$",
    re.I | re.M,
)
_ANSWER_LINE = re.compile(rf"{BEFORE_NAME}answer[\W_]*[:=]([^\n]{{1,20}})$", re.I | re.M)
_ITEM_LINE = re.compile(
    rf"{BEFORE_NAME}(?:(?:item|question|answer|q|a)\s*)?(\d{{1,3}})[^\w\n✓✔✅✗✘❌]+([^\W_]+|[✓✔✅✗✘❌])\W*$",
    re.I | re.M,
)
_LISTED_LINE = re.compile(r"^[ \t]*(?:\d{1,3}[.):]|[-*•])[ \t]+(\S[^\n]*)$", re.MULTILINE)
_ANSWERING = r"answer|value|verdict|result"
_NUMBERED = re.compile(r"(?:item|question|answer|q|a|#)?[ _\-]?(\d{1,3})[.):]?", re.IGNORECASE)
_DOUBLE_BRACKETS = re.compile(r"\[\[([^\[\]\n]{1,20})\]\]")
_PREFERRED = re.compile(
    r"(?:i (?:prefer|choose|pick) )?(?:the )?(?:(?:reply|response|answer|option|assistant|candidate|antwort|réponse"
    r"|respuesta) )?([ab])(?: is (?:the )?(?:better|best)(?: one| reply| response| answer)?)?"
)
_CHOSEN_ANEW = (
    r"(?-i:[AB])(?=\W*(?:$|[\n.!])|\s+(?:(?:is|seems|looks)\s+(?:slightly\s|much\s|clearly\s|the\s)?(?:better|best)"
    rf"(?:\s+(?:one|reply|response|answer))?|wins){CLOSED})|(?:tie|draw|equal(?:ly good)?){CLOSED}"
)
_ANSWERED_ANEW = (
    rf"(?:(?P<place>\d{{1,3}})\W{{1,6}})?(?P<word>{'|'.join(sorted(each for each in YES | NO if len(each) > 1))})"
    r"(?=\s*(?:$|[\n.!,;]))"
)
"""What a sentence says that takes a verdict back (`second_thoughts`)."""
_CHOICES: dict[str, Choice] = {
    "tie": "tie", "tied": "tie", "a tie": "tie", "it's a tie": "tie", "equal": "tie", "equally good": "tie",
    "draw": "tie", "neither": "tie", "both": "tie", "no preference": "tie", "unentschieden": "tie",
    "gleichstand": "tie", "égalité": "tie", "empate": "tie", "pareggio": "tie", "gelijkspel": "tie", "ничья": "tie",
    "平局": "tie", "引き分け": "tie", "무승부": "tie",
    "a>b": "A", "a>>b": "A", "b<a": "A", "b<<a": "A", "b>a": "B", "b>>a": "B", "a<b": "B", "a<<b": "B", "a=b": "tie",
}  # fmt: skip


def score_in(text: str, low: int, high: int) -> int | None:
    """The score, a whole number from `low` to `high`; None where there is none."""
    score = _number_in(text, high)
    # NaN, which JSON as Python reads it may hold, equals nothing.
    return int(score) if score is not None and low <= score <= high and score == int(score) else None


def off_scale(text: str, low: int, high: int) -> bool:
    """Whether there is a number where the score should be, and it lies below `low` or above `high`."""
    score = _number_in(text, None)
    return score is not None and (score < low or score > high)


def _number_in(text: str, high: int | None) -> float | None:
    """The number that stands for the score; `high`: the end of the scale, where one that it names must be that."""
    said = spoken(text)
    if said is None:
        return None
    held = _member(said, MEMBER)
    if held is not None:
        number, behind = score_on(held[0], high), _behind(said)
        # A line of its own may say another score than the object before it.
        unsaid = number is None or scores_on_lines(behind, high) - {number}
        return None if unsaid or said_anew(behind, cast("float", number), high) else number
    lines = scores_on_lines(said, high)
    if not lines:
        alone, behind = _standing_alone(said, high)
        number = score_on(alone, high)
        return None if number is None or said_anew(behind, number, high) else number
    number = lines.pop() if len(lines) == 1 else None
    # `{"score": 1` without an end may have been meant to go on, to 10.
    goes_on = said.rfind("{") > said.rfind("}") and number is not None and high is not None and 10 * number <= high
    return None if goes_on or number is None or said_anew(behind_lines(said), number, high) else number


def answers_in(text: str, count: int) -> list[bool] | None:
    """Yes or no to items 1 to `count`, in order; None where an item has neither."""
    said = spoken(text)
    if said is None:
        return None
    found = [_numbered(each.get("answers", each), count) for each, _ in _objects(said)]
    held = [_all_of(each, count) for each in found if each is not None]
    if held:
        answers = _the_one_of(held)
        return None if answers is None or _answered_anew(_behind(said, _ITEM_LINE), answers) else answers
    listed: list[tuple[str, object]] = _ITEM_LINE.findall(said)
    table = _undoubled([(number, _word(word)) for number, word in listed])
    if not table:
        near = {str(place): member_in(said, rf"(?:(?:item|question|q)[ _]?)?{place}") for place in range(1, count + 1)}
        table.update((place, value) for place, value in near.items() if value is not None)
    if not table and count == 1:
        alone, lines = _member(said, _ANSWERING), cast("list[str]", _ANSWER_LINE.findall(said))
        table["1"] = alone[0] if alone is not None else _the_one_of(list(map(_word, lines))) if lines else said
    answers = _all_of(table, count)
    return None if answers is None or _answered_anew(_behind(said, _ITEM_LINE, _ANSWER_LINE), answers) else answers


def choice_in(text: str) -> Choice | None:
    """Which of two replies is better; None where that is not said."""
    said = spoken(text)
    if said is None:
        return None
    held = _member(said, _CHOOSING)
    choices: list[Choice | None] = [
        _choice(line) for line in ([held[0]] if held is not None else _CHOICE_LINE.findall(said))
    ]
    choice = _the_one_of(choices) if choices else _choice(_in_brackets(said))
    behind = _behind(said, _CHOICE_LINE, _DOUBLE_BRACKETS)
    return None if takes_back(behind, _CHOSEN_ANEW, lambda found: _choice(found["said"]) == choice) else choice


def items_in(text: str) -> list[str]:
    """The items of a list that a model wrote: those of its JSON, else its lines that are numbered or marked."""
    said = spoken(text)
    if said is None:
        return []
    for found, _ in _objects(said):
        if isinstance(found.get("items"), list):
            return _texts_of(cast("list[object]", found["items"]))
    try:
        bare, _ = _DECODER.raw_decode(said, said.index("["))
    except (ValueError, RecursionError):
        bare = None
    if isinstance(bare, list):
        return _texts_of(cast("list[object]", bare))
    return [each.strip() for each in _LISTED_LINE.findall(said)]


def _texts_of(items: Sequence[object]) -> list[str]:
    """The texts of a list, whose entries may also be objects that hold theirs."""
    held = [next(iter(cast("dict[object, object]", each).values()), "") if isinstance(each, dict) else each
            for each in items]  # fmt: skip
    return [each.strip() for each in held if isinstance(each, str) and each.strip()]


def reason_in(text: str) -> str:
    """Why, as one line; empty where the judge does not say."""
    said = spoken(text)
    objects = list(_objects("" if said is None else said))
    for found, _ in objects:
        for name in ("reason", "reasons", "explanation", "feedback"):
            if isinstance(found.get(name), str):
                return " ".join(str(found[name]).split())
    return "" if said is None or objects else reason_near(said)


def _member(text: str, name: str) -> tuple[object] | None:
    """The value of the member whose name `name` (a regular expression) matches; None where there is none.

    That of the objects which have it, or have one object within that does; else of what is nearly JSON. The value is
    None where there are two.
    """
    values: list[object] = []
    for found, stop in _objects(text):
        own = _values_of(found, re.compile(name))
        # Behind it the same once more: it stood within a text whose quotes have no end, such as a reason that quotes.
        values += [] if not values and named_behind(text, name, stop) else own
    if values:
        return (_the_one_of(values),)
    near = member_in(text, name)
    if near is None:
        tagged = re.findall(rf"<({name})>([^<>]{{1,40}})</\1>", text, re.IGNORECASE)
        near = tagged[0][1] if len({value.strip() for _, value in tagged}) == 1 else None
    return None if near is None else (near,)


def _values_of(found: dict[str, object], name: re.Pattern[str]) -> list[object]:
    """The values of the object's own members of that name, else of those of the objects within it."""
    own = [value for key, value in found.items() if name.fullmatch(key.strip())]
    if own:
        return own
    inner = [cast("dict[str, object]", each) for each in found.values() if isinstance(each, dict)]
    return [value for each in inner for value in _values_of({key.casefold(): held for key, held in each.items()}, name)]


def _objects(text: str) -> Iterator[tuple[dict[str, object], int]]:
    """The JSON objects in a text with keys in lower case, the last first, and where each ends."""
    found: list[tuple[dict[str, object], int]] = []
    stop = 0
    for tried, match in enumerate(re.finditer(r"\{", text)):
        if tried >= TRIED:
            break
        # It stands inside of an object that was read already.
        if match.start() < stop:
            continue
        try:
            value, stop = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            table = {str(key).casefold(): each for key, each in cast("dict[object, object]", value).items()}
            found.append((table, stop))
    return reversed(found)


def _numbered(held: object, count: int) -> dict[str, object] | None:
    """What an object or a list holds for each number; None where it is of none."""
    if isinstance(held, list):
        # With more or fewer than there are items nothing tells which is which.
        answers = cast("list[object]", held)
        return {str(place): _answer(each) for place, each in enumerate(answers, 1)} if len(answers) == count else {}
    if not isinstance(held, dict):
        return None
    table: dict[str, object] = {}
    for key, value in cast("dict[object, object]", held).items():
        number = _NUMBERED.fullmatch(str(key).strip())
        if number is not None:
            place, answer = str(int(number[1])), _answer(value)
            table[place] = None if table.get(place, answer) != answer else answer
    return table if "1" in table else None


def _answer(value: object) -> object:
    """What stands for yes or no: the value, or that of an object which holds it beside a reason."""
    if not isinstance(value, dict):
        return value
    table = {str(key).casefold(): each for key, each in cast("dict[object, object]", value).items()}
    # An item that names its own number may stand at another place.
    if any(name in table for name in ("id", "item", "number")):
        return None
    found = [each for key, each in table.items() if re.fullmatch(_ANSWERING, key)]
    return found[0] if len(found) == 1 else None


def _in_brackets(text: str) -> str:
    """What stands in double brackets, as judges are often asked to write it; the text itself, where nothing does."""
    found = {each.strip() for each in _DOUBLE_BRACKETS.findall(text)}
    return found.pop() if len(found) == 1 else text


def _standing_alone(text: str, high: int | None) -> tuple[str, str]:
    """What can only be a score: all of a text, in double brackets, or alone on its first or last line; what follows."""
    marked = _in_brackets(text)
    if marked != text or stands_alone(text, high):
        return marked, _behind(text, _DOUBLE_BRACKETS)
    # Two of them that differ: one would be read where it has a line for itself.
    if _DOUBLE_BRACKETS.search(text):
        return "", ""
    lines = text.strip().splitlines()
    alone = [at for at, line in enumerate(lines) if line.strip() and stands_alone(line, high)]
    if len(alone) != 1 or alone[0] not in (0, len(lines) - 1):
        return "", ""
    before, behind = (lines[at].strip() if 0 <= at < len(lines) else "" for at in (alone[0] - 1, alone[0] + 1))
    # `I would not give it`, and 5 on the next line: a sentence that goes on.
    within = (before[-1:].isalnum() and not re.fullmatch(MEMBER, before, re.IGNORECASE)) or behind[:1].islower()
    return ("", "") if within else (lines[alone[0]], "\n".join(lines[alone[0] + 1 :]))


def _answered_anew(behind: str, answers: Sequence[bool]) -> bool:
    """Whether a sentence takes back an answer: of the item that it names, or of any."""

    def same(found: re.Match[str]) -> bool:
        meant = answers if found["place"] is None else answers[int(found["place"]) - 1 :][:1]
        return all(answer == (_word(found["word"]) in YES) for answer in meant)

    return takes_back(behind, _ANSWERED_ANEW, same)


def _behind(text: str, *verdicts: re.Pattern[str]) -> str:
    """What stands behind the last object, tag or line that holds a verdict; nothing where none does."""
    ends = [match.end() for verdict in verdicts for match in verdict.finditer(text)]
    return text[max(text.rfind("}") + 1, text.rfind(">") + 1, *ends) :] if ends or "}" in text or ">" in text else ""


def _the_one_of(values: Sequence[Read]) -> Read | None:
    """What all of them are; None where they differ."""
    return values[0] if all(each == values[0] for each in values) else None


def _undoubled(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object's members; one that is named twice, with two values, says nothing."""
    table = dict(pairs)
    doubled = {name for name, value in pairs if table[name] != value}
    return {name: None if name in doubled else value for name, value in table.items()}


# Line ends within a text are what most models forget to escape.
_DECODER = json.JSONDecoder(object_pairs_hook=_undoubled, strict=False)


def _all_of(table: dict[str, object], count: int) -> list[bool] | None:
    words = [_word(table.get(str(place))) for place in range(1, count + 1)]
    if not all(word in YES or word in NO for word in words):
        return None
    return [word in YES for word in words]


def _choice(value: object) -> Choice | None:
    word = _word(unicodedata.normalize("NFKC", str(value)))
    preferred = _PREFERRED.fullmatch(word)
    if preferred is not None:
        return "A" if preferred[1] == "a" else "B"
    return _CHOICES[word] if word in _CHOICES else _CHOICES.get(word.replace(" ", ""))


def _word(value: object) -> str:
    return _without_marks(value).rstrip(".。!！").casefold()


def _without_marks(value: object) -> str:
    return str(value).strip(" \t\n*_`\"'“”„‘’()[]")
