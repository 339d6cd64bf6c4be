"""What people say of pairs of replies: sheets read strictly, and several people put together."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from promptopt.errors import DataError
from promptopt.text import counted
from promptopt.trust.agreement import agreement, alpha

Side = tuple[float, float]
"""What one person says of one pair: the worth of the start's reply and of the winner's, in [0, 1]."""
Kind = Literal["better", "scores"]

OPPOSITE = -0.5
"""Alpha below which people do not differ by chance. Ours."""
POOR = 0.2
"""Alpha below which people agree hardly more than by chance (the lowest of Landis and Koch's steps, 1977)."""
_FIRST_OR_SECOND = re.compile(r"(?:reply[ _])?([ab])(?: (?:is )?(?:the )?better(?: one| reply)?| ?>{1,2} ?(?!\1)[ab])?")
_LOOK_ALIKES = str.maketrans("аαвβ", "aabb")
"""Letters of other keyboards that nobody can tell from A and B once they are written as capitals, in small ones."""
_TIES = ("tie", "tied", "a tie", "draw", "equal", "equally good", "same", "the same", "both", "neither",
         "no difference", "=", "a=b", "b=a", "unentschieden", "gleich", "égalité", "empate", "pareggio",
         "gelijk")  # fmt: skip
MOSTLY = 0.7
"""Share of pairs of labels above which people are mostly of one mind. Ours."""
LEAST_SHARED = 10
"""Items that a person shares with others before they are said to stand apart. Ours."""
_GRADE = re.compile(r"-?\d{1,6}(?:[.,]\d{1,6})?")


@dataclass(frozen=True, slots=True)
class HumanLabels:
    """The words of people by item, each person's once. `asked`: items of the sheets. `people`: those who labelled.

    `winner_first`: items whose reply A is the winner's. `equal`: those whose replies are one and the same, which come
    as ties; `unequal`: labels that said otherwise of them.
    """

    by_item: Mapping[str, tuple[Side, ...]]
    asked: frozenset[str]
    people: tuple[str, ...]
    kind: Kind
    apart: str = ""
    """A sentence on one person who says otherwise than the others do among themselves; empty where there is none."""
    winner_first: frozenset[str] = frozenset()
    equal: frozenset[str] = frozenset()
    unequal: int = 0

    @property
    def blank(self) -> int:
        """How many items of the sheets nobody has labelled."""
        return len(self.asked - self.by_item.keys())

    def side(self, item: str) -> Side:
        """The mean of what people say of an item."""
        sides = self.by_item[item]
        return sum(start for start, _ in sides) / len(sides), sum(winner for _, winner in sides) / len(sides)

    def together(self) -> Agreement | None:
        """How far people agree; None where nothing was labelled by two. The sheet's own ties are nobody's word.

        Chance is that of the A and B which they saw, in an order that was drawn: where nearly all find the winner
        better, hardly anything would be more than the chance of start and winner.
        """
        shared = [
            [_sign(side) * (-1.0 if item in self.winner_first else 1.0) for side in sides]
            for item, sides in self.by_item.items()
            if len(sides) > 1 and item not in self.equal
        ]
        if not shared:
            return None
        pairs = [pair for signs in shared for pair in itertools.combinations(signs, 2)]
        return Agreement(len(shared), agreement(pairs), alpha(shared))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree on which reply is better. `share`: of pairs of people; `alpha`: Krippendorff's, nominal."""

    items: int
    share: float
    alpha: float | None

    def sentence(self) -> str:
        """What that means for a verdict."""
        measure = "alpha is undefined, as all say the same" if self.alpha is None else f"alpha {self.alpha:.2f}"
        were = f"{counted(self.items, 'item')} {'was' if self.items == 1 else 'were'}"
        said = f"{were} labelled by several people, who agree in {self.share:.0%} ({measure})"
        if self.share == 1.0:
            return f"{said}."
        # One item tells nothing of people: any two differ somewhere.
        poor = self.items > 1 and self.alpha is not None and self.alpha < POOR
        advice = ": hardly more than by chance; say in the criteria what decides, and label again" if poor else ""
        # Less than by chance, on so many: not of two minds, but of opposite ones.
        if self.items >= LEAST_SHARED and self.alpha is not None and self.alpha < OPPOSITE:
            advice = ": they say the opposite of one another, as where somebody took A for B; ask them, and label again"
        return f"{said}; where they differ their mean counts{advice}."


@dataclass(slots=True)
class _SoFar:
    """What was read so far. `people`: as each first wrote their name."""

    sides: dict[str, dict[str, Side]] = field(default_factory=dict[str, dict[str, Side]])
    asked: set[str] = field(default_factory=set[str])
    kinds: dict[Kind, str] = field(default_factory=dict[Kind, str])
    people: dict[str, str] = field(default_factory=dict[str, str])
    unequal: int = 0

    def person(self, name: str) -> str:
        """Who it is: whoever writes `ann` in one row and `Ann ` in another is one, of two minds or not."""
        return self.people.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), name)


