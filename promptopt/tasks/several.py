"""Several right answers to one question, as data writes them: a list where the target stands."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from promptopt.protocols import Metric
from promptopt.tasks.splits import Pool
from promptopt.types import Example, canonical

_ONE_EACH = ("exact", "contains", "regex", "number", "choice", "f1", "rouge_l", "bleu")
"""Metrics of one answer; to the others, and to a function of one's own, a list is one answer."""


def several_right(pool: Pool, metric: str | Metric | None) -> Pool:
    """The pool with a list of texts in place of a target taken apart: its first entry is the target, the rest accepted.

    A list as JSON or as Python prints it, or the answers of SQuAD (`text`, `answer_start`) and of TriviaQA (`value`,
    `aliases`). With the metric `number` also a list of numbers. Otherwise, and for metrics whose answers are lists
    themselves (`set_f1`, `json`, own functions), the list stays as it is: JSON. It says so in a warning.
    """
    if metric is not None and metric not in _ONE_EACH:
        return pool
    kinds = (str, int, float) if metric == "number" else (str,)
    parts = [tuple(_taken_apart(example, kinds) for example in part) for part in (pool.rows, pool.dev, pool.test)]
    count = sum(new is not old for part, given in zip(parts, (pool.rows, pool.dev, pool.test), strict=True)
                for new, old in zip(part, given, strict=True))  # fmt: skip
    if not count:
        return pool
    warning = f"in {count:,} rows the target is a list: each entry of it is a right answer"
    return Pool(parts[0], parts[1], parts[2], (*pool.warnings, warning))


def _taken_apart(example: Example, kinds: tuple[type, ...]) -> Example:
    if example.accepted or example.rejected or example.solution or not example.target.startswith(("[", "{")):
        return example
    entries = _entries(example.target)
    if not entries or not all(isinstance(entry, kinds) and not isinstance(entry, bool) for entry in entries):
        return example
    texts = dict.fromkeys(entry.strip() if isinstance(entry, str) else canonical(entry) for entry in entries)
    target, *accepted = [text for text in texts if text] if any(texts) else [example.target]
    return replace(example, target=target, accepted=tuple(accepted))


def _entries(text: str) -> Sequence[object]:
    value = _value(text)
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        if table.keys() == {"text", "answer_start"}:
            value = table["text"]
        elif isinstance(table.get("aliases"), list) and "value" in table:
            value = [table["value"], *cast("list[object]", table["aliases"])]
    return cast("list[object]", value) if isinstance(value, list) else ()


def _value(text: str) -> object:
    """What the text writes: JSON, or a list as Python and pandas print it. Neither reading executes anything."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        # Only what begins as a list of texts does: any other target stays what it is.
        return ast.literal_eval(text) if text.startswith(("['", '["')) else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
