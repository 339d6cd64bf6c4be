"""A first task file for a user's data: labels, metric and reply length guessed from the targets, said in comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from promptopt.errors import ConfigError
from promptopt.tasks.duplicates import without_duplicates
from promptopt.tasks.layout import RESERVED, Layout
from promptopt.tasks.options_guess import ROWS_LOOKED_AT, from_options, options_in
from promptopt.tasks.prompt_text import default_layouts
from promptopt.tasks.reading.columns import ColumnRoles, Row, as_names, listed_columns
from promptopt.tasks.reading.conversations import messages_in
from promptopt.tasks.reading.files import examples_from, read_rows
from promptopt.tasks.reading.headers import looks_like_data
from promptopt.tasks.reading.json_objects import list_of_tables
from promptopt.tasks.several_answers import several_right
from promptopt.tasks.splits import SHARED, Pool
from promptopt.tasks.target_kinds import TargetGuess, guess_of
from promptopt.tasks.toml_text import quoted, quoted_pairs
from promptopt.types import Example

# Rows. A file can have millions of them, and the first show what its targets are.
_LOOKED_AT = 5_000
_INPUT_COLUMNS = ("system", "instruction", "context", "question", "query", "message", "input", "text")
"""What stands for the prompt, or for a part of it, in published preference data without a column `prompt`."""
_TAKEN = ("instruction", "answer_format", *RESERVED)
_PREFERENCE_NOTE = (
    "# Preference data: --method pmpo --evaluator preference goes by which reply the model finds likelier."
)
_EACH_RIGHT_NOTE = "# Where a target is a list, each entry of it is a right answer."
_METRIC_CHOICE = "exact | contains | regex | number | choice | f1 | set_f1 | json | rouge_l | bleu | module:function"


def guess_task(
    path: str | Path, input: str | Sequence[str] | None, target: str | None, name: str, *, lines: bool = False
) -> str:
    """The TOML text of a task file for `path`, to be saved in the current folder and then edited.

    `input` and `target` may be None for preference data, which has the columns `chosen` and `rejected`. `lines`: read
    labels as whole lines, where they cannot be told apart in a longer reply. Raises DataError and ConfigError for what
    is wrong with the file or its columns.
    """
    path = Path(path)
    kept = list(islice(rows := read_rows(path), ROWS_LOOKED_AT))
    target, rejected = _answers_of(path, kept[0], input, target)
    asked = _asked_of(path, kept[0]) if input is None else {_field(column): column for column in as_names(input)}
    columns = ColumnRoles(tuple((field, (column,)) for field, column in asked.items()), target, rejected=rejected)
    found = examples_from(path, chain(kept, rows), columns, most=_LOOKED_AT)
    fields = tuple(asked)
    answers = _right_answers(found.examples)
    guess = _from_options(kept, answers, asked)
    guess = guess_of(answers, fields[-1], lines=lines) if guess is None else guess
    written = [
        f"name = {quoted(name)}",
        "# One or two sentences on what the task is; shown to the model that writes prompts.",
        f"description = {quoted(f'From {path.name}: {target} of each {fields[-1]}.')}",
        *([_PREFERENCE_NOTE] if rejected else []),
        f"# {guess.why}",
        *([_EACH_RIGHT_NOTE] if several_right(Pool(found.examples), None).warnings else []),
        *([f"labels = [{', '.join(map(quoted, guess.labels))}]"] if guess.labels else []),
        f"metric = {quoted(guess.metric)}   # {_METRIC_CHOICE}",
        f"answer = {quoted(guess.answer)}   # read from the reply as: label | number | choice | line | text | regex:…",
        f"max_tokens = {guess.max_tokens}   # of a reply",
        "# The prompt you use today goes here, without the input: this is the part that is optimized.",
        f"instruction = {quoted(guess.instruction)}",
        "",
        "# Shown with the instruction, and never edited.",
        "[parts]",
        f"answer_format = {quoted(guess.answer_format)}",
        "",
        *_split_lines(len(without_duplicates(found.examples)[0])),
        "",
        "[data]",
        f"file = {quoted(path.as_posix())}   # as seen from this file",
        f"input = {_inputs(asked)}",
        f"target = {quoted(target)}",
        *(f"rejected = {quoted(column)}   # what the target is preferred to" for column in rejected),
        *guess.data,
        "",
        *_layouts(fields),
    ]
    return "\n".join(written).rstrip() + "\n"


def _layouts(fields: Sequence[str]) -> list[str]:
    lines = [
        "# Where things stand in what the model reads; the first is used, `promptopt evaluate --layouts` ranks them."
    ]
    for layout in default_layouts(fields, ("instruction", "answer_format")):
        lines += [*_layout(layout), ""]
    return lines


def _split_lines(count: int) -> list[str]:
    """The table of split sizes for so many different examples; two are too few to have one in each."""
    if 3 <= count < SHARED:
        sizes = ("[splits]", f"train = {count - 2}", "dev = 1", "test = 1")
        return ["# So few rows that each split gets what it must have: add rows, then leave this table out.", *sizes]
    return ["# Without sizes: 40 % train, 20 % dev, 40 % test, at most 200, 100 and 600.", "# [splits]",
            "# train = 200", "# dev = 100", "# test = 200"]  # fmt: skip


def _answers_of(
    path: Path, row: Row, input: str | Sequence[str] | None, target: str | None
) -> tuple[str, tuple[str, ...]]:
    """The columns of the right answer and of worse ones. Raises ConfigError where the data does not explain itself."""
    rejected: tuple[str, ...] = ()
    if target in (None, "chosen") and {"chosen", "rejected"} <= row.keys():
        target, rejected = "chosen", ("rejected",)
    if target is None or (input is None and not rejected):
        raise ConfigError(
            f"which columns of {path} are input and target? it has {listed_columns(row)}; name both (only data with "
            f"'chosen' and 'rejected' explains itself){_or_who_speaks(row)}"
            f"{'; the first row looks like data: write one with names above it' if looks_like_data(path, row) else ''}"
        )
    return target, rejected


def _or_who_speaks(row: Row) -> str:
    """What else such a row may be: a turn with its conversation, or a list of turns, by names that nobody knows."""
    turns = len(row) > 2 or any(list_of_tables(value) for value in row.values())
    return "; if it is a log of chats, say who speaks: --speaker NAME=user --speaker OTHER=assistant" if turns else ""


def _asked_of(path: Path, row: Row) -> dict[str, str]:
    """For each field the column it is read from, in preference data: its prompt, or all that may be a part of one."""
    known = ("prompt",) if "prompt" in row else tuple(column for column in row if column in _INPUT_COLUMNS)
    if known:
        return {_field(column): column for column in known}
    if messages_in(row["chosen"]) is not None:
        return {"prompt": "chosen"}
    raise ConfigError(
        f"{path} says which replies are chosen and rejected, and not what they answer: it has {listed_columns(row)}; "
        f"name the column of the input"
    )


def _field(column: str) -> str:
    """The field of a column: its name, but where a prompt has a part of that name."""
    return f"given {column}" if column in _TAKEN else column


def _inputs(asked: Mapping[str, str]) -> str:
    if all(field == column for field, column in asked.items()):
        return f"[{', '.join(map(quoted, asked))}]"
    return f"{{ {', '.join(f'{quoted(field)} = {quoted(column)}' for field, column in asked.items())} }}"


def _right_answers(examples: Sequence[Example]) -> list[str]:
    rows = several_right(Pool(tuple(examples)), None).rows
    return [text for each in rows for text in (each.target, *each.accepted)]


def _from_options(rows: Sequence[Row], targets: Sequence[str], asked: Mapping[str, str]) -> TargetGuess | None:
    """For numbers or letters of options that are shown; None for other targets."""
    options = options_in(rows, set(targets))
    if options is None or not {*options.columns} <= {*asked.values()}:
        return None
    return from_options(options, set(targets), next(iter(asked)))


def _layout(layout: Layout) -> list[str]:
    body = f"text = {quoted(layout.text)}"
    if layout.messages:
        body = f"messages = {quoted_pairs(layout.messages)}"
    shown = (
        f"demo = {quoted(layout.demo)}   # one demonstration in the text"
        if layout.demos is None
        else ('demos = "turns"   # demonstrations are messages of their own before the input')
    )
    return ["[[layouts]]", f"name = {quoted(layout.name)}", body, shown]