def read_labels(
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    winner_first: Mapping[str, bool],
    scale: tuple[float, float] | None,
    replies: Mapping[str, tuple[str, str]] | None = None,
) -> HumanLabels:
    """The labels in `rows`, each with where it stands (`sheet.csv, row 3`).

    `winner_first`: by item, whether reply A is the winner's. `scale`: of scores, where there are some. `replies`: A and
    B of each item, against which rows that still hold them are checked. A row holds `better` (A, B or tie) or `score_a`
    and `score_b`, all rows the same; who says it, in `labeler`. Raises DataError for what cannot be meant.
    """
    read = _SoFar()
    shown: Mapping[str, tuple[str, str]] = {} if replies is None else replies
    known = {item: (_comparable(a), _comparable(b)) for item, (a, b) in shown.items()}
    every = {reply for pair in known.values() for reply in pair}
    # To the letter, as the sheet has them: a list on lines of its own is not the same list in a row.
    equal = frozenset(item for item, (a, b) in shown.items() if a == b)
    for place, written in rows:
        # Spreadsheets and people write heads anew: `Score A` is `score_a`.
        row = {"_".join(str(name).casefold().split()): value for name, value in written.items()}
        if not any(_cell_of(row, name) for name in row):
            continue
        item = _item_of(place, row, winner_first)
        read.asked.add(item)
        found = _side(place, row, scale, read)
        if found is None:
            continue
        _check_place(place, row, known.get(item), every)
        first, second = found
        if item in equal and first != second:
            # One text is as good as itself, whatever somebody wrote who did not see that.
            read.unequal += 1
            first = second = (first + second) / 2.0
        side = (second, first) if winner_first[item] else (first, second)
        # A sheet without names is one person's.
        person = read.person(_cell_of(row, "labeler") or place.rpartition(", row ")[0])
        before = read.sides.setdefault(item, {}).setdefault(person, side)
        if before != side:
            raise DataError(f"{place}: {person!r} says something else of {item!r} than in an earlier row; keep one")
    _check_one_kind(read.kinds)
    people = dict.fromkeys(person for sides in read.sides.values() for person in sides)
    by_item = {item: tuple(sides.values()) for item, sides in read.sides.items()}
    kind: Kind = "scores" if "scores" in read.kinds else "better"
    apart = _apart({item: said for item, said in read.sides.items() if item not in equal}, list(people))
    first = frozenset(filter(winner_first.__getitem__, winner_first))
    return HumanLabels(by_item, frozenset(read.asked), tuple(people), kind, apart, first, equal, read.unequal)


def _check_one_kind(kinds: Mapping[Kind, str]) -> None:
    if len(kinds) > 1:
        raise DataError(
            f"{' and '.join(kinds.values())} are labelled in two manners; fill in `better` in every row, or both "
            f"scores in every row"
        )


def _item_of(place: str, row: Mapping[str, Any], known: Collection[str]) -> str:
    """The item that a row is of. Raises DataError where it names none of the sheet's."""
    if "item" not in row:
        raise DataError(f"{place}: there is no column `item`; give the sheet that `promptopt label` wrote, with it")
    item = _cell_of(row, "item")
    if item not in known:
        raise DataError(
            f"{place}: the item is {item!r}, which is not in this run's sheet; give the sheet that `promptopt label` "
            f"wrote for this run, with its column `item`"
        )
    return item


def _apart(sides: Mapping[str, Mapping[str, Side]], people: Sequence[str]) -> str:
    """Whoever mostly says the opposite of the others; a person who took A for B does.

    The others are two or more, and mostly of one mind: of two people who differ nobody knows which is right.
    """
    for person in people if len(people) > 2 else ():
        own: list[float] = []
        rest: list[tuple[float, float]] = []
        for said in sides.values():
            signs = {name: _sign(side) for name, side in said.items()}
            others = [sign for name, sign in signs.items() if name != person]
            rest += itertools.combinations(others, 2)
            own += [signs[person] * sign for sign in others] if person in signs else []
        against = sum(each < 0.0 for each in own)
        if len(own) >= LEAST_SHARED and 2 * against > len(own) and agreement(rest) > MOSTLY:
            return (
                f"{person!r} says the opposite of the others in {against} of {counted(len(own), 'pair')} of labels, "
                f"and these agree among themselves in {agreement(rest):.0%}: ask whether they took A for B, or read "
                f"the criteria otherwise"
            )
    return ""


