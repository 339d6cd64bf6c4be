"""Arguments of the public functions and fields, held against their own annotations before anything is done with them.

What is annotated as one of our Protocols is let through. Whether it is one is found out where it is bound: asking an
object for its attributes here might load a model.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
import reprlib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from promptopt.errors import ConfigError, UnknownName
from promptopt.type_words import IN_PYTHON, in_words

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C")

_AS: Mapping[str, str] = {
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

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 80


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, which raises ConfigError for the first argument that is not of the kind it is annotated with."""
    signature = inspect.signature(function)
    called = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name, value in _bound(function, called, signature, args, kwargs).items():
            _check(function, called, name, value, signature.parameters)
        return function(*args, **kwargs)

    return call


def told(kind: type[_C]) -> type[_C]:
    """The dataclass, which raises ConfigError for a field that it has not, that is missing, or of another kind.

    Of a value its class alone is looked at, and once for values of these classes, so that making one that is right
    takes a microsecond more: what else has to be right is for the class to say.
    """
    make: Callable[..., None] = kind.__init__
    signature = inspect.signature(make)
    names = [name for name in signature.parameters if name != "self"]
    # In C, since prompts and calls are made by the million. Of one name alone it would give no tuple.
    values_of = operator.attrgetter(*names, "__class__")
    right: set[tuple[type, ...]] = set()

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> None:
        try:
            make(*args, **kwargs)
        except (TypeError, AttributeError):
            # The class's own look at its fields may have failed at one that is of another kind.
            _check_kinds(kind, _bound(kind, kind.__name__, signature, args, kwargs))
            raise
        values = values_of(args[0])
        kinds = tuple(map(type, values))
        if kinds not in right:
            _check_kinds(kind, dict(zip(names, values, strict=False)))
            right.add(kinds)

    kind.__init__ = made
    return kind


def told_by_name(kind: type[_C]) -> type[_C]:
    """The dataclass, which raises ConfigError for a field that it has not, or that is missing.

    For those whose values are looked at by who reads them. Looked into only where it cannot be made.
    """
    make: Callable[..., None] = kind.__init__
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> None:
        try:
            make(*args, **kwargs)
        except TypeError:
            _bound(kind, kind.__name__, signature, args, kwargs)
            raise

    kind.__init__ = made
    return kind


def _check_kinds(kind: type, given: Mapping[str, Any]) -> None:
    """Raise ConfigError for the first field whose class is none that its annotation names."""
    hints = _hints(kind)
    for name in _parameters(kind):
        if name in given and not _of_class(given[name], hints.get(name, Any)):
            _check(kind, kind.__name__, name, given[name], _parameters(kind))


def check_each(called: str, given: object, kind: type | types.UnionType, how: str) -> None:
    """Raise ConfigError for the first that is none of `kind`; `how`: one as it is written."""
    # A text alone could be gone through by its letters. What can be gone through once only is not looked into.
    several = not isinstance(given, str) and isinstance(given, Iterable)
    listed = typing.cast("Iterable[object]", given) if isinstance(given, Collection) else ()
    wrong: list[object] = [each for each in listed if not isinstance(each, kind)] if several else [given]
    if wrong:
        raise ConfigError(f"{called}: {_shorten.repr(wrong[0])} is given; give a list, as [{how}]")


