"""Whether the first row of a table is one of its rows, and names no columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from promptopt.tasks.reading.columns import Row
from promptopt.tasks.reading.row_numbers import TABLES

_WORDS_OF_SENTENCE = 8
"""Words from which on a name may be a text. Ours."""


def without_header(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Half a sentence where one of `columns` is called what stands in it, too, as labels are; else empty."""
    if path.suffix.lower() not in TABLES:
        return ""
    names = {name.casefold() for name in columns}
    found: dict[str, int] = {}
    for row in rows:
        alike = [name for name in columns if str(row.get(name, "")).strip().casefold() == name.casefold()]
        # A header that stands in the file again, as where files were joined, is another thing.
        for name in alike if len(alike) < len(names) or len(names) == 1 else ():
            found[name] = found.get(name, 0) + 1
    # pandas calls columns without a name 0, 1, 2.
    named = [name for name in found if not name.isdigit()]
    if not named:
        return ""
    return f"{named[0]!r} is the name of a column and also stands in {found[named[0]]} of its rows"


def looks_like_data(path: Path, row: Row) -> bool:
    """Whether a name of a column is a sentence or a number, as in a table whose first row names nothing."""
    names = list(row) if path.suffix.lower() in TABLES else []
    counted = names == [str(place) for place in range(len(names))]
    return any(len(name.split()) >= _WORDS_OF_SENTENCE or _is_number(name) for name in names) and not counted


def _is_number(name: str) -> bool:
    return name.replace(".", "", 1).isdigit()
