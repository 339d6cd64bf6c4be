"""The one label that a reply names as its answer, among those it may name in passing, deny, or compare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from promptopt.errors import ConfigError
from promptopt.evaluators.continued import read_first
from promptopt.evaluators.cues import CORRECTED, NOUN, WORD_CHARACTER, in_latin, without_struck
from promptopt.evaluators.denials import denies_plainly, is_denied, is_shared, leaves_open
from promptopt.evaluators.reasoned import claim_end
from promptopt.evaluators.spelled_labels import fold, key_of, ornaments, pattern_of, scale_of, worths_of
from promptopt.evaluators.ticks import ticked
from promptopt.thoughts import spoken

_OPPOSITES = {"true": "false", "false": "true"}
_NO = ("un", "in", "im", "ir", "il")
_PASSING = frozenset(
    ("a", "i", "no", "other", "it", "us", "in", "is", "be", "to", "or", "so", "at", "am", "as", "do", "he", "my", "on",
     "me", "we", "an", "if", "all", "any", "not", "may", "can")
)  # fmt: skip
"""Labels that are common words as well: with a word directly after them they say something else ("no idea")."""
# "No idea" goes on; "no, because" and "no because" have answered.
_GOES_ON = re.compile(r"[ \t]+(?!(?:because|since|as|due|or|and|if|unless|but)\b)\w|-\w")
# "No it is not" and "no way" say no, although words follow.
_STATED = re.compile(
    r"[ \t]+(?:it|its|he|she|they|this|that|thats|there|i|im|we|you|the|not|because|since|as|due)\b|[ \t]way\W*$"
)
# "A is right" names the option, and "a good one" does not.
_IS_OR_WAS = re.compile(r"[ \t]+(?:is|was)\b")

_OF_SAYING = frozenset(
    ("safe", "unsafe", "fair", "unfair", "possible", "impossible", "reasonable", "unreasonable", "valid", "invalid",
     "easy", "hard", "difficult", "responsible", "appropriate", "inappropriate")
)  # fmt: skip
"""Labels that may be said of the saying itself: "not safe to say" leaves open what it is."""
_TO_SAY = re.compile(
    r"(?:\s+(?:enough|for\s\w{1,10}))?\s+to\s+(?:\w{2,12}ly\s+)?(?:say|tell|assume|conclude|judge|claim|determine|infer|presume|decide|guess|classify|assess)\b"
    r"(?:\s+(?:that|whether|if|how|which|what|who|why|from|based|either|anything|any|more|much|so|yet|here|for\ssure|with|without|given|"
    r"at|it|this(?!\s(?:to|in|around|near)\b)|the|one|as)\b|\W*$|[.,:;!?\n])"
)

_ASKED_UNSPACED = r"(?:判断|情感|标签|標籤|分类|分類|类别|感情|判定)"
_ASKED_FOR_NOUN = (
    r"(?:label|category|class|classification|sentiment|choice|verdict|prediction|predicted|intent|result|output|final|"
    rf"decision|conclusion|rating|emotion|stance|polarity|topic|{_ASKED_UNSPACED})"
)
_NAMES_ANSWER = re.compile(rf"\b(?:{NOUN}|{_ASKED_FOR_NOUN})\b|{_ASKED_UNSPACED}")
# A cue ends in a colon or an equals sign, at the beginning of a line or a clause: "Sentiment: positive".
_CUE = re.compile(r"(?:^|[.!?;|\n{,])(?P<cue>[^.!?;:=\n,{}]{1,40})[:=]\W{0,8}(?:text\{)?\W{0,8}$")
_NOT_ASKED = re.compile(
    r"\b(?:second(?:ary)?|third|minor|also|runner|alternat\w{2,6}|incorrect|wrong|initial|original|first\s(?:guess|thought|impression)|previous|other|rejected|"
    r"un\s?likely|least|backup|possible)\b"
)
"""In what an answer is announced by, where it is another one than the reply's: "Second choice: neutral"."""
_I_SAY = re.compile(
    r"(?:\b(?:id|i\s(?:would|will)|ill|i)\s(?:say|choose|pick|select|go\swith|call\sit)(?:\s(?:its|it\sis|this\sis))?"
    rf"|\b(?:{NOUN}|{_ASKED_FOR_NOUN})(?:\s(?!not\b)\w{{1,14}})?\s+(?:is|would\s+be|should\s+be|ist|est|es)|<\s?(?:{NOUN}|{_ASKED_FOR_NOUN})\s?>|####|\\f?box(?:ed)?\{{"
    # A heading: "## Answer".
    rf"|(?:^|\n)[#* ]{{0,6}}(?:final\s)?(?:{NOUN}|{_ASKED_FOR_NOUN})[* ]{{0,3}}\n)\W{{0,8}}(?:text\{{)?\W{{0,8}}$"
)
_SELVES = frozenset(("ai", "bot", "chatbot", "assistant", "model", "machine", "llm", "robot"))
_SELF = re.compile(
    r"(?:(?:^|[.!?,;:\n—])\W{0,3}(?:(?:but|and|speaking)\s)?as|\b(?:im|i\sam))\s(?:(?:just|only)\s)?an?\s(?:\w{1,12}\s)?"
    r"(?:ai|(?:chat)?bot|assistant|(?:language\s)?model|machine|llm|robot)(?:\s(?:language\s)?(?:model|assistant|system|chatbot))?"
    r"(?=\s?[,;.!(]|\s(?:and|i|developed|created|trained|designed|without)\b)"
)
"""What a reply says of who wrote it, where that is a label as well: "As an AI, I cannot tell"."""
# What ends the clause that names the label: a stop, a bracket, a reason.
_CLAUSE = re.compile(
    r"[\s*\"'`)\]}]{0,9}(?:[.,;!|<\n—–(}]|-\s|(?<=[\])}])\s|(?<=\s)(?:because|since|as|due)\b)\W{0,9}"
    r"(?:(?:and|or|but|nor|maybe|perhaps|possibly)\W{1,9})?"
)
_AFTER_SECOND_LABEL = re.compile(r"\W{0,9}(?:$|\n|(?:and|or|but|nor|maybe|perhaps)\b)|[*\"'`)\]]{0,4}\s?[.,;!?/)]")
_ASIDE = re.compile(r"[(\[][^()\[\]]{1,300}[)\]](?=[*_]{0,3}\s{0,2}[:=])")
"""Before a colon, in brackets: it may say between what is chosen, "Label (positive, negative): negative"."""
# A sign before a number, as in +3; not the plus of c+1.
_PLUS = re.compile(r"(?<![\w)+.])\+(?=\d)")
_AT_FIRST = re.compile(
    r"(?:(?:^|(?<=[.!?;\n]))\W{0,4}(?:(?:at\sfirst|initially),?\s(?:i\s(?:thought|leaned|was)|glance|sight|look)|on\sfirst\s(?:read\w{0,3}|glance|look)"
    r"|i\s(?:first|initially)\s(?:thought|leaned)|my\s(?:first|initial)\s(?:thought|guess|impression|instinct|reaction|read\w{0,3}))\b[^.!?;\n]{0,120}?"
    r"|(?:^|(?<=[.!?;\n]))\W{0,4}(?:i|id|it\s(?:seem|look|sound|appear)(?:s|ed))\s[^.!?;\n]{0,60}\bat\sfirst)(?:[.;,]\s?|\s)(?:but|however|yet)\b"
)
"""What something seemed before it was looked into: "At first glance it looks positive, but …"."""
_DECIMAL = re.compile(r"(?<![\w.,])(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?(?![0-9]|[.,][0-9])")
_SHARE = re.compile(r"[^\w\n]{0,4}(?:[0-9]{1,3}(?:[.,][0-9]{1,9})?\s?%|[01]?\.[0-9])")
_ELEMENT = re.compile(r"<\s?(?:final[ -]?)?answer\s?>([^<>]{0,2000})<\s?/")


