"""Conversations that were edited: a tree of messages, of which a page shows one branch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

from promptopt.scalars import as_float
from promptopt.tasks.reading.json_objects import table_of, tables_among

Table = dict[str, object]
_IDS = ("id", "messageId", "message_id", "uuid")
_PARENTS = ("parentId", "parentUuid", "parentMessageId", "parent_message_uuid", "parent", "parent_id")
_SHOWN_LEAF_FIELDS = ("currentId", "currNode", "current_node", "current_leaf_message_uuid")
_AROUND = ("chat", "conv", "history")
_MESSAGE_LISTS = ("messages", "chat_messages")


def branch_shown(row: Mapping[str, object]) -> Mapping[str, object] | None:
    """The row with the messages of the branch that was shown last; None for a row whose messages make no tree.

    Where the row does not say which it was, it is that of the message which was written last.
    """
    around = [row, *(table_of(row.get(name)) for name in _AROUND)]
    around += [table_of(table_of(row.get("chat")).get("history"))]
    listed = [_tables_within(place.get(name)) for place in around for name in _MESSAGE_LISTS]
    tables = next((each for each in listed if each), list[Table]())
    by_id = {key: each for each in tables if (key := _first_id(each, _IDS))}
    parents = [parent for each in by_id.values() if (parent := _first_id(each, _PARENTS)) in by_id]
    # A list of messages in order is no tree, and needs no branch to be found.
    if not by_id or not parents or (len(set(parents)) == len(parents) and not _mapped(around)):
        return None
    place = next(
        (name for each in around if (name := _first_id(each, _SHOWN_LEAF_FIELDS)) in by_id), _last_of_branch(by_id)
    )
    found: list[Table] = []
    while place in by_id:
        # A node that was seen is taken away: no tree leads back to itself.
        node = by_id.pop(place)
        found.append(node)
        place = _first_id(node, _PARENTS)
    inner = table_of(row.get("chat"))
    beside = {name: inner[name] for name in ("system",) if inner.get(name)}
    return {**beside, **row, "messages": found[::-1]}


def places_in_tree(row: Mapping[str, object]) -> Table:
    """What a row that is one message says of its place in a tree; nothing where it says nothing of the kind."""
    if not any(name in row for name in _IDS) or not any(name in row for name in _PARENTS):
        return {}
    return {name: row[name] for name in (*_IDS, *_PARENTS, "rank") if name in row}


def branch_of(messages: Sequence[object]) -> Sequence[object]:
    """Of messages in rows of their own, those of the branch that was shown; all where they make no tree of versions.

    What stands behind one message is versions of one turn where all of it is of one speaker; else it is a thread.
    """
    tables = [cast("Table", each) for each in messages if isinstance(each, dict)]
    roles: dict[str, set[str]] = {}
    for each in tables:
        roles.setdefault(_first_id(each, _PARENTS), set()).add(str(each.get("role")))
    if len(tables) < len(messages) or any(len(said) > 1 for name, said in roles.items() if name):
        return messages
    found = branch_shown({"messages": messages})
    return messages if found is None else cast("list[object]", found["messages"])


def rank_of(table: Mapping[str, object]) -> float:
    """The rank of a reply among others: 0 is the best; without one it stands behind all."""
    rank = table.get("rank")
    return as_float(rank) if isinstance(rank, int | float) else math.inf


def _last_of_branch(by_id: Mapping[str, Table]) -> str:
    """The message that ends the branch of the best replies, where they are ranked; else the one written last."""
    place = list(by_id)[-1]
    if all(rank_of(each) == math.inf for each in by_id.values()):
        return place
    below: dict[str, list[str]] = {}
    for name, each in by_id.items():
        below.setdefault(_first_id(each, _PARENTS), []).append(name)
    # A tree that was put together from several may have no root: its first message is as good as one.
    roots = (name for name, each in by_id.items() if _first_id(each, _PARENTS) not in by_id)
    place, seen = next(roots, next(iter(by_id))), set[str]()
    # A file may lead in a circle.
    while place in below and place not in seen:
        seen.add(place)
        place = min(below[place], key=lambda name: rank_of(by_id[name]))
    return place


def _mapped(around: list[Mapping[str, object]]) -> bool:
    """Whether the messages stand under their ids alone, in any order, and as no list."""
    return not any(isinstance(place.get(name), list) and place[name] for place in around for name in _MESSAGE_LISTS)


def _tables_within(value: object) -> list[Table]:
    """The tables of a list, or those that stand in a table by name."""
    named = list(table_of(value).values())
    return tables_among(named if named else value)


def _first_id(table: Mapping[str, object], names: tuple[str, ...]) -> str:
    found = next((table[name] for name in names if table.get(name) is not None), "")
    return str(found) if isinstance(found, str | int) else ""
