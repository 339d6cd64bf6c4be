"""Methods by name, and what says which run it is: the fingerprint's parts."""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, cast

from promptopt.errors import ConfigError
from promptopt.protocols import Optimizer
from promptopt.types import canonical, digest


def bind_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """A method by its registered name, with its default settings, or the object given."""
    if isinstance(optimizer, str):
        from promptopt.binding.config import build_optimizer

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


def identity_of(value: object) -> Any:
    """JSON that changes when a setting changes: what goes into the fingerprint for objects a user may pass.

    Dataclasses give their fields, functions their name and source, other objects their class and attributes.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [identity_of(item) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        return {str(key): identity_of(item) for key, item in cast("Mapping[object, object]", value).items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "is": _path(type(value)),
            **{item.name: identity_of(getattr(value, item.name)) for item in fields(value)},
        }
    if callable(value) and hasattr(value, "__qualname__"):
        # A function whose code changes is another one, though its name stays.
        return {"is": _path(cast("type", value)), "source": _source(cast("Callable[..., object]", value))}
    return {"is": _path(type(value)), **{name: identity_of(item) for name, item in vars(value).items()}}


def _path(kind: type) -> str:
    # By its place: a method that moves to another module is another one, whose runs begin anew.
    return f"{kind.__module__}:{kind.__qualname__}"


def _source(function: Callable[..., object]) -> str:
    try:
        return digest(inspect.getsource(function))
    except (OSError, TypeError):
        # Typed into a session: Python keeps no source of it, so a change of it is another run only by its name.
        return ""


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
