"""From a row of a file to an example: which columns become what, and what is made of their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from promptopt.arguments import told
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.tasks.demands import demands_of
from promptopt.tasks.reading.cell_texts import (
    cell_calls_a_tool,
    cell_text,
    context_of,
    input_text,
    reply_text,
    reply_texts,
    why_no_text,
)
from promptopt.tasks.reading.row_numbers import TABLES, Where, where_is
from promptopt.text import Regex, normalise
from promptopt.types import Example

Row = Mapping[str, object]


@told
@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a user's file by name, each read as a field of that name.

    `input`: the column (or columns) the model is shown; `target`: the one with the right answer. `rejected`: the
    column (or columns) with outputs worse than the target; `solution`: the one with worked solutions. `group`: the one
    that says which rows were drawn together (a user, a conversation, a document): they stand in one split and count as
    one in a verdict; a row with an empty cell stands alone. Without an `input` the file has to hold OpenAI-Evals
    samples, which say everything themselves.
    """

    input: str | Sequence[str] | None = None
    target: str | None = None
    rejected: str | Sequence[str] | None = None
    solution: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        for role in ("input", "target", "rejected", "solution", "group"):
            given: Any = getattr(self, role)
            listed = isinstance(given, Sequence) and role in ("input", "rejected")
            named: list[Any] = list(cast("Sequence[Any]", given)) if listed else [given]
            if given is not None and not all(isinstance(name, str) for name in named):
                expected = "a column's name, or a list of them" if role in ("input", "rejected") else "a column's name"
                raise ConfigError(f"Columns({role}={given!r}): expected {expected}")
        inputs, rejected = (() if each is None else as_names(each) for each in (self.input, self.rejected))
        for name in dict.fromkeys((*inputs, *rejected)):
            # The group is not counted: a column that is shown may tell the groups too.
            roles = inputs.count(name) + rejected.count(name) + (name == self.target) + (name == self.solution)
            if roles > 1:
                raise ConfigError(f"Columns: {name!r} is named {roles} times; give each column one role")


