"""Logs whose members are named in words of their own, such as `wer` and `was`: known by the speakers a user names.

Where somebody says who speaks, the member that holds these names is found by what stands in it, in any language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import cast

from promptopt.errors import ConfigError
from promptopt.tasks.reading.chat_parts import parsed
from promptopt.tasks.reading.json_objects import list_of_tables
from promptopt.tasks.reading.speakers import joined_words
from promptopt.tasks.reading.transcripts import SESSIONS, TIMES
from promptopt.types import ChatRole

Row = Mapping[str, object]
LEAST_SHARE = 0.2
"""Of the turns that have the member: so many hold a named speaker where it says who spoke. Ours."""


def in_usual_names(
    rows: Sequence[Row], speakers: Mapping[str, ChatRole], group_by: str | None
) -> Callable[[Row], Row] | None:
    """What gives members the usual names, where the named speakers tell which is which; None: they do not.

    Turns stand in a list in each row, or a row each. Raises ConfigError where several columns may tell the
    conversations of a table apart; `group_by` says which.
    """
    named = {name.casefold() for name in speakers}
    for member in dict.fromkeys(name for row in rows for name in row):
        turns = [turn for row in rows for turn in list_of_tables(parsed(row.get(member)))]
        if (said := _who_and_what(turns, named)) is not None:
            return _in_lists(member, *said)
    said = _who_and_what(rows, named)
    return None if said is None else _in_table(*said, _session(rows, said, group_by))


def _in_lists(member: str, who: str, what: str) -> Callable[[Row], Row]:
    def renamed(row: Row) -> Row:
        turns = [_turn(each, who, what) for each in list_of_tables(parsed(row.get(member)))]
        return {**{name: value for name, value in row.items() if name != member}, "messages": turns}

    return renamed


def _in_table(who: str, what: str, session: str) -> Callable[[Row], Row]:
    return lambda row: {**_turn(row, who, what), SESSIONS[1]: row.get(session)}


def _turn(row: Row, who: str, what: str) -> dict[str, object]:
    others = {name: value for name, value in row.items() if name not in (who, what)}
    return {**others, "role": row.get(who), "content": row.get(what)}


def _who_and_what(turns: Sequence[Row], named: set[str]) -> tuple[str, str] | None:
    """The members of turns that say who spoke and what: the one with the named speakers, and the longest texts."""
    cells = _texts(turns)
    shares = {
        name: sum(text.strip().casefold() in named for text in texts) / len(texts) for name, texts in cells.items()
    }
    who = max(shares, key=lambda name: shares[name], default=None)
    if who is None or shares[who] < LEAST_SHARE:
        return None
    lengths = {name: fmean(map(len, texts)) for name, texts in cells.items() if name != who}
    what = max(lengths, key=lambda name: lengths[name], default=None)
    return None if what is None else (who, what)


def _texts(turns: Iterable[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for turn in turns:
        for name, value in turn.items():
            if isinstance(value, str) and value.strip():
                found.setdefault(name, []).append(value)
    return found


def _session(rows: Sequence[Row], said: tuple[str, str], group_by: str | None) -> str:
    """The column that tells conversations apart: its values come again."""
    usual = set(map(joined_words, (*SESSIONS, *TIMES)))
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in said]
    for name in columns:
        if joined_words(name) in map(joined_words, SESSIONS):
            return name
    seen = {name: Counter(cast("object", str(row.get(name))) for row in rows) for name in columns}
    apart = [name for name in columns if 1 < len(seen[name]) < len(rows) and joined_words(name) not in usual]
    if len(apart) == 1:
        return apart[0]
    if group_by in columns:
        return group_by
    read = f"(who speaks stands in {said[0]!r}, what is said in {said[1]!r})"
    if not apart:
        raise ConfigError(
            f"no column tells the conversations apart; add one that names the conversation of a row {read}"
        )
    raise ConfigError(
        f"which column tells the conversations apart? {' and '.join(map(repr, apart))} may do so; name it with "
        f"--group-by {read}"
    )
