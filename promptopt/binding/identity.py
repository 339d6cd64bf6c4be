"""Methods by name, and what says which run it is: the fingerprint's parts."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache, partial
from importlib.metadata import version
from pathlib import PurePath
from typing import Any, cast

from promptopt.errors import ConfigError
from promptopt.evaluators.metrics import source_digest
from promptopt.protocols import Optimizer
from promptopt.types import canonical


def bind_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """A method by its registered name, with its default settings, or the object given.

    Raises UnknownName, and ConfigError for what is no optimizer.
    """
    if isinstance(optimizer, str):
        from promptopt.binding.settings import build_optimizer

        optimizer = build_optimizer(optimizer, {})
    if isinstance(optimizer, type) or not callable(getattr(optimizer, "optimize", None)):
        raise ConfigError(f"{optimizer!r} is not an optimizer: pass an object with a method optimize(run)")
    return optimizer


def method_name(optimizer: Optimizer) -> str:
    """The name a method is registered under, or its class name in lower case."""
    from promptopt.registry import names

    kind = type(optimizer)
    guess = kind.__name__.lower()
    registered = getattr(kind, "name", guess)
    return registered if isinstance(registered, str) and registered in names("optimizers") else guess


def identity_of(value: object, name: str = "the method") -> Any:
    """JSON that changes when a setting changes: what goes into the fingerprint for objects a user may pass.

    Dataclasses give their fields, functions their name and source, other objects their class and attributes. `name`:
    what the value is called in an error. Raises ConfigError for a value that shows nothing to tell it by.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [identity_of(item, name) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(key): identity_of(item, f"{name}[{key!r}]") for key, item in pairs}
    if isinstance(value, set | frozenset):
        # In an order of its own: that of a set of texts is another one in each process.
        items = [identity_of(item, name) for item in cast("set[object]", value)]
        return {"is": "set", "items": sorted(items, key=canonical)}
    # A path's class is named after the machine, and moves with the version of Python.
    if isinstance(value, PurePath):
        return {"is": "path", "value": value.as_posix()}
    if isinstance(value, date | time | timedelta | Decimal | bytes):
        return {"is": _path(type(value)), "value": repr(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "is": _path(type(value)),
            **{item.name: identity_of(getattr(value, item.name), f"{name}.{item.name}") for item in fields(value)},
        }
    if isinstance(value, partial):
        given = cast("partial[object]", value)
        # An object of C without attributes to see: what it holds is what tells two of them apart.
        held = {"func": given.func, "args": given.args, "keywords": given.keywords}
        return {"is": "partial", **{each: identity_of(item, f"{name}.{each}") for each, item in held.items()}}
    if callable(value) and hasattr(value, "__qualname__"):
        # A function whose code changes is another one, though its name stays.
        return {"is": _path(cast("type", value)), "source": source_digest(value)}
    try:
        attributes = vars(value)
    except TypeError as cause:
        raise ConfigError(
            f"{name} holds {value!r:.80}, a {type(value).__name__}, which shows nothing to tell two of them apart by: "
            f"a run is known by its settings; give a text, a number, a path, a date, a list or a dataclass"
        ) from cause
    return {
        "is": _path(type(value)),
        **{each: identity_of(item, f"{name}.{each}") for each, item in attributes.items()},
    }


def _path(kind: type) -> str:
    # By its place: a method that moves to another module is another one, whose runs begin anew.
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def versions() -> Mapping[str, str]:
    """What a replay depends on besides the fingerprint: random draws, and a sampler's, may change between versions."""
    return {
        # Patch releases draw alike.
        "python": ".".join(platform.python_version_tuple()[:2]),
        "promptopt": version("promptopt-engine"),
        "optuna": version("optuna"),
    }


def run_id(fingerprint: Mapping[str, object]) -> str:
    """Twelve hex digits of the fingerprint: the same command is the same run."""
    # 48 bits: of a thousand runs two share an id with a chance of 2e-9, and a person can type it.
    return hashlib.sha256(canonical(fingerprint).encode()).hexdigest()[:12]
