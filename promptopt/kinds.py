"""Whether a value is of the kind that an annotation names, and what people call that kind."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from promptopt.scalars import unboxed, unlisted
from promptopt.type_words import IN_PYTHON, in_words

HOW_MADE: Mapping[str, str] = {
    "Budget": "as Budget(evaluations=400)",
    "Columns": "as Columns('text', 'label')",
    "Event": "from threading, which is set to interrupt",
    "Example": "as Example.of('the answer', text='the input')",
    "Layout": "from promptopt.tasks",
    "Message": "as Message('user', 'the text')",
    "Prompt": "as task.starting_from('the instruction')",
    "Session": "as Session(observers=[…])",
    "Splits": "as Splits(train=100, dev=50, test=200)",
    "Task": "as Task.from_examples(examples, prompt='the instruction')",
}
"""How one is made, for the types whose name does not say it."""

_NUMBERS = (bool, int, float)
_PLAIN_TYPES = frozenset((str, bool, int, float, type(None), list, tuple, dict))


def plain(value: Any, hint: Any) -> Any:
    """The value as Python's own where an array library's is losslessly the same thing, else the value itself.

    A number of numpy, torch or pandas where a number or True is annotated; a column or an array of one axis where a
    list is. Nothing else is asked for its attributes.
    """
    if type(value) in _PLAIN_TYPES:
        return value
    arms = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    if any(arm in _NUMBERS for arm in arms):
        return unboxed(value)
    if any(typing.get_origin(arm) in (Sequence, Iterable, list, tuple) for arm in arms):
        return unlisted(value)
    return value


def of_class(value: Any, hint: Any) -> bool:
    """Whether a value has a class that does for the annotation, whatever it holds; True where no class tells."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return any(of_class(value, arm) for arm in typing.get_args(hint))
    kind: Any = origin or hint
    if kind is Any or kind is Callable or not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    # A list does for a tuple, as ever. True does for a number: a score may well be one.
    return isinstance(value, (kind, *{tuple: (list,), float: (int,)}.get(kind, ())))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind that the annotation names, and what it holds too."""
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, arm) for arm in arms)
    if origin is typing.Literal:
        # The kind first: an array answers `in` with an array.
        return isinstance(value, str) and value in arms
    if origin is Callable:
        return callable(value)
    if origin is not None:
        return _holds(value, origin, arms)
    if isinstance(value, bool):
        # Python counts True as a number, nobody else does.
        return hint is bool
    # Numbers of other libraries (numpy) are whole where they have `__index__`, and numbers where they have `__float__`.
    # An array of several has both.
    if hint in (int, float) and getattr(value, "ndim", 0):
        return False
    if hint is int:
        return hasattr(value, "__index__")
    if hint is float:
        return hasattr(value, "__float__") or hasattr(value, "__index__")
    # Before Python 3.13 nothing but this attribute tells a Protocol from other classes.
    return not isinstance(hint, type) or getattr(hint, "_is_protocol", False) or isinstance(value, hint)


def _holds(value: Any, origin: type, arms: Sequence[Any]) -> bool:
    """Whether a container holds what it is annotated with; what can be gone through once only is not looked into."""
    if not isinstance(value, origin):
        return False
    if issubclass(origin, Mapping):
        return all(fits(key, arms[0]) and fits(held, arms[1]) for key, held in value.items())
    if isinstance(value, str | bytes | Mapping):
        # A text is a sequence of texts, and never meant as one.
        return False
    if origin is tuple and Ellipsis not in arms:
        return len(value) == len(arms) and all(map(fits, value, arms))
    return not isinstance(value, Sequence) or all(fits(each, arms[0]) for each in typing.cast("Iterable[Any]", value))


def type_in_words(hint: Any) -> str:
    """What a person would call the values of a type, as they are written in Python."""
    return in_words(hint, IN_PYTHON, _type_words)


def _type_words(hint: Any) -> str:
    """A container, a function or an object, with how one is made where its name does not say it."""
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if origin is Callable:
        return "a function"
    if origin is not None:
        return (
            "a table with texts as names"
            if issubclass(origin, Mapping)
            else f"a list, each of it {type_in_words(arms[0])}"
        )
    name = str(getattr(hint, "__name__", hint))
    return f"{name} ({HOW_MADE[name]})" if name in HOW_MADE else name
