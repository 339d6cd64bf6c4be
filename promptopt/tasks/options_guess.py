"""Options in the columns of published multiple choice: a list in one column, or a column for each option."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import cast

from promptopt.tasks.several_answers import written_value
from promptopt.tasks.target_kinds import LETTER_TARGET, TargetGuess, guess_of_letters

ROWS_LOOKED_AT = 50
"""The first rows of a file, by which its options are known. Ours."""
_OPTION_COLUMNS = frozenset(
    {"choices", "options", "endings", "candidates", "alternatives", "answer_choices", "answer_options"}
)
_STEMS = frozenset({"", "op", "opt", "option", "choice", "ending", "sol", "solution", "candidate", "alternative"})
"""What data sets call such a column. Only these: `sentence1` and `sentence2` beside the label 1 are no options."""
_NUMBERED_COLUMN = re.compile(r"(?P<stem>[a-z]*)[ _-]?(?P<place>\d+|[a-j])", re.IGNORECASE)
_OPTION_MARK = re.compile(r"\s*\(?[A-J0-9]\s?[).:]")


@dataclass(frozen=True, slots=True)
class Options:
    """Where the options of a question stand. `columns`: one that holds them all, or one for each, in their order.

    `count`: how many there are at most. `marked`: each says its letter itself.
    """

    columns: tuple[str, ...]
    count: int
    marked: bool

    def indices(self, targets: Collection[str]) -> int | None:
        """What the targets count from, where they are numbers of options; None for other targets.

        A number that an option is called by (`option1`) needs no other name.
        """
        if not targets or not all(target.isascii() and target.isdigit() for target in targets):
            return None
        numbers = {int(target) for target in targets}
        first = 0 if 0 in numbers else 1
        called = len(self.columns) > 1 and all(re.search(rf"{first + i}$", each) for i, each in enumerate(self.columns))
        return first if max(numbers) < first + self.count and not called else None

    def are_meant_by(self, targets: Collection[str]) -> bool:
        """Whether the targets are letters or numbers of these options."""
        letters = [LETTER_TARGET.fullmatch(target) for target in targets]
        known = ascii_uppercase[: self.count]
        return bool(targets) and (
            all(letter is not None and letter[1] in known for letter in letters)
            or all(map(self._is_number, targets))
            or self.is_called_by_both(targets)
        )

    def is_called_by_both(self, targets: Collection[str]) -> bool:
        """Whether each option says its letter or its number, and some targets are letters and some numbers: ARC."""
        numbers = [target for target in targets if self._is_number(target)]
        letters = [target for target in targets if len(target) == 1 and target in ascii_uppercase[: self.count]]
        said = self.marked and len(self.columns) == 1
        return said and bool(numbers) and bool(letters) and len(numbers) + len(letters) == len(targets)

    def _is_number(self, target: str) -> bool:
        return target.isascii() and target.isdigit() and int(target) <= self.count

    def explained(self) -> str:
        """Which letter is which option, as a clause; empty where options say it themselves."""
        if self.marked:
            return ""
        if len(self.columns) == 1:
            return f"(A) is the first of the {self.columns[0]}, (B) the second, and so on"
        named = [f"({letter}) is {column}" for letter, column in zip(ascii_uppercase, self.columns, strict=False)]
        return ", ".join(named)


def options_in(rows: Sequence[Mapping[str, object]], targets: Collection[str]) -> Options | None:
    """The options that the targets choose between; None where the rows show none."""
    first = rows[0]
    for column in first:
        if (
            column.casefold() in _OPTION_COLUMNS
            and (found := _options_in_column(column, [row.get(column) for row in rows])) is not None
        ):
            return found if found.are_meant_by(targets) else None
    families: dict[str, list[str]] = {}
    for column in first:
        match = _NUMBERED_COLUMN.fullmatch(column)
        # Columns called 1, 2, 3 may hold anything; A, B, C are options.
        if match is not None and match["stem"].casefold() in _STEMS and (match["stem"] or match["place"].isalpha()):
            families.setdefault(match["stem"], []).append(column)
    for columns in families.values():
        places = [column[-1].casefold() for column in columns]
        ordered = any(places == list(run[: len(places)]) for run in ("0123456789", "123456789", "abcdefghij"))
        # A column called A is the option (A).
        found = Options(tuple(columns), len(columns), all(len(column) == 1 for column in columns))
        if ordered and len(columns) > 1 and found.are_meant_by(targets):
            return found
    return None


def from_options(options: Options, targets: Collection[str], field: str) -> TargetGuess | None:
    """A guess for targets that are numbers of options, both, or letters that the options do not say; else None."""
    if options.is_called_by_both(targets):
        return TargetGuess(
            why="Every target is the letter or the number of an option, as its row has it.",
            metric="exact",
            answer="label",
            max_tokens=64,
            instruction=f"Answer the {field}.",
            answer_format="Answer with the letter or number of the right option alone, as the options have it.",
            labels=tuple(sorted(targets, key=lambda target: (target.isdigit(), target))),
        )
    explained, first = options.explained(), options.indices(targets)
    # Options that say their letter are no matter of counting, but for targets that count them.
    if first is None and (not explained or not all(map(LETTER_TARGET.fullmatch, targets))):
        return None
    data: tuple[str, ...] = ()
    why = "Every target is the letter of an option."
    if first is not None:
        letters = [f'{first + place} = "{ascii_uppercase[place]}"' for place in range(options.count)]
        data = (f"classes = {{ {', '.join(letters)} }}   # the number of an option in the data, and its letter",)
        why = f"Every target is the number of an option, counted from {first}: [data] classes gives it its letter."
    return guess_of_letters(why, field, f": {explained}" if explained else "", data)


def unseen_options_sentence(options: Options | None, shown: Collection[str]) -> str:
    """A sentence where the answers choose between options that the model is not shown; else empty."""
    missing = [] if options is None else [column for column in options.columns if column not in shown]
    if not missing:
        return ""
    named = " ".join(f"--input {column}" for column in missing)
    return (
        f"the answers say which option is right, and the model is not shown {', '.join(map(repr, missing))}; "
        f"remove the file, and run this again with {named} too"
    )


def _options_in_column(column: str, cells: Sequence[object]) -> Options | None:
    """The options of a column that holds all of them; None for one that does not."""
    values = [written_value(cell) if isinstance(cell, str) else cell for cell in cells]
    if all(isinstance(value, dict) and len(cast("dict[str, object]", value)) > 1 for value in values):
        tables = [cast("dict[str, object]", value) for value in values]
        # ARC has `{"text": […], "label": […]}`; elsewhere the letters are the keys.
        held = [cast("list[object]", each["text"]) if isinstance(each.get("text"), list) else each for each in tables]
        return Options((column,), max(map(len, held)), marked=True)
    if not all(isinstance(value, list) for value in values):
        return None
    lists = [cast("list[object]", value) for value in values]
    if not all(2 <= len(entries) <= len(ascii_uppercase) for entries in lists):
        return None
    texts = [entry for entries in lists for entry in entries]
    marked = all(isinstance(entry, dict) or (isinstance(entry, str) and _OPTION_MARK.match(entry)) for entry in texts)
    return Options((column,), max(map(len, lists)), marked)
