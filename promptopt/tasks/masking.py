"""Personal data out of logs: what rules can find is replaced by what it is, as `[email]`.

Within one conversation the same value has the same mark, and another one has another (`[email 2]`). Names are found
where the log says that something is one (a variable `name`), and where they are listed; no rule finds the others.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import cast

from promptopt.tasks.personal import is_personal, pattern_of, personal_spans
from promptopt.tasks.reading.speakers import SHOWN_TURNS
from promptopt.text import counted
from promptopt.types import Message

# What a template fills is no data: a customer may be called as a variable is.
_SLOT = re.compile(r"\{\{-?\s*[\w.]+(?:\s*\|[^{}]*)?\s*-?\}\}|\{%[^{}]*%\}|\$?\{[A-Za-z_]\w*\}")
_BRACKETED_MARK = re.compile(r"\[[\w ]+\]")
_TITLE_WORDS = frozenset({"dr", "prof", "mr", "mrs", "ms", "miss", "herr", "frau", "mme", "sir"})
_NAME_KIND = "name"
_PEOPLE = frozenset({"customer", "user", "client", "caller", "contact", "guest", "patient", "person", "sender", "kunde",
                     "nutzer", "cliente", "usuario", "utilisateur"})  # fmt: skip
_WHOLE_NAME = re.compile(r"[^\W\d_a-z][\w'’.-]*(?: [\w'’.-]+){0,2} [^\W\d_a-z][\w'’-]*")
"""Two to four words, the first and the last with a capital."""


@dataclass(slots=True)
class Masker:
    """Replaces what is personal, and counts it by kind.

    `own`: a text whose numbers and addresses are the operator's own, such as the system prompt: they stay, since
    replies are scored by them. `names`: people to look for in every conversation.
    """

    own: str = ""
    names: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter[str])
    _renamed: dict[str, str] = field(default_factory=dict[str, str])

    def conversation(self, variables: Iterable[tuple[str, str]] = ()) -> Mask:
        """What masks one conversation with these variables."""
        named = {each.strip(): _NAME_KIND for each in self.names if each.strip()}
        return Mask(self, {**named, **personal_values(variables)})

    def group(self, name: str, mask: Mask) -> str:
        """The name of a conversation; a number in its place where it is personal, as a customer's address is.

        One name has one number in all rows, so that what belongs together still does.
        """
        if name not in self._renamed:
            plain = mask.text(name) == name
            self._renamed[name] = name if plain else f"masked {len(self._renamed) + 1}"
        return self._renamed[name]

    def said(self) -> str:
        """What was masked, in a sentence."""
        found = [
            counted(count, kind, f"{kind}es" if kind.endswith("s") else "")
            for kind, count in sorted(self.counts.items())
            if count
        ]
        what = ", ".join(found) if found else "nothing: no rule found personal data"
        return f"masked {what}; rules find neither all names nor all addresses, so look the file through"


@dataclass(slots=True)
class Mask:
    """What masks one conversation. `personal`: texts known to be personal, with what each is."""

    masker: Masker
    personal: Mapping[str, str]
    _places: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    _patterns: list[tuple[re.Pattern[str], str]] = field(default_factory=list[tuple[re.Pattern[str], str]])

    def __post_init__(self) -> None:
        # Once for all texts of a conversation. The longest first: a first name would be taken out of a whole one, and
        # leave the rest.
        for value in sorted(self.personal, key=lambda each: (-len(each), each)):
            for whole in dict.fromkeys((value, _untitled(value), _given_name_first(_untitled(value)))):
                self._patterns.append((pattern_of(whole), value))
        # Whole names first, everywhere: then the parts by which people call each other.
        for value, kind in self.personal.items():
            for part in _parts_of_name(value, kind):
                spelt = re.sub("['’]", "['’]", re.escape(part))
                self._patterns.append((re.compile(rf"(?<!\w){spelt}(?!\w)"), value))

    def text(self, text: str) -> str:
        """`text` masked; the slots of a template in it stay."""
        for pattern, value in self._patterns:
            text = self._listed(text, pattern, value, self.personal[value])
        own = self.masker.own.casefold()
        pieces: list[str] = []
        past = 0
        for kind, start, stop in sorted(personal_spans(text), key=lambda each: each[1]):
            if text[start:stop].casefold() not in own:
                pieces += [text[past:start], self._mark(kind, text[start:stop])]
                past = stop
        return "".join([*pieces, text[past:]])

    def message(self, message: Message) -> Message:
        """The message masked, arguments of calls included, and without the name of who speaks."""
        calls = tuple(replace(call, arguments=self.text(call.arguments)) for call in message.tool_calls)
        name = message.name if message.role == "tool" or message.name in SHOWN_TURNS else ""
        return replace(message, content=self.text(message.content), tool_calls=calls, name=name)

    def value(self, value: object) -> object:
        """JSON with all texts in it masked."""
        if isinstance(value, dict):
            return {key: self.value(each) for key, each in cast("dict[str, object]", value).items()}
        if isinstance(value, list):
            return [self.value(each) for each in cast("list[object]", value)]
        return self.text(value) if isinstance(value, str) else value

    def _listed(self, text: str, pattern: re.Pattern[str], value: str, kind: str) -> str:
        """`text` without what `pattern` finds of a known value, but in slots and in marks that were set."""
        if pattern.search(text) is None:
            return text
        kept = sorted(match.span() for each in (_SLOT, _BRACKETED_MARK) for match in each.finditer(text))
        starts = [start for start, _ in kept]
        ends = [*accumulate((stop for _, stop in kept), max)]

        def mark(found: re.Match[str]) -> str:
            before = bisect_right(starts, found.start())
            inside = before > 0 and found.start() < ends[before - 1]
            return found[0] if inside else self._mark(kind, value)

        return pattern.sub(mark, text)

    def _mark(self, kind: str, value: str) -> str:
        """What stands for a value: of its kind the first without a number."""
        self.masker.counts[kind] += 1
        known = self._places.setdefault(kind, {})
        # However it is spaced: one number is one telephone.
        place = known.setdefault(re.sub(r"[\s().-]|/(?=\d)", "", value).casefold(), len(known) + 1)
        return f"[{kind}]" if place == 1 else f"[{kind} {place}]"


def personal_values(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values that are personal by the name of their variable, with that name; very short ones are not looked for.

    Where a variable is called as people are, as `customer` is, a whole name is one; it may also hold `premium`.
    """
    held = [(name, value.strip()) for name, value in variables]
    people = {value: _NAME_KIND for name, value in held
              if name.casefold() in _PEOPLE and _WHOLE_NAME.fullmatch(_untitled(value))}  # fmt: skip
    return {**people, **{value: name for name, value in held if is_personal(name) and len(value) > 2}}


def _untitled(value: str) -> str:
    """The name without titles; as it is, where nothing else would be left."""
    words = [word for word in value.split() if word.casefold().rstrip(".") not in _TITLE_WORDS]
    return " ".join(words) if len(words) > 1 else value


def _given_name_first(value: str) -> str:
    """`Lee, Ann` as people write it elsewhere."""
    last, comma, first = value.partition(",")
    return f"{first.strip()} {last.strip()}" if comma and first.strip() and "," not in first else value


def _parts_of_name(value: str, kind: str) -> list[str]:
    """The words of a whole name by which somebody may be called alone, in the cases in which names are written."""
    words = [word.strip(",;.") for word in _untitled(value).split()]
    if _NAME_KIND not in kind.casefold() or len(words) < 2:
        return []
    # Of a name in small letters all words are names; elsewhere such a one is `van`.
    small = not any(word[:1].isupper() for word in words)
    called = [
        word
        for word in words
        if len(word) > 2 and (small or word[0].isupper()) and re.sub(r"['’-]", "", word).isalpha()
    ]
    return list(
        dict.fromkeys(each for word in called for each in (word[0].upper() + word[1:], word.capitalize(), word.upper()))
    )