def _check_place(place: str, row: Mapping[str, Any], pair: tuple[str, str] | None, every: Collection[str]) -> None:
    """Raise DataError where the replies of a row are those of the sheet in other places: its label is of others then.

    Texts that are not in the sheet at all, cut or rewritten by a program, say nothing.
    """
    shown = _comparable(_cell_of(row, "reply_a")), _comparable(_cell_of(row, "reply_b"))
    if pair is None or not all(shown) or shown == pair:
        return
    if shown == pair[::-1]:
        raise DataError(
            f"{place}: reply_a and reply_b have changed places, so nobody knows which one the label is of; put the "
            f"columns back as `promptopt label` wrote them"
        )
    if any(reply in every and reply not in pair for reply in shown):
        raise DataError(
            f"{place}: the replies belong to another item, as where one column was sorted and the others were not; "
            f"take the sheet as `promptopt label` wrote it, and sort all of its columns together"
        )


def _comparable(reply: str) -> str:
    """A reply as it can be told again whatever a spreadsheet made of its spaces, and of what it took for a formula."""
    return " ".join(unicodedata.normalize("NFKC", reply).split()).removeprefix("'").strip()


def _side(place: str, row: Mapping[str, Any], scale: tuple[float, float] | None, read: _SoFar) -> Side | None:
    """The worth of replies A and B; None for a blank row."""
    better, scores = _cell_of(row, "better"), [_cell_of(row, name) for name in ("score_a", "score_b")]
    if not better and not any(scores):
        return None
    if better:
        # Where it first stood, for the error on sheets that mix both manners.
        read.kinds.setdefault("better", place)
        value = _choice(better)
        if value is None:
            raise DataError(f"{place}: better is {better!r}; write A, B or tie")
        _check_scores_beside(place, better, value, scores)
        # A preference has no size: how far a tie lies below a win is how far it lies above a loss.
        return value, 1.0 - value
    read.kinds.setdefault("scores", place)
    if scale is None:
        raise DataError(f"{place}: there are scores, and this run's judge has no scale for them; fill in `better`")
    low, high = scale
    values: list[float] = []
    for name, text in zip(("score_a", "score_b"), scores, strict=True):
        # Spreadsheets write decimals as their country does.
        number = float(text.replace(",", ".")) if _GRADE.fullmatch(text) else None
        if number is None or not low <= number <= high:
            raise DataError(f"{place}: {name} is {text!r}; write a number from {low:g} to {high:g}")
        values.append((number - low) / (high - low))
    return values[0], values[1]


def _check_scores_beside(place: str, better: str, value: float, scores: Sequence[str]) -> None:
    """Raise DataError where scores beside a choice say the opposite: one is a slip, and nobody knows which."""
    if all(_GRADE.fullmatch(text) for text in scores):
        first, second = (float(text.replace(",", ".")) for text in scores)
        if (first - second) * (value - 0.5) < 0.0:
            raise DataError(
                f"{place}: better is {better!r}, and the scores {scores[0]} and {scores[1]} say the opposite; correct "
                f"one of them"
            )


def _choice(better: str) -> float | None:
    """The worth of reply A where it was compared with B; None for what nobody knows the meaning of."""
    plain = unicodedata.normalize("NFKC", better).casefold().strip(" .,;:!()[]\"'*")
    if len(plain) == 1:
        plain = plain.translate(_LOOK_ALIKES)
    found = _FIRST_OR_SECOND.fullmatch(plain)
    if found is not None:
        return 1.0 if found[1] == "a" else 0.0
    return 0.5 if plain in _TIES or plain.replace(" ", "") in _TIES else None


def preference(side: Side) -> Side:
    """A preference as worth: 0.5 for the start, and for the winner 1, 0.5, 0 or what lies between."""
    return 0.5, 0.5 + (side[1] - side[0]) / 2.0


def _sign(side: Side) -> float:
    return float((side[1] > side[0]) - (side[1] < side[0]))


def _cell_of(row: Mapping[str, Any], name: str) -> str:
    # Spreadsheets give numbers, and nothing for an empty cell.
    value = row.get(name)
    return "" if value is None else str(value).strip()


def sheet_rows(fields: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows as a spreadsheet may show them: what it would take for a formula is kept a text."""
    return [
        {name: f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value for name, value in row.items()}
        for row in fields
    ]
