"""Right answers that are hardly meant as they stand: always the same one, marks of what is missing, lists in a cell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from promptopt.text import counted

_MISSING = frozenset({"nan", "null", "n/a", "#n/a", "<na>", "nat", "nil", "undefined", "?", "-", "--"})
"""What programs and people write where there is no answer."""
_LISTS = re.compile(r"\s*[,;|]\s*")
_ENTRY = 4
"""Words that an entry of a list has at most. Ours."""


def doubtful_targets(counts: Mapping[str, int], metric: str) -> list[str]:
    """A sentence on each of these that is found. `counts`: of each right answer, the rows that have it."""
    said: list[str] = []
    if len(counts) == 1 and sum(counts.values()) > 1:
        said.append(
            f"every row has the right answer {next(iter(counts))!r}, so a prompt that always says it makes no mistake; "
            f"name another column as --target, or add rows with other answers"
        )
    missing = {target: count for target, count in counts.items() if target.casefold() in _MISSING}
    if missing and len(missing) < len(counts):
        named = ", ".join(f"{target!r} ({count:,})" for target, count in list(missing.items())[:3])
        said.append(
            f"{counted(sum(missing.values()), 'row')} may have no answer: {named} stands there and counts as one; fill "
            f"them in, or take them out"
        )
    listed = _listed(counts) if metric == "exact" else ""
    if listed:
        said.append(
            f"targets look like lists, such as {listed!r}, and are scored as a whole; "
            f'metric = "set_f1" and answer = "text" score their entries (take labels out then)'
        )
    return said


def _listed(counts: Mapping[str, int]) -> str:
    """A target of several entries, of which one stands alone or in other places too; empty where there is none.

    "Lyon, France" and "Paris, France" are no lists: what is behind the comma stands there alone.
    """
    entries = {target: _LISTS.split(target) for target in counts}
    several = {target: found for target, found in entries.items() if len(found) > 1 and _short(found)}
    firsts = {found[0].casefold() for found in entries.values()}
    return next((target for target, found in several.items() if any(e.casefold() in firsts for e in found[1:])), "")


def _short(entries: list[str]) -> bool:
    return all(0 < len(entry.split()) <= _ENTRY for entry in entries)
