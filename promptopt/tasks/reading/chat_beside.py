"""What stands in a row of a log beside its messages: tools, variables, weights, demands, further right replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from promptopt.scalars import as_float
from promptopt.tasks.reading.chat_tools import tools_in
from promptopt.tasks.reading.grouping import Row, places, unpacked

_VARIABLES = ("variables", "prompt_variables", "promptVariables", "metadata")


def demands_of(row: Row, entries: Sequence[object], places: Sequence[int], name: str) -> tuple[object, ...]:
    """What stands under `name` in the entry of each message, and at the end what stands there in the row.

    `places`: of each message's entry; -1 for a reply that is none of the entries.
    """
    tables = [cast("dict[str, object]", entry) if isinstance(entry, dict) else {} for entry in entries]
    held = [tables[place].get(name) if place >= 0 else None for place in places]
    if row.get(name) not in (None, "") and held:
        held[-1] = row[name]
    return tuple(held) if any(each not in (None, "") for each in held) else ()


def ideals_of(row: Row) -> tuple[str, ...]:
    """The right last replies that a sample of OpenAI-Evals gives."""
    given = row.get("ideal")
    listed = cast("list[object]", given) if isinstance(given, list) else [given]
    return tuple(each.strip() for each in listed if isinstance(each, str) and each.strip())


def weight_of(entry: object) -> float | None:
    """How much an entry counts in fine-tuning; None where it does not say."""
    table = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    # Axolotl says by yes or no whether a turn is learned from.
    learned = next((table[name] for name in ("train", "training") if isinstance(table.get(name), bool)), None)
    given = table.get("weight", learned)
    if isinstance(given, int | float):
        return as_float(given)
    try:
        return float(given) if isinstance(given, str) else None
    except ValueError:
        return None


def tools_in_row(row: Row) -> tuple[str, ...]:
    """The tools on offer, as JSON, wherever in the row the program puts them."""
    found = (tools_in(unpacked(place.get(name))) for place in places(row) for name in ("tools", "functions"))
    return next((tools for tools in found if tools), ())


def variables_of(row: Row) -> tuple[tuple[str, str], ...]:
    """Texts and numbers by name: those of the row itself come last, for names that nothing else gives."""
    found: dict[str, str] = {}
    for name in _VARIABLES:
        inner = unpacked(row.get(name))
        if isinstance(inner, dict):
            for key, value in cast("dict[str, object]", inner).items():
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    found.setdefault(key, str(value))
    for key, value in row.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found.setdefault(key, str(value))
    return tuple(found.items())