def _of_class(value: Any, hint: Any) -> bool:
    """Whether a value has a class that does for the annotation, whatever it holds; True where no class tells."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_of_class(value, arm) for arm in typing.get_args(hint))
    kind: Any = origin or hint
    if kind is Any or kind is Callable or not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    # A list does for a tuple, as ever. True does for a number: a score may well be one.
    return isinstance(value, (kind, *{tuple: (list,), float: (int,)}.get(kind, ())))


def _bound(
    function: Callable[..., object],
    called: str,
    signature: inspect.Signature,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> Mapping[str, object]:
    """The arguments by name. Raises UnknownName for a name that is not there, ConfigError for what is missing."""
    unknown = next((name for name in kwargs if name not in signature.parameters), None)
    # `bind` would raise a TypeError of its own, without the name that was meant.
    if unknown is not None:
        meant = _of_a_parameter(function, unknown)
        known = [name for name in signature.parameters if name not in ("self", "cls")]
        how = _made(called)
        refused = UnknownName(f"argument of {called}", unknown, known, meant=meant or how * (f"{unknown}=" in how))
        raise refused if meant or refused.near else UnknownName(refused.kind, unknown, known, meant=how)
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError:
        raise ConfigError(_unbound(function, called, signature, args, kwargs)) from None


def takes(function: Callable[..., object], *places: str) -> bool:
    """Whether it can be called with so many arguments; True where it does not say what it takes."""
    try:
        inspect.signature(function).bind(*places)
    except TypeError:
        return False
    except ValueError:
        # Those that are written in C may not say.
        pass
    return True


def _unbound(
    function: Callable[..., object],
    called: str,
    signature: inspect.Signature,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> str:
    """Why a call does not fit: what it lacks, or what it gives without a name, or twice."""
    shown = [each for each in signature.parameters.values() if each.name not in ("self", "cls")]
    placed = [each.name for each in signature.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    required = [each.name for each in shown if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    lacking = [name for name in required if name not in kwargs and name not in placed[: len(args)]]
    if len(args) > len(placed):
        named = [each.name for each in shown if each.kind is each.KEYWORD_ONLY]
        surplus = _shorten.repr(args[len(placed)])
        if not named:
            return f"{called}: {surplus} is one argument too many; leave it out"
        return f"{called}: {surplus} has no name; give it as one of {', '.join(f'{name}=…' for name in named)}"
    if lacking and _made(called):
        return f"{called} needs {lacking[0]}; make one as {_made(called)}"
    if lacking:
        return f"{called} needs {lacking[0]}; give {_in_words(_hints(function).get(lacking[0], Any))}"
    twice = next((name for name in placed[: len(args)] if name in kwargs), "")
    return f"{called}: {twice} is given twice; give it once"


def _made(called: str) -> str:
    """How one of a class is made, where its fields do not say it; or ""."""
    how = _AS.get(called, "")
    return how.removeprefix("as ") if how.startswith("as ") else ""


def _of_a_parameter(function: Callable[..., object], name: str) -> str:
    """How the argument is given, where it is a field of what a parameter takes: "model=Models(base_url=…)"; or "".

    An option of the command line is known too: --method, --max-evaluations.
    """
    hints = {parameter: hint for parameter, hint in _hints(function).items() if parameter != "return"}
    if name == "method" and "optimizer" in hints:
        return "optimizer=…"
    name = name.removeprefix("max_")
    for parameter, hint in hints.items():
        # `model: str | Model | Models`: what is meant may be one arm of several.
        for arm in (hint, *typing.get_args(hint)):
            if isinstance(arm, type) and dataclasses.is_dataclass(arm) and name in _parameters(arm):
                return f"{parameter}={arm.__name__}({name}=…)"
    return ""


def check_fields(owner: object) -> None:
    """Raise ConfigError for the first field of a dataclass that is not of the kind it is annotated with."""
    kind = type(owner)
    parameters = _parameters(kind)
    for name in parameters:
        _check(kind, kind.__name__, name, getattr(owner, name), parameters)


@functools.cache
def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind).parameters


def _check(
    owner: Callable[..., object],
    called: str,
    name: str,
    value: object,
    parameters: Mapping[str, inspect.Parameter],
) -> None:
    hint = _hints(owner).get(name, Any)
    if not _fits(value, hint):
        if "Example" in (wanted := _in_words(hint)) and (row := _row(value)) is not None:
            raise ConfigError(
                f"{called}: {name} are tables, of {', '.join(map(repr, row))}; make examples of them, as "
                f"[Example.of(row['the answer'], text=row['the input']) for row in {name}]"
            )
        otherwise = "" if parameters[name].default is inspect.Parameter.empty else "; or leave it out"
        raise ConfigError(f"{called}: {name} is {_shorten.repr(value)}; give {wanted}{otherwise}")


def _row(value: Any) -> Mapping[Any, Any] | None:
    """The first of a list of tables, as files are read to; None for anything else."""
    held = typing.cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
    return typing.cast("Mapping[Any, Any]", held[0]) if held and isinstance(held[0], Mapping) else None


@functools.cache
def _hints(owner: Callable[..., object]) -> dict[str, Any]:
    return typing.get_type_hints(owner)


def _fits(value: Any, hint: Any) -> bool:
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, arm) for arm in arms)
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
        return all(_fits(key, arms[0]) and _fits(held, arms[1]) for key, held in value.items())
    if isinstance(value, str | bytes | Mapping):
        # A text is a sequence of texts, and never meant as one.
        return False
    if origin is tuple and Ellipsis not in arms:
        return len(value) == len(arms) and all(map(_fits, value, arms))
    return not isinstance(value, Sequence) or all(_fits(each, arms[0]) for each in typing.cast("Iterable[Any]", value))


def _in_words(hint: Any) -> str:
    return in_words(hint, IN_PYTHON, _named)


def _named(hint: Any) -> str:
    """A container, a function or an object, with how one is made where its name does not say it."""
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if origin is Callable:
        return "a function"
    if origin is not None:
        return (
            "a table with texts as names" if issubclass(origin, Mapping) else f"a list, each of it {_in_words(arms[0])}"
        )
    name = str(getattr(hint, "__name__", hint))
    return f"{name} ({_AS[name]})" if name in _AS else name
