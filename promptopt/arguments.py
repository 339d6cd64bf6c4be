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
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from promptopt.errors import ConfigError, UnknownName
from promptopt.kinds import HOW_MADE, fits, of_class, plain, type_in_words

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C")

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 80


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, which raises ConfigError for the first argument that is not of the kind it is annotated with."""
    signature = inspect.signature(function)
    called = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        bound = _bound(function, called, signature, args, kwargs)
        hints = _hints(function)
        for name, given in bound.arguments.items():
            bound.arguments[name] = value = plain(given, hints.get(name, Any))
            _check_argument(function, called, name, value, signature.parameters)
        return function(*bound.args, **bound.kwargs)

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
        except (TypeError, AttributeError, ConfigError) as failed:
            # The class's own look at its fields may have failed at one that is of another kind, or of another library.
            given = dict(_bound(kind, kind.__name__, signature, args, kwargs).arguments)
            given.pop("self", None)
            if own := _plain_fields(kind, given):
                made(args[0], **{**given, **own})
                return
            if not isinstance(failed, ConfigError):
                _check_kinds(kind, given)
            raise
        values = values_of(args[0])
        kinds = tuple(map(type, values))
        if kinds not in right:
            given = dict(zip(names, values, strict=False))
            if own := _plain_fields(kind, given):
                made(args[0], **{**given, **own})
                return
            _check_kinds(kind, given)
            right.add(kinds)

    kind.__init__ = made
    _follow(kind, told)
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
    _follow(kind, told_by_name)
    return kind


def _follow(kind: type, tell: Callable[[type], type]) -> None:
    """Have dataclasses that are derived from `kind` tell of their fields too, from the first one made on.

    Before that they are no dataclasses yet: the decorator follows the class.
    """

    def new(made: Any, *_: Any, **__: Any) -> Any:
        own = typing.cast("Mapping[str, Any]", vars(made))
        written: Any = made.__init__ if "__init__" in own and "__dataclass_fields__" in own else None
        # Only an `__init__` that `dataclass` wrote takes the fields as they are.
        if written is not None and made.__dataclass_params__.init and not hasattr(written, "__wrapped__"):
            # A class within a function may name what nothing but the function knows.
            with suppress(NameError):
                _hints(made)
                tell(made)
        return object.__new__(made)

    def begun(cls: Any, **kwargs: Any) -> None:
        super(kind, cls).__init_subclass__(**kwargs)
        if cls.__new__ is object.__new__:
            cls.__new__ = staticmethod(new)

    kind.__init_subclass__ = classmethod(begun)  # pyright: ignore[reportAttributeAccessIssue]
    kind.__signature__ = _OfInit()  # pyright: ignore[reportAttributeAccessIssue]


class _OfInit:
    """The signature of a class, which `inspect` would take from a `__new__` that takes anything."""

    def __get__(self, made: object, kind: type) -> inspect.Signature:
        own = inspect.signature(kind.__init__)
        return own.replace(parameters=list(own.parameters.values())[1:], return_annotation=inspect.Signature.empty)


def _plain_fields(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an array library gave, as Python's own."""
    hints = _hints(kind)
    own = {name: plain(value, hints.get(name, Any)) for name, value in given.items()}
    return {name: value for name, value in own.items() if value is not given[name]}


def _check_kinds(kind: type, given: Mapping[str, Any]) -> None:
    """Raise ConfigError for the first field whose class is none that its annotation names."""
    hints = _hints(kind)
    for name in _parameters(kind):
        if name in given and not of_class(given[name], hints.get(name, Any)):
            _check_argument(kind, kind.__name__, name, given[name], _parameters(kind))


def check_each(called: str, given: object, kind: type | types.UnionType, how: str) -> None:
    """Raise ConfigError for the first that is none of `kind`; `how`: one as it is written."""
    # A text alone could be gone through by its letters. What can be gone through once only is not looked into.
    several = not isinstance(given, str) and isinstance(given, Iterable)
    listed = typing.cast("Iterable[object]", given) if isinstance(given, Collection) else ()
    wrong: list[object] = [each for each in listed if not isinstance(each, kind)] if several else [given]
    if wrong:
        raise ConfigError(f"{called}: {_shorten.repr(wrong[0])} is given; give a list, as [{how}]")


def _bound(
    function: Callable[..., object],
    called: str,
    signature: inspect.Signature,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> inspect.BoundArguments:
    """The arguments by name. Raises UnknownName for a name that is not there, ConfigError for what is missing."""
    unknown = next((name for name in kwargs if name not in signature.parameters), None)
    # `bind` would raise a TypeError of its own, without the name that was meant.
    if unknown is not None:
        meant = _of_a_parameter(function, unknown)
        known = [name for name in signature.parameters if name not in ("self", "cls")]
        how = _how_made(called)
        refused = UnknownName(f"argument of {called}", unknown, known, meant=meant or how * (f"{unknown}=" in how))
        raise refused if meant or refused.near else UnknownName(refused.kind, unknown, known, meant=how)
    try:
        return signature.bind(*args, **kwargs)
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
    if lacking and _how_made(called):
        return f"{called} needs {lacking[0]}; make one as {_how_made(called)}"
    if lacking:
        return f"{called} needs {lacking[0]}; give {type_in_words(_hints(function).get(lacking[0], Any))}"
    twice = next((name for name in placed[: len(args)] if name in kwargs), "")
    return f"{called}: {twice} is given twice; give it once"


def _how_made(called: str) -> str:
    """How one of a class is made, where its fields do not say it; or ""."""
    how = HOW_MADE.get(called, "")
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
    hints = _hints(kind)
    for name in parameters:
        given = getattr(owner, name)
        value = plain(given, hints.get(name, Any))
        if value is not given:
            object.__setattr__(owner, name, value)
        _check_argument(kind, kind.__name__, name, value, parameters)


@functools.cache
def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind).parameters


def _check_argument(
    owner: Callable[..., object],
    called: str,
    name: str,
    value: object,
    parameters: Mapping[str, inspect.Parameter],
) -> None:
    hint = _hints(owner).get(name, Any)
    if not fits(value, hint):
        if "Example" in (wanted := type_in_words(hint)) and (row := _first_table(value)) is not None:
            raise ConfigError(
                f"{called}: {name} are tables, of {', '.join(map(repr, row))}; make examples of them, as "
                f"[Example.of(row['the answer'], text=row['the input']) for row in {name}]"
            )
        otherwise = "" if parameters[name].default is inspect.Parameter.empty else "; or leave it out"
        raise ConfigError(f"{called}: {name} is {_shorten.repr(value)}; give {wanted}{otherwise}")


def _first_table(value: Any) -> Mapping[Any, Any] | None:
    """The first of a list of tables, as files are read to; None for anything else."""
    held = typing.cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
    return typing.cast("Mapping[Any, Any]", held[0]) if held and isinstance(held[0], Mapping) else None


@functools.cache
def _hints(owner: Callable[..., object]) -> dict[str, Any]:
    return typing.get_type_hints(owner)
