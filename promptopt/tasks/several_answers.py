"""Several right answers to one question, as data writes them: a list where the target stands."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from promptopt.protocols import Metric
from promptopt.tasks.splits import Pool
from promptopt.text import counted, shorten
from promptopt.types import Example, canonical

_ONE_EACH = ("exact", "contains", "regex", "number", "choice", "f1", "rouge_l", "bleu")
"""Metrics of one answer; to the others, and to a function of one's own, a list is one answer."""


_ANSWER_FIELDS = ("answer", "answers", "value", "text")
"""What data sets call the member that holds the right answers."""
_QUOTED_ANSWER = r"(?:'[^'\\]*'|\"[^\"\\]*\")"
# Python would join texts that stand side by side.
_PRINTED = re.compile(rf"\[\s*{_QUOTED_ANSWER}(?:\s+{_QUOTED_ANSWER})+\s*\]")


def several_right(pool: Pool, metric: str | Metric | None) -> Pool:
    """The pool with a list of texts in place of a target taken apart: its first entry is the target, the rest accepted.

    A list as JSON or as Python or numpy prints it, or such a list under a name of answers: those of SQuAD (`text`,
    `answer_start`), of TriviaQA (`value`, `aliases`), `{"answer": [...]}`. With the metric `number` also a list of
    numbers. Otherwise, and for metrics whose answers are lists themselves (`set_f1`, `json`, own functions), the list
    stays as it is: JSON. It says so in a warning, and where JSON is left that a metric compares as a text.
    """
    # None: which metric it will be is not known yet.
    if metric is not None and metric not in _ONE_EACH:
        return pool
    kinds = (str, int, float) if metric == "number" else (str,)
    parts = [tuple(_taken_apart(example, kinds) for example in part) for part in (pool.rows, pool.dev, pool.test)]
    count = sum(new is not old for part, given in zip(parts, (pool.rows, pool.dev, pool.test), strict=True)
                for new, old in zip(part, given, strict=True))  # fmt: skip
    warnings = [f"in {count:,} rows the target is a list: each entry of it is a right answer"] if count else []
    left = [each.target for part in parts for each in part if metric is not None and _is_json(each.target)]
    if left:
        warnings.append(
            f"in {counted(len(left), 'row')} the target is JSON, such as {shorten(left[0], 60)}, and the metric "
            f"{metric!r} compares it as a text; use the metric 'json', or a column of plain answers"
        )
    return Pool(parts[0], parts[1], parts[2], (*pool.warnings, *warnings)) if warnings else pool


def _is_json(target: str) -> bool:
    """Whether a target is a JSON object, or a list: nobody expects a model to write either where one answer is asked.

    A list of numbers may be one answer.
    """
    if not target.startswith(("[", "{")):
        return False
    value = written_value(target)
    return isinstance(value, dict) or (
        isinstance(value, list) and not any(isinstance(each, int | float) for each in cast("list[object]", value))
    )


def _taken_apart(example: Example, kinds: tuple[type, ...]) -> Example:
    if example.accepted or example.rejected or example.solution or not example.target.startswith(("[", "{")):
        return example
    entries = _entries(example.target)
    # True is an int to Python, and no answer of a list of numbers.
    if not entries or not all(isinstance(entry, kinds) and not isinstance(entry, bool) for entry in entries):
        return example
    texts = dict.fromkeys(entry.strip() if isinstance(entry, str) else canonical(entry) for entry in entries)
    target, *accepted = [text for text in texts if text] if any(texts) else [example.target]
    return replace(example, target=target, accepted=tuple(accepted))


def _entries(text: str) -> Sequence[object]:
    value = written_value(text)
    if isinstance(value, dict):
        value = _answers_in(cast("dict[str, object]", value))
    return cast("list[object]", value) if isinstance(value, list) else ()


def _answers_in(table: dict[str, object]) -> list[object] | None:
    """The answers that an object holds under one of the names for them, and under `aliases`; None for other objects."""
    aliases = table.get("aliases")
    known = isinstance(aliases, list) and "value" in table
    named = [name for name in _ANSWER_FIELDS if name in table]
    # An object with other members is itself the answer, as JSON.
    if not known and (len(named) > 1 or not {*named, "aliases", "answer_start"}.issuperset(table)):
        return None
    found: list[object] = []
    for name in (*named, "aliases"):
        value = table.get(name)
        if isinstance(value, dict):
            value = _answers_in(cast("dict[str, object]", value))
        found += cast("list[object]", value) if isinstance(value, list) else [] if value is None else [value]
    return found


def written_value(text: str) -> object:
    """What the text writes: JSON, or a list as Python, pandas and numpy print it. Neither reading executes anything."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if _PRINTED.fullmatch(text):
        return [each[1:-1] for each in re.findall(_QUOTED_ANSWER, text)]
    try:
        # Only what begins as a list of texts does: any other target stays what it is.
        return ast.literal_eval(text) if text.startswith(("['", '["')) else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
