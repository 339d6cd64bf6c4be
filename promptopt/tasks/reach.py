"""What can be reached from an object by looking around in it: attributes, containers, closures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from promptopt.types import Example

ATOMS = (str, bytes, int, float, complex, bool, type(None), type, ModuleType)
FOREIGN = ("sqlalchemy", "sqlite3", "threading", "_thread", "logging", "re", "random")
"""Packages whose objects hold no example, and very many other objects."""


def examples_within(thing: object, levels: int = 8) -> list[Example]:
    """Every example that is reached from `thing` in so many steps, each once, the nearest first."""
    return [part for part in reached(thing, levels) if isinstance(part, Example)]


def reached(thing: object, levels: int = 8) -> Iterator[object]:
    """Everything that is reached from `thing` in so many steps, each once, the nearest first; not into examples."""
    seen: dict[int, object] = {id(thing): thing}
    # Ring by ring, so that the nearest come first, and a long chain costs no deep recursion.
    ring = [thing]
    for _ in range(levels):
        following: list[object] = []
        for each in ring:
            for part in _held_objects(each):
                if isinstance(part, ATOMS) or id(part) in seen:
                    continue
                # Holding it keeps its id from being given to another object.
                seen[id(part)] = part
                yield part
                if not isinstance(part, Example):
                    following.append(part)
        ring = following


def _held_objects(thing: Any) -> Iterator[object]:
    if isinstance(thing, Mapping):
        yield from thing.keys()
        yield from thing.values()
    elif isinstance(thing, (list, tuple, set, frozenset, deque)):
        yield from thing
    elif isinstance(thing, (MethodType, BuiltinMethodType, MethodWrapperType)):
        yield thing.__self__
    elif isinstance(thing, partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, FunctionType):
        for cell in thing.__closure__ if thing.__closure__ is not None else ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield thing.__defaults__
    elif type(thing).__module__.partition(".")[0] not in FOREIGN:
        yield from _attributes(thing)


def _attributes(thing: Any) -> Iterator[object]:
    yield from getattr(thing, "__dict__", {}).values()
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            # A private name is kept with its class's name before it.
            whole = f"_{kind.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            if hasattr(thing, whole):
                yield getattr(thing, whole)
