"""Settings into objects: what `--set name=value` and the tables of a file say, as the fields of frozen dataclasses.

A setting that nobody reads is an error that offers the nearest one that is read.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptopt import registry
from promptopt.errors import ConfigError, UnknownName
from promptopt.type_words import IN_FILES, in_words

if typing.TYPE_CHECKING:
    from promptopt.protocols import Optimizer

Setting = str | int | float | bool
"""A value as TOML gives it; from the command line always a text, read by the type of the field it is for."""


def flat_settings(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables as dotted names: `{"selector": {"name": "ucb", "c": 0.5}}` as `{"selector": "ucb", "selector.c": 0.5}`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(cast("Mapping[str, Any]", value), f"{prefix}{key}.")
        elif isinstance(value, list):
            # As JSON, for the items of a list of texts may have commas.
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
        else:
            # A table's `name` says what the field itself is set to: `selector`, and not `selector.name`.
            flat[prefix[:-1] if key == "name" and prefix else prefix + key] = value
    return flat


def parse_settings(texts: Sequence[str]) -> dict[str, Setting]:
    """`["rounds=3", "selector.c=0.5"]` as a mapping; later texts win. Raises ConfigError for one without a `=`."""
    settings: dict[str, Setting] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {text!r} is not of the form name=value; write for example --set rounds=3")
        settings[name.strip()] = value.strip()
    return settings


def build_optimizer(name: str, settings: Mapping[str, Setting]) -> Optimizer:
    """The method registered as `name` with its settings changed as told. Raises UnknownName and ConfigError."""
    return _build(registry.load("optimizers", name), settings, name)


def adjust(made: Any, settings: Mapping[str, Setting], owner: str) -> Any:
    """`made`, an object with settings, with these changed. Raises UnknownName and ConfigError."""
    return _build(made, settings, owner) if settings else made


_GROUPS: Mapping[str, registry.Group] = {
    "Selector": "selection",
    "Evaluator": "evaluators",
    "Optimizer": "optimizers",
}
"""The registry that names what fits a Protocol."""


def _build(made: Any, settings: Mapping[str, Setting], owner: str) -> Any:
    """`made` (a dataclass to construct, or an instance to start from) with `settings` applied."""
    if not dataclasses.is_dataclass(made):
        if settings:
            raise ConfigError(f"{owner!r} has no settings, but {next(iter(settings))!r} was set; leave it out")
        return _instance_of(made, {}, owner) if isinstance(made, type) else made
    cls = made if isinstance(made, type) else type(made)
    hints = typing.get_type_hints(cls)
    # Not those that the object works out for itself.
    fields = {entry.name: entry for entry in dataclasses.fields(cls) if entry.init}
    heads: dict[str, dict[str, Setting]] = {}
    for path, value in settings.items():
        head, _, rest = path.partition(".")
        if head not in fields:
            raise UnknownName(f"setting of {owner!r}", head, fields)
        heads.setdefault(head, {})[rest] = value
    changes: dict[str, Any] = {}
    for head, inner in heads.items():
        if isinstance(made, type):
            entry = fields[head]
            default = entry.default_factory() if callable(entry.default_factory) else entry.default
        else:
            default = getattr(made, head)
        changes[head] = _field(hints[head], default, inner, f"{owner}.{head}")
    if isinstance(made, type):
        return _instance_of(made, changes, owner)
    try:
        return dataclasses.replace(made, **changes)
    except ConfigError:
        raise
    except (TypeError, ValueError) as cause:
        raise ConfigError(f"the settings of {owner!r} do not fit together: {cause}") from cause


def _instance_of(cls: type, settings: Mapping[str, Any], owner: str) -> Any:
    parameters = inspect.signature(cls).parameters.values()
    # What *args and **kwargs take need not be given.
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [each.name for each in parameters if each.default is each.empty and each.kind not in several]
    missing = [name for name in needed if name not in settings]
    if missing:
        raise ConfigError(
            f"{owner!r} is made with {', '.join(map(repr, missing))}, which nobody gave; pass an object, as "
            f"{cls.__name__}({missing[0]}=…), instead of the name"
        )
    try:
        return cls(**settings)
    # A ValueError too, which has its sentence already.
    except ConfigError:
        raise
    except (TypeError, ValueError) as cause:
        raise ConfigError(f"the settings of {owner!r} do not fit together: {cause}") from cause


def _field(hint: Any, default: Any, inner: Mapping[str, Setting], path: str) -> Any:
    """The value of one field, from what was set on it (under "") and below it."""
    below = {name: value for name, value in inner.items() if name}
    kind = _without_none(hint)
    group = _GROUPS.get(getattr(kind, "__name__", "")) if getattr(kind, "_is_protocol", False) else None
    if "" in inner and group is not None:
        return _build(registry.load(group, str(inner[""])), below, path)
    if "" not in inner and dataclasses.is_dataclass(default) and not isinstance(default, type):
        return _build(default, below, path)
    if "" not in inner and group is not None:
        raise ConfigError(f"say first which {path!r} is meant: {' or '.join(map(repr, registry.names(group)))}")
    if dataclasses.is_dataclass(kind):
        if "" not in inner:
            return _build(kind, below, path)
        raise ConfigError(f"{path!r} is a group of settings; set one of them, such as {path.split('.')[-1]}.NAME=…")
    if below:
        under = f"{path}.{next(iter(below))}"
        raise ConfigError(f"{path!r} is one value, and has no setting {under!r}; set {path!r} itself")
    return _leaf(hint, inner[""], path)


def _leaf(hint: Any, value: Setting, path: str) -> Any:
    """One plain value of type `hint`; texts are read by type, everything else must be of it already."""
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    try:
        if not isinstance(value, str):
            # TOML has types: a text "3" where a number is due is a slip, and is not read as one.
            return adapter.validate_python(value, strict=True)
        # On the command line there is no other way to write it.
        if type(None) in typing.get_args(hint) and value.lower() == "none":
            return None
        if typing.get_origin(_without_none(hint)) is tuple:
            if value.lstrip().startswith("["):
                return adapter.validate_json(value)
            items = [item.strip() for item in value.split(",") if item.strip()]
            return adapter.validate_python(tuple(items))
        return adapter.validate_strings(value)
    except ValidationError as cause:
        raise wrong_type(f"setting {path!r}", value, hint) from cause


def wrong_type(what: str, found: object, hint: Any) -> ConfigError:
    """The error for a value that is not of the type `hint`."""
    return ConfigError(f"{what} is {found!r}; expected {describe_type(hint)}")


def _without_none(hint: Any) -> Any:
    """`X` of `X | None`; any other hint as it is."""
    rest = [arm for arm in typing.get_args(hint) if arm is not type(None)]
    return rest[0] if typing.get_origin(hint) in (types.UnionType, typing.Union) and len(rest) == 1 else hint


def describe_type(hint: Any) -> str:
    """What a person would call the values of a type: "a whole number", "'ucb' or 'halving'"."""
    return in_words(hint, IN_FILES, _in_settings)


def _in_settings(hint: Any) -> str:
    """A list, a group of settings, or the names of what fits a Protocol."""
    if typing.get_origin(hint) is tuple:
        return "values separated by commas, or a JSON list of them"
    name = str(getattr(hint, "__name__", hint))
    if getattr(hint, "_is_protocol", False) and name in _GROUPS:
        return " or ".join(map(repr, registry.names(_GROUPS[name])))
    return "a group of settings" if dataclasses.is_dataclass(hint) else name