@dataclass(frozen=True, slots=True)
class LabelReader:
    """The one label that a reply names, spelled as in `labels`.

    Case, punctuation, markdown, and space against underscore against hyphen make no difference; the longest label wins
    ("very positive" over "positive"). Not counted are labels that are denied ("not spam", "rather than spam") and
    labels that are common words and go on as such ("no idea"). A reply that names one label means it. Of several, one
    is meant if: the first line is nothing else, or the last one below sentences; or it is announced ("Answer: refund",
    `"label": "refund"`, "the answer is refund") and a reason or nothing follows, the last one; or the reply opens with
    it as a clause of its own ("Yes, because there is no …"); or it alone is in bold; or it is what follows the last
    question; or it alone stands in the claim that the reply begins with, before a reason ("It is spam because …").
    Otherwise the reply
    cannot be read.
    """

    labels: tuple[str, ...]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _spelling: dict[str, str] = field(init=False, repr=False, compare=False)
    _scale: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _worths: dict[Fraction, str] = field(init=False, repr=False, compare=False)
    _ornaments: dict[int, None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.labels:
            raise ConfigError("answer 'label' needs the task's labels, and it has none: give labels = [...]")
        spelling: dict[str, str] = {}
        pictures = ornaments(self.labels)
        object.__setattr__(self, "_ornaments", pictures)
        for label in self.labels:
            key = key_of(label.translate(pictures))
            if not re.search(r"\w", key):
                raise ConfigError(
                    f"label {label!r} has no letter or digit, so it cannot be found in a reply: use answer = 'line'"
                )
            if spelling.setdefault(key, label) != label:
                raise ConfigError(
                    f"labels {spelling[key]!r} and {label!r} differ only in case or punctuation: rename one of them"
                )
        # The longest first: "very positive" is no "positive".
        ordered = sorted((label.translate(pictures) for label in spelling.values()), key=len, reverse=True)
        object.__setattr__(self, "_spelling", spelling)
        object.__setattr__(self, "_scale", scale_of(self.labels))
        object.__setattr__(self, "_worths", worths_of(self.labels))
        object.__setattr__(self, "_pattern", re.compile("|".join(map(pattern_of, ordered))))

    def __call__(self, reply: str) -> str | None:
        """The label, or None."""
        said = spoken(reply)
        if said is None:
            return None
        trimmed = said.strip()
        # As almost all short replies are: no pattern is needed.
        if trimmed in self.labels:
            return trimmed
        return read_first(trimmed, self._label_in)

    def _label_in(self, text: str) -> str | None:
        trimmed = without_struck(text).translate(self._ornaments)
        folded = fold(trimmed if trimmed.isascii() else in_latin(trimmed))
        folded = _DECIMAL.sub(self._as_label, folded) if self._worths else folded
        folded = folded if self._scale is None else self._scale.sub("", folded)
        if "+" in folded and not any(label.strip().startswith("+") for label in self.labels):
            folded = _PLUS.sub("", folded)
        folded = _ASIDE.sub(self._unless_options, folded)
        folded = folded if _SELVES.isdisjoint(self._spelling) else _SELF.sub(" ", folded)
        # The last element is the answer; those before it may be drafts.
        for inner in reversed(_ELEMENT.findall(folded) if "<" in folded else []):
            found = self._read(inner.strip())
            if found is not None:
                return found
        return self._read(folded)

    def _unless_options(self, aside: re.Match[str]) -> str:
        return " " if len({self._name(each) for each in self._pattern.finditer(aside.group())}) > 1 else aside.group()

    def _as_label(self, number: re.Match[str]) -> str:
        """A number as the label spells it that is worth the same: 4.0 is 4."""
        return self._worths.get(Fraction(number.group()), number.group())

    def _read(self, folded: str) -> str | None:
        named = [match for match in self._pattern.finditer(folded) if not self._in_passing(match, folded)]
        if not named:
            return None
        seemed = [match.span() for match in _AT_FIRST.finditer(folded)]
        looked_into = [each for each in named if not any(begin <= each.start() < end for begin, end in seemed)]
        # "Positive at first, but I cannot tell" names no other.
        named = looked_into if looked_into else named
        chosen = ticked(folded, [(*match.span(), self._name(match)) for match in named])
        if chosen is not None:
            return chosen
        meant = self._not_denied(named, folded)
        names = list(dict.fromkeys(map(self._name, meant)))
        if not names:
            return self._opposite(named, folded)
        if len(names) == 1:
            return names[0]
        # "positive (40 %), negative (60 %)" weighs them.
        if all(_SHARE.match(folded, match.end()) for match in meant):
            return None
        corrected = CORRECTED.search(folded, meant[0].end()) is not None
        # What is taken back ("Positive. Wait, …") is no answer for standing first.
        first_line = None if corrected else self._first_line(folded)
        announced = self._announced(folded, meant) if first_line is None else first_line
        opening = self._opening(folded, meant[0]) if announced is None and not corrected else announced
        bold = self._bold(folded, meant) if opening is None else opening
        # "Yes or no? No." asks itself first.
        said = folded.rpartition("?")[2] if bold is None and "?" in folded else ""
        if said.strip():
            return self._read(said)
        end = 0 if bold or corrected else claim_end(folded)
        claimed = {self._name(each) for each in meant if each.end() <= end}
        if len(claimed) == 1:
            return claimed.pop()
        return self._closing(folded) if bold is None else bold

    def _name(self, match: re.Match[str]) -> str:
        return self._spelling[key_of(match.group())]

    def _in_passing(self, match: re.Match[str], folded: str) -> bool:
        word = match.group()
        if word in _OF_SAYING:
            return _TO_SAY.match(folded, match.end()) is not None
        if word not in _PASSING or not _GOES_ON.match(folded, match.end()):
            return False
        if word == "no":
            return not _STATED.match(folded, match.end())
        return word not in ("a", "i") or not _IS_OR_WAS.match(folded, match.end())

    def _not_denied(self, matches: Sequence[re.Match[str]], folded: str) -> list[re.Match[str]]:
        kept: list[re.Match[str]] = []
        end, denied = 0, False
        for match in matches:
            denied = (denied and is_shared(folded, end, match.start())) or is_denied(folded, *match.span())
            end = match.end()
            if not denied:
                kept.append(match)
        return kept

    def _opposite(self, denied: Sequence[re.Match[str]], folded: str) -> str | None:
        """The label that says that the one denied label is not so, where there is one: "non-toxic", "unsafe"."""
        if any(leaves_open(folded, *match.span()) for match in denied):
            return None
        keys = list({key_of(self._name(match)) for match in denied})
        if len(keys) != 1:
            return None
        opposites = [no + keys[0] for no in ("not", "non", "no")]
        # A third label may say what is neither.
        if len(self.labels) == 2 and all(denies_plainly(folded, *match.span()) for match in denied):
            opposites += [*(no + keys[0] for no in _NO), _OPPOSITES.get(keys[0], "")]
            # "It is not unsafe."
            opposites += [keys[0].removeprefix(no) for no in (*_NO, "not", "non", "no") if keys[0].startswith(no)]
        return next((self._spelling[each] for each in opposites if each in self._spelling), None)

    def _alone(self, line: str) -> str | None:
        match = self._pattern.search(line)
        if match is None or re.search(r"\w", line[: match.start()] + line[match.end() :]):
            return None
        return self._name(match)

    def _first_line(self, folded: str) -> str | None:
        lines = [line for line in folded.split("\n") if re.search(r"\w", line)]
        first = self._alone(lines[0])
        # A list of the labels, one a line, is no answer.
        listed = first is not None and len(lines) > 1 and self._alone(lines[1]) not in (None, first)
        return None if listed else first

    def _closing(self, folded: str) -> str | None:
        """The label that the reply ends in, in a line of its own below sentences that weigh the labels."""
        above, _, last = folded.rstrip().rpartition("\n")
        above = above.rstrip("\n \t")
        weighed = above.rpartition("\n")[2]
        # Not below another label, as in a list, nor below a field without a value: "Cons:".
        if not weighed.endswith((".", "!", ")", '"', "*")) or self._alone(weighed) is not None:
            return None
        return self._alone(last)

    def _announced(self, folded: str, meant: Sequence[re.Match[str]]) -> str | None:
        asked: list[str] = []
        other: list[str] = []
        for match in meant:
            before = folded[max(0, match.start() - 80) : match.start()]
            cue = _CUE.search(before)
            said = _I_SAY.search(before)
            announced = (cue is not None and self._asks(cue["cue"])) or said is not None
            if not announced or not self._ends(folded, match):
                continue
            if self._is_taken_back(folded, match, meant):
                continue
            strong = said is not None or (cue is not None and _NAMES_ANSWER.search(cue["cue"]) is not None)
            (asked if strong else other).append(self._name(match))
        if asked:
            return asked[-1]
        return other[0] if len(dict.fromkeys(other)) == 1 else None

    def _asks(self, cue: str) -> bool:
        """Whether it asks for the reply's answer: "Yes/no:" does by all labels, "positive:" speaks of one."""
        named = {self._name(each) for each in self._pattern.finditer(cue)}
        # "Minor/major:" is of no other answer, for these are the labels.
        return len(named) > 1 or (not named and _NOT_ASKED.search(cue) is None)

    def _is_taken_back(self, folded: str, match: re.Match[str], meant: Sequence[re.Match[str]]) -> bool:
        """Whether another label is named behind a correction: "Answer: positive. Wait, negative."."""
        corrected = CORRECTED.search(folded, match.end())
        return corrected is not None and any(
            each.start() >= corrected.start() and self._name(each) != self._name(match) for each in meant
        )

    def _ends(self, folded: str, match: re.Match[str]) -> bool:
        """Whether nothing follows the label, or a clause of its own that does not list other labels."""
        if not WORD_CHARACTER.search(folded, match.end()):
            return True
        clause = _CLAUSE.match(folded, match.end())
        if clause is None:
            return False
        following = self._pattern.match(folded, clause.end())
        if following is None or self._in_passing(following, folded):
            return True
        return _AFTER_SECOND_LABEL.match(folded, following.end()) is None

    def _opening(self, folded: str, first: re.Match[str]) -> str | None:
        if WORD_CHARACTER.search(folded, 0, first.start()) or not self._ends(folded, first):
            return None
        return self._name(first)

    def _bold(self, folded: str, meant: Sequence[re.Match[str]]) -> str | None:
        bold = [m for m in meant if folded.endswith("**", 0, m.start()) and folded.startswith("**", m.end())]
        names = list(dict.fromkeys(map(self._name, bold)))
        return names[0] if len(names) == 1 else None
