"""What is wrong with a task file that its schema refuses, as a sentence with the key, what it holds and what it should.

The schema's library names types and tried forms; a reader wants the key as it stands in the file.
"""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, cast

# pydantic brings it, and before Python 3.12 reads no other TypedDict.
from typing_extensions import get_type_hints, is_typeddict

from promptopt.errors import ConfigError, UnknownName
from promptopt.type_words import IN_FILES, in_words


class Fault(typing.NamedTuple):
    """One thing that is wrong: `keys` lead to `value`, which should be `hint`; `parent` is the type that it is in."""

    kind: str
    keys: tuple[str | int, ...]
    value: object
    hint: Any
    parent: Any

    @classmethod
    def of(cls, whole: Any, table: Mapping[str, Any], kind: str, place: tuple[str | int, ...]) -> Fault:
        """`whole`: the type of `table`. `place`: as pydantic gives it, the names of tried forms between the keys."""
        keys: list[str | int] = []
        value: Any = table
        hint = parent = whole
        for step in place:
            # What is no key is the name of one of the forms that pydantic tried.
            if step in _keys(value):
                parent, hint, value = hint, _below(hint, value, step), value[step]
                keys.append(step)
        if kind == "missing":
            keys.append(place[-1])
            hint, value = _below(hint, {place[-1]: None}, place[-1]), None
        return cls(kind, tuple(keys), value, hint, parent)

    def sentence(self, path: Path) -> ConfigError:
        """The error that tells it."""
        if self.kind == "extra_forbidden":
            owner = next((str(key) for key in reversed(self.keys[:-1]) if isinstance(key, str)), "")
            noun = _NOUNS.get(owner, f"{owner} key".strip())
            return ConfigError(f"{path}: {UnknownName(noun, str(self.keys[-1]), _known_keys(self.parent))}")
        found = "missing" if self.kind == "missing" else _shorten.repr(self.value)
        return ConfigError(
            f"{path}: {_dotted_path(self.keys)} is {found}, expected {_in_words(self.hint)}; correct it there"
        )


def first(found: Sequence[Fault]) -> Fault:
    """The fault to tell: a key that is misspelt says more than that the right one is missing."""
    # Of the forms that a key may have, the one is meant that the file comes nearest to.
    deepest = max(len(fault.keys) for fault in found)
    near = [fault for fault in found if len(fault.keys) == deepest]
    missing = [str(fault.keys[-1]) for fault in near if fault.kind == "missing"]
    misspelt = [
        fault for fault in near if fault.kind == "extra_forbidden" and get_close_matches(str(fault.keys[-1]), missing)
    ]
    return [*misspelt, *near][0]


_NOUNS = {"contract": "contract clause", "splits": "split", "home": "split", "hub": "split", "sha256": "split",
          "layouts": "layout key", "demos": "turn"}  # fmt: skip
_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 80


def _keys(value: Any) -> Collection[str | int]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value)
    return range(len(cast("list[object]", value))) if isinstance(value, list) else ()


def _without_annotations(hint: Any) -> Any:
    """A type without what is said beside it."""
    while typing.get_origin(hint) in (Annotated, typing.Required):
        hint = typing.get_args(hint)[0]
    return hint


def _arms(hint: Any) -> tuple[Any, ...]:
    bare = _without_annotations(hint)
    return typing.get_args(bare) if typing.get_origin(bare) in (types.UnionType, typing.Union) else (bare,)


def _below(hint: Any, value: object, key: str | int) -> Any:
    """What stands under `key` of a value of this type."""
    for arm in map(_without_annotations, _arms(hint)):
        held = typing.get_args(arm)
        if isinstance(value, Mapping) and is_typeddict(arm):
            return get_type_hints(arm, include_extras=True).get(str(key), Any)
        if isinstance(value, Mapping) and typing.get_origin(arm) is dict:
            return held[1]
        if isinstance(value, list) and typing.get_origin(arm) is list:
            return held[0]
        if isinstance(value, list) and typing.get_origin(arm) is tuple and isinstance(key, int):
            return held[key]
    return hint


def _known_keys(hint: Any) -> list[str]:
    return [key for arm in map(_without_annotations, _arms(hint)) if is_typeddict(arm) for key in get_type_hints(arm)]


def _dotted_path(keys: tuple[str | int, ...]) -> str:
    """Keys as a reader finds them in the file: `[data] home.train`, `layouts[0].demos`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return f"[data] {text[5:]}" if text.startswith("data.") else text


def _in_words(hint: Any) -> str:
    """What should stand there: in the schema's own words, where it has some."""
    while typing.get_origin(hint) is typing.Required:
        hint = typing.get_args(hint)[0]
    said = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, str)]
    return said[-1] if said else in_words(_without_annotations(hint), IN_FILES, _container)


def _container(hint: Any) -> str:
    if is_typeddict(hint):
        return f"a table of {', '.join(get_type_hints(hint))}"
    return "a list" if (typing.get_origin(hint) or hint) in (list, tuple) else "a table"