@dataclass(frozen=True, slots=True)
class Solution:
    """Where a worked solution stands, and what is made of its text.

    `column`: None is the target column, whose text is a worked solution where it holds `ColumnRoles.target_after`.
    `without`: a regular expression; what it matches is left out. `end`: how the prompt asks a reply to close,
    `{target}` being the answer: a last line in place of `target_after` and what follows it. Empty: the text closes as
    it does in the data.
    """

    column: str | None = None
    without: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """Which columns become what. `inputs`: for each field, the column names it may have, the likeliest first.

    `classes` maps what stands in the target column to the word a model should answer; `target_after` cuts a longer
    solution down to what follows the last such mark. `rejected`: columns with outputs that the target is preferred
    to, read as the target is; a list in a cell (in CSV and TSV: a JSON list) is several. `options`: a regular
    expression that finds the options in the inputs (its group, where it has one); all but the target are rejected.
    `demands`: the column with what a reply has to say and to do (`tasks.demands`).
    `solution`: by default the target column's own text, where `target_after` cuts it. `drop`: targets that are broken
    where the data comes from; their rows are left out. `group`: as in `Columns`. `slice`: the
    column with the part of the data that a row belongs to.

    A cell may hold a conversation: its last reply is what is a target or rejected, the rest is what is an input.
    """

    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    target: str | None = None
    classes: Mapping[str, str] | None = None
    target_after: str | None = None
    rejected: tuple[str, ...] = ()
    options: str = ""
    solution: Solution | None = None
    drop: tuple[str, ...] = ()
    group: str | None = None
    slice: str | None = None
    demands: str | None = None

    def __post_init__(self) -> None:
        if self.rejected and self.options:
            raise ConfigError("both rejected and options say which outputs are the worse ones; leave one of them out")
        if self.target is None and (self.rejected or self.options):
            raise ConfigError("rejected outputs are worse than a target: say which column is the target")
        # Here, so that a wrong expression is refused before any data is read.
        for source in (self.options, "" if self.solution is None else self.solution.without):
            _expression(source)

    @classmethod
    def of(
        cls,
        input: str | Sequence[str],
        target: str | None,
        rejected: str | Sequence[str] | None = None,
        solution: str | None = None,
        group: str | None = None,
    ) -> ColumnRoles:
        """The roles of columns that are fields of the same name."""
        return cls(
            tuple((name, (name,)) for name in as_names(input)),
            target,
            rejected=() if rejected is None else as_names(rejected),
            solution=None if solution is None else Solution(solution),
            group=group,
        )

    def settled(self, path: Path, row: Row) -> ColumnRoles:
        """The same with the one name of each field that `row` has. Raises DataError for a column that is not there."""
        solution = None if self.solution is None else self.solution.column
        for name in (self.target, *self.rejected, solution, self.group, self.slice, self.demands):
            if name is not None:
                _present(path, (name,), row)
        return replace(self, inputs=tuple((field, (_present(path, names, row),)) for field, names in self.inputs))

    def example(self, path: Path, number: int, row: Row) -> Example | None:
        """As `_example`, with its slice and its demands. Raises DataError too for demands that are none."""
        found = self._example(path, number, row)
        if found is None:
            return None
        part = "" if self.slice is None else cell_text(row.get(self.slice)).strip()
        cell = None if self.demands is None else row.get(self.demands)
        given = () if self.demands is None else demands_of(cell, f"{where_is(path, number)}, column {self.demands!r}")
        return replace(found, slice=part, demands=given) if part or given else found

    def _example(self, path: Path, number: int, row: Row) -> Example | None:
        """Row `number` (from 1) of `path` as an example, with settled columns; None where its inputs are blank.

        An empty target makes an example with nothing but its inputs. Raises DataError naming the row for a target
        that is not in `classes`, and for rejected outputs or a solution that cannot be used.
        """
        where, listed = partial(where_is, path, number), path.suffix.lower() in TABLES
        self._check_texts(where, row)
        fields = tuple((field, input_text(row.get(names[0]), listed)) for field, names in self.inputs)
        if not any(value.strip() for _, value in fields):
            return None
        cell = None if self.target is None else row.get(self.target)
        target = self._answer(where, reply_text(cell, listed))
        if target and self.demands is None:
            self._check_hidden(path, fields, cell_text(cell))
        group = "" if self.group is None else cell_text(row.get(self.group)).strip()
        if not target:
            return Example(fields, group=group)
        solution = self._solution(where, row, reply_text(cell, listed), target)
        if self.options:
            return Example(fields, target, (), _other_options(self.options, fields, target), solution, group)
        return Example(fields, target, (), self._rejected(where, row, cell, listed, target, solution), solution, group)

    def _check_hidden(self, path: Path, fields: Sequence[tuple[str, str]], cell: str) -> None:
        """Raises DataError where an input is the target's whole cell. A chat's input is all but its last turn."""
        pairs = zip(fields, self.inputs, strict=True)
        if any(value == cell for (_, value), (_, names) in pairs if names[0] == self.target):
            raise DataError(
                f"{path}: the column {self.target!r} is an input and the target, so every prompt would show the right "
                f"answer; name another column for one of them"
            )

    def _check_texts(self, where: Where, row: Row) -> None:
        solution = None if self.solution is None else self.solution.column
        for column in (*(names[0] for _, names in self.inputs), self.target, *self.rejected, solution):
            value = None if column is None else row.get(column)
            if what := why_no_text(value):
                raise DataError(
                    f"{where()}: the column {column!r} holds {what}, which is no text; write it as one, or name "
                    f"another column"
                )

    def _answer(self, where: Where, text: str) -> str:
        text = text.strip()
        if self.target_after is not None:
            # The last mark: a solution may show one in its own working.
            text = text.rpartition(self.target_after)[2].strip()
        if self.classes is None or not text:
            return text
        if text not in self.classes:
            raise DataError(f"{where()}: {UnknownName('class', text, self.classes)}")
        return self.classes[text]

    def _rejected(
        self, where: Where, row: Row, chosen: object, listed: bool, target: str, solution: str
    ) -> tuple[str, ...]:
        # Each once, in the order of columns and lists.
        found: dict[str, None] = {}
        for column in self.rejected:
            self._check_context(where, column, row.get(column), chosen, listed)
            for text in reply_texts(row.get(column), listed):
                answer = self._answer(where, text)
                # What a worked solution is preferred to has to be one too, or its length alone would tell them apart.
                output = self._worked(text, answer) if solution and self._cuts(text) else answer
                if answer and normalise(output) in (normalise(target), normalise(solution)):
                    raise DataError(
                        f"{where()}: what {column!r} rejects is the target itself, {answer[:60]!r}; a rejected text "
                        f"has to be another one, so correct or remove the row"
                    )
                if answer:
                    found[output] = None
        if self.rejected and not found:
            named = " and ".join(map(repr, self.rejected))
            raise DataError(
                f"{where()}: there is nothing in {named}; write an output to be rejected, or remove the row"
            )
        return tuple(found)

    def _check_context(self, where: Where, column: str, value: object, chosen: object, listed: bool) -> None:
        asked, preferred = context_of(value, listed), context_of(chosen, listed)
        if asked and preferred and asked != preferred:
            raise DataError(
                f"{where()}: the conversation in {column!r} is another one than that in {self.target!r} before the "
                f"last reply, so the two replies cannot be compared; remove the row"
            )

    def _solution(self, where: Where, row: Row, answered: str, target: str) -> str:
        column = None if self.solution is None else self.solution.column
        if column is None:
            return self._worked(answered, target) if self._cuts(answered) else ""
        text = self._worked(reply_text(row.get(column), listed=False), target)
        if not text:
            raise DataError(
                f"{where()}: there is nothing in the solution column {column!r}; write it, or remove the row"
            )
        return text

    def _cuts(self, text: str) -> bool:
        return self.target_after is not None and self.target_after in text

    def _worked(self, text: str, answer: str) -> str:
        """A worked solution as a reply would give it; empty for an empty one."""
        recipe = self.solution if self.solution is not None else Solution()
        text = _expression(recipe.without).without(text).strip() if recipe.without else text.strip()
        if not text or not recipe.end:
            return text
        if self.target_after is not None and self.target_after in text:
            text = text.rpartition(self.target_after)[0].rstrip()
        return f"{text}\n{recipe.end.replace('{target}', answer)}".strip()


