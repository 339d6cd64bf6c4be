"""The `[contract]` table of a task file: what no candidate may lose, and what has to hold before a prompt is shipped.

frozen, must_contain, must_not_contain, pattern, max_tokens, template      of the prompt, in every search
may_contain       words of the prompt that its scan passes over
output_schema     a JSON Schema that each reply keeps: a table, or a file beside the task file
must_pass         a file of examples, as the task's own data, that have to be right
largest_loss      the loss of mean score that a slice may have: a number, or a table of numbers by slice
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError, DataError
from promptopt.json_members import read_json
from promptopt.tasks.companions import companion_text
from promptopt.tasks.contract import Contract
from promptopt.tasks.gate import EVERY, Gate
from promptopt.text import Regex, shorten
from promptopt.types import Example, canonical


def contract_of(path: Path, clauses: Mapping[str, Any], names: Sequence[str], frozen_parts: Sequence[str]) -> Contract:
    """The clauses on prompts. Raises ConfigError for a pattern that is none."""
    pattern = str(clauses.get("pattern", ""))
    try:
        Regex.of(pattern)
    except ConfigError as cause:
        told = shorten(pattern, 80)
        raise ConfigError(f"{path}: [contract] pattern is {told!r}: {cause}; correct it there") from cause
    return Contract(
        placeholders=tuple(names),
        frozen=tuple(clauses.get("frozen", ())),
        must_contain=tuple(clauses.get("must_contain", ())),
        must_not_contain=tuple(clauses.get("must_not_contain", ())),
        may_contain=tuple(clauses.get("may_contain", ())),
        max_tokens=clauses.get("max_tokens"),
        frozen_parts=tuple(frozen_parts),
        template=bool(clauses.get("template", False)),
        pattern=pattern,
    )


def gate_of(path: Path, clauses: Mapping[str, Any], read: Callable[[Path], Sequence[Example]]) -> Gate:
    """The clauses on replies. `read`: the examples of a file. Raises DataError for what is no schema."""
    given: object = clauses.get("output_schema", "")
    must_pass = str(clauses.get("must_pass", ""))
    loss: object = clauses.get("largest_loss", {})
    losses = cast("Mapping[str, float]", loss) if isinstance(loss, Mapping) else {EVERY: cast("float", loss)}
    return Gate(
        schema=canonical(_schema(path, given)) if given else "",
        must_pass=tuple(read(path.parent / must_pass)) if must_pass else (),
        largest_loss={name: float(margin) for name, margin in losses.items()},
    )


def _schema(path: Path, given: object) -> object:
    if not isinstance(given, str):
        return given
    source = path.parent / given
    text = companion_text(source, f"{path}: the output_schema {source}")
    try:
        found = read_json(text)
    except (ValueError, RecursionError) as cause:
        raise DataError(f"{path}: the output_schema {source} is not JSON ({cause}); write a JSON Schema") from cause
    if not isinstance(found, dict):
        raise DataError(f"{path}: the output_schema {source} is not a JSON object; write a JSON Schema")
    return cast("dict[str, Any]", found)
