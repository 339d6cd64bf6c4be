"""A first task file for a user's data: labels, metric and reply length guessed from the targets, said in comments."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from statistics import median

from promptopt.digits import decimal_comma, is_number, numbers_in
from promptopt.errors import ConfigError
from promptopt.tasks.layout import RESERVED, Layout
from promptopt.tasks.prompt_text import default_layouts
from promptopt.tasks.reading.columns import ColumnRoles, Row, listed_columns, names_of
from promptopt.tasks.reading.conversations import messages_in
from promptopt.tasks.reading.files import examples_from, read_rows
from promptopt.tasks.reading.headers import looks_like_data
from promptopt.tasks.several_answers import several_right
from promptopt.tasks.splits import SHARED, Pool, without_duplicates
from promptopt.text import folded, normalise
from promptopt.types import Example

# Rows. A file can have millions of them, and the first show what its targets are.
_LOOKED_AT = 5_000
_MOST_LABELS = 25
_ASKED = ("system", "instruction", "context", "question", "query", "message", "input", "text")
"""What stands for the prompt, or for a part of it, in published preference data without a column `prompt`."""
_TAKEN = ("instruction", "answer_format", *RESERVED)
_PAIRS = "# Preference data: --method pmpo --evaluator preference goes by which reply the model finds likelier."
_UNIT = re.compile(r"(?<![^-−])[$€£¥₹]\s?|\s?[%$€£¥₹]$")
_COMMA = "Every target is a number. Decimals have a comma in them, so 1,234 is read as 1 and a fraction."
_SEVERAL = "# Where a target is a list, each entry of it is a right answer."
_METRICS = "exact | contains | regex | number | choice | f1 | set_f1 | json | rouge_l | bleu | module:function"
_MARKS = ("####", "The answer is", "the answer is", "Final answer:", "Answer:")
"""What published worked solutions have before the answer."""
_LETTER = re.compile(r"\(?[A-Z]\)?")


@dataclass(frozen=True, slots=True)
class _Guess:
    """What the targets look like, why it was concluded, and the settings that follow."""

    why: str
    metric: str
    answer: str
    max_tokens: int
    instruction: str
    answer_format: str
    labels: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    """Further lines of the table `[data]`."""


def guess_task(
    path: str | Path, input: str | Sequence[str] | None, target: str | None, name: str, *, lines: bool = False
) -> str:
    """The TOML text of a task file for `path`, to be saved in the current folder and then edited.

    `input` and `target` may be None for preference data, which has the columns `chosen` and `rejected`. `lines`: read
    labels as whole lines, where they cannot be told apart in a longer reply. Raises DataError and ConfigError for what
    is wrong with the file or its columns.
    """
    path = Path(path)
    rows = read_rows(path)
    first = next(rows)
    target, rejected = _answers_of(path, first, input, target)
    asked = _asked_of(path, first) if input is None else {_field(column): column for column in names_of(input)}
    columns = ColumnRoles(tuple((field, (column,)) for field, column in asked.items()), target, rejected=rejected)
    found = examples_from(path, chain([first], rows), columns, most=_LOOKED_AT)
    fields = tuple(asked)
    answers = _right_answers(found.examples)
    guess = _from_solutions(answers, fields[-1])
    guess = _from_targets(answers, fields[-1], lines=lines) if guess is None else guess
    written = [
        f"name = {quoted(name)}",
        "# One or two sentences on what the task is; shown to the model that writes prompts.",
        f"description = {quoted(f'From {path.name}: {target} of each {fields[-1]}.')}",
        *([_PAIRS] if rejected else []),
        f"# {guess.why}",
        *([_SEVERAL] if several_right(Pool(found.examples), None).warnings else []),
        *([f"labels = [{', '.join(map(quoted, guess.labels))}]"] if guess.labels else []),
        f"metric = {quoted(guess.metric)}   # {_METRICS}",
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
            f"'chosen' and 'rejected' explains itself)"
            f"{'; the first row looks like data: write one with names above it' if looks_like_data(path, row) else ''}"
        )
    return target, rejected


def _asked_of(path: Path, row: Row) -> dict[str, str]:
    """For each field the column it is read from, in preference data: its prompt, or all that may be a part of one."""
    known = ("prompt",) if "prompt" in row else tuple(column for column in row if column in _ASKED)
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


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _from_solutions(targets: Sequence[str], field: str) -> _Guess | None:
    """Worked solutions that close with a number behind one mark, as those of GSM8K do; None for anything else."""
    for mark in _MARKS:
        parts = [target.rpartition(mark) for target in targets]
        if all(found and before.strip() and is_number(after.strip().rstrip(".")) for before, found, after in parts):
            stop = "" if all(after.rstrip().endswith(".") for _, _, after in parts) else "."
            # GSM8K's notes for a calculator, such as `<<48/2=24>>`, are no part of a solution.
            steps = ", without = '<<[^>]*>>'" if any("<<" in before for before, _, _ in parts) else ""
            data = (
                f"target_after = {quoted(mark)}   # the answer is what follows",
                f'solution = {{ end = "The answer is {{target}}{stop}"{steps} }}   # what demonstrations may show',
            )
            return _Guess(
                why=f"Every target is a worked solution with a number behind {mark!r}.",
                metric="number",
                answer="number",
                max_tokens=512,
                instruction=f"Work out the answer to the {field}.",
                answer_format="End with a last line that says: The answer is <number>.",
                labels=(),
                data=data,
            )
    return None


def _from_targets(targets: Sequence[str], field: str, *, lines: bool) -> _Guess:
    counts = Counter(targets)
    letters = all(_LETTER.fullmatch(target) for target in counts)
    # Each label three times on average: fewer repeats are answers that happen to be equal.
    few = 2 <= len(counts) <= _MOST_LABELS and len(targets) >= 3 * len(counts) and max(map(len, counts)) <= 40
    # Objects first: where they repeat they would pass for labels.
    if all(map(_is_object, counts)):
        return _Guess(
            why="Every target is a JSON object: scored by the fields that are right.",
            metric="json",
            answer="text",
            max_tokens=512,
            instruction=f"Answer the {field}.",
            answer_format="Answer with a JSON object.",
        )
    # Before labels: an option's letter is also read from (B) and from B.
    if letters and len(counts) > 1:
        return _Guess(
            why="Every target is an option letter.",
            metric="choice",
            answer="choice",
            max_tokens=64,
            instruction=f"Answer the {field}.",
            answer_format="Answer with the letter of the right option in brackets, such as (A).",
        )
    # Ten numbers or fewer that come again and again are ratings: labels, and not results.
    if all(map(is_number, _without_unit(counts))) and not (few and len(counts) <= 10):
        why = "Every target is a number." if not decimal_comma(targets) else _COMMA
        return _Guess(
            why=why,
            metric="number",
            answer="number",
            max_tokens=256,
            instruction=f"Work out the answer to the {field}.",
            answer_format="End with a last line that says: The answer is <number>.",
        )
    if few:
        return _from_labels(counts, field, lines=lines)
    return _from_texts(counts, field)


def _without_unit(targets: Mapping[str, int]) -> list[str]:
    """The targets without a sign of money or "%", where all have the same one."""
    units = {match[0].strip() if (match := _UNIT.search(target)) else "" for target in targets}
    return [_UNIT.sub("", target) for target in targets] if len(units) == 1 else list(targets)


def _from_texts(targets: Counter[str], field: str) -> _Guess:
    """Texts of many kinds: equal where they are short, else compared by their words."""
    # Two tokens for three characters of the longest target: scripts of many tokens a letter fit too.
    tokens = min(512, max(16, 2 * max(map(len, targets)) // 3))
    if median(len(target.split()) for target in targets.elements()) <= 5:
        return _Guess(
            why="The targets are short texts: an answer is right if it is the same but for spaces.",
            metric="exact",
            answer="line",
            max_tokens=tokens,
            instruction=f"Answer the {field}.",
            answer_format="Answer on one line.",
        )
    return _Guess(
        why="The targets are long texts: scored by the words they share with the answer (f1).",
        metric="f1",
        answer="text",
        max_tokens=tokens,
        instruction=f"Answer the {field}.",
        answer_format="Answer briefly.",
    )


def _from_labels(counts: Mapping[str, int], field: str, *, lines: bool) -> _Guess:
    """Few targets, taken for labels; those that differ in case, spaces or punctuation only for one label."""
    spelt: dict[str, list[str]] = {}
    comma = decimal_comma(counts)

    def plain_first(label: str) -> tuple[int, int, bool, str]:
        return -counts[label], len(folded(label)), label != normalise(label), label

    # The most frequent spelling names the label, and of equals the plainest.
    for label in sorted(counts, key=plain_first):
        spelt.setdefault(_spelling(label, comma), []).append(label)
    labels = tuple(sorted(same[0] for same in spelt.values()))
    why = f"{len(labels)} different targets in {sum(counts.values()):,} rows: taken for labels."
    data: tuple[str, ...] = ()
    # They differ in case or punctuation alone, which nothing but a whole line tells apart.
    if len(labels) < 2:
        labels = tuple(sorted(counts))
        lines = True
    elif len(labels) < len(counts):
        pairs = ", ".join(f"{quoted(each)} = {quoted(same[0])}" for same in spelt.values() for each in same)
        merged = next(same for same in spelt.values() if len(same) > 1)
        why += f" {merged[0]!r} and {merged[1]!r} are taken for one: [data] classes says so."
        data = (f"classes = {{ {pairs} }}   # what stands in the data, and the label it is",)
    if all(is_number(label) for label in labels):
        why += ' They are numbers: models do better with words, which [data] classes = { 0 = "…", … } gives them.'
    longest = max(map(len, labels))
    # A label without a letter or digit cannot be looked for in a longer reply.
    whole = lines or not all(any(character.isalnum() for character in label) for label in labels)
    return _Guess(
        why=why,
        metric="exact",
        answer="line" if whole else "label",
        # Three characters a token, and a few tokens for what models put around a label.
        max_tokens=8 + longest // 3,
        instruction=f"Classify the {field}.",
        answer_format=f"Answer with one of: {', '.join(labels)}.",
        labels=labels,
        data=data,
    )


def _spelling(label: str, comma: bool) -> str:
    """What two spellings of one label share: all but case, Unicode form, spaces, hyphens, quotes and a full stop.

    Numbers share what they are worth: 1 and 1.0 are one label. `comma`: as in `digits.numbers_in`.
    """
    plain = folded(label)
    if is_number(plain):
        return f"{Fraction(numbers_in(plain.lstrip('+-−–'), comma)[0]) * (-1 if plain[0] in '-−–' else 1)}"
    # A sign at the beginning tells labels apart (`+` and `-`); other hyphens are a matter of spelling.
    sign = plain[:1] if plain[:1] in "+-" else ""
    bare = re.sub(r"[\s_'\"«»-]+", "", plain)
    return sign + bare if bare else label


def _layout(layout: Layout) -> list[str]:
    body = f"text = {quoted(layout.text)}"
    if layout.messages:
        pairs = ", ".join(f"[{quoted(role)}, {quoted(pattern)}]" for role, pattern in layout.messages)
        body = f"messages = [{pairs}]"
    shown = (
        f"demo = {quoted(layout.demo)}   # one demonstration in the text"
        if layout.demos is None
        else ('demos = "turns"   # demonstrations are messages of their own before the input')
    )
    return ["[[layouts]]", f"name = {quoted(layout.name)}", body, shown]


def quoted(text: str) -> str:
    """A TOML basic string. JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