def _expression(source: str) -> Regex:
    """The regular expression. Raises ConfigError for what is none."""
    try:
        return Regex.of(source)
    except ConfigError as cause:
        raise ConfigError(f"{cause}; correct it in the task file") from cause


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def listed_columns(row: Row) -> str:
    """The columns of a row, for a sentence."""
    return "the columns " + ", ".join(map(repr, row))


def _present(path: Path, names: Sequence[str], row: Row) -> str:
    for name in names:
        if name in row:
            return name
    raise DataError(f"{path}: {UnknownName('column', names[0], row)}")


def row_calls_a_tool(row: Row, columns: ColumnRoles, *, listed: bool) -> bool:
    """Whether a conversation in the columns of a row calls a tool; `listed`: lists stand in cells as JSON."""
    read = (*(names[0] for _, names in columns.inputs), columns.target, *columns.rejected)
    return any(cell_calls_a_tool(row.get(name), listed) for name in read if name is not None)


def _other_options(options: str, fields: tuple[tuple[str, str], ...], target: str) -> tuple[str, ...]:
    """The options but the target; none where the target is not among them."""
    pattern = _expression(options)
    group = 1 if pattern.groups else 0
    found = dict.fromkeys(match.group(group).strip() for _, text in fields for match in pattern.finditer(text))
    return tuple(option for option in found if option != target) if target in found else ()
