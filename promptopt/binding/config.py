"""Names and settings into objects: strict TOML and `--set name=value` into the same frozen dataclasses.

The only user of pydantic. A key or setting that nobody reads is an error that offers the nearest one that is read.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from promptopt import registry
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.models.files.catalogue import PROPOSER

if typing.TYPE_CHECKING:
    from promptopt.protocols import Optimizer

Setting = str | int | float | bool
"""A value as TOML gives it; from the command line always a text, read by the type of the field it is for."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a user is told of an option. `flag`, `metavar`: on the command line, where its name and type do not say."""

    help: str
    metavar: str | None = None
    flag: str = ""


GROUPS: Mapping[str, tuple[str, ...]] = {
    "What is searched": ("task", "method", "settings", "evaluator", "check_model", "check_evaluator", "seed", "out"),
    "Models": ("model", "proposer", "judge", "check_judge", "user_model", "teacher"),
    "Servers": (
        "base_url", "served_as", "api_key_env", "proposer_base_url", "proposer_served_as", "proposer_api_key_env",
        "judge_base_url", "judge_served_as", "judge_api_key_env", "concurrency", "requests_per_minute",
    ),
    "Examples": ("data", "train", "dev", "test"),
    "Caps": ("max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes"),
}  # fmt: skip
"""The fields of `RunConfig` under the headings that `--help` shows them under."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run can be told, on the command line or in a file: every option is a field here, and said nowhere else.

    None: the default of the task or method.
    """

    task: Annotated[
        str,
        Said(
            "A built-in task (`promptopt tasks list`), a task file, a program (package.module:name); several, as A,B."
        ),
    ] = ""
    system: Annotated[
        str | None,
        Said(
            "Several tasks: the system prompt in use, or its file; one task: a system prompt that stays.",
            "FILE-or-text",
        ),
    ] = None
    objective: Annotated[str | None, Said("Several tasks: mean (default), weighted, or worst.")] = None
    weights: Annotated[str | None, Said("Several tasks: a number for each.", "N,N,N")] = None
    floor: Annotated[float | None, Said("Several tasks: the loss that each may have, from 0 to 1.")] = None
    method: Annotated[str, Said("How to search (`promptopt methods list`); default: auto.")] = ""
    model: Annotated[str, Said("The model that answers the task; default: embedded.")] = "embedded"
    proposer: Annotated[
        str | None,
        Said(f"The model that writes prompts; default: the one that answers; of embedded, embedded/{PROPOSER}."),
    ] = None
    judge: Annotated[
        str | None,
        Said("The model that scores, where one is asked; several, as A,B,C, for a panel; default: the proposer."),
    ] = None
    check_judge: Annotated[str | None, Said("The judge that the verdict is by; default: the judge.", "MODEL")] = None
    user_model: Annotated[
        str | None, Said("The model that plays the users of a task with scenarios; default: the proposer.", "MODEL")
    ] = None
    teacher: Annotated[
        str | None,
        Said("The model whose right answers become demonstrations; default: the one that answers.", "MODEL"),
    ] = None
    base_url: Annotated[str | None, Said("The address of an OpenAI-compatible server.")] = None
    served_as: Annotated[str | None, Said("A name for that server, where its address changes.", "NAME")] = None
    api_key_env: Annotated[
        str | None,
        Said("The environment variable that holds its key; OPENAI_API_KEY goes to OpenAI alone.", "VARIABLE"),
    ] = None
    proposer_base_url: Annotated[str | None, Said("The server of the proposer; default: that of --base-url.")] = None
    proposer_served_as: Annotated[str | None, Said("A name for the proposer's server.", "NAME")] = None
    proposer_api_key_env: Annotated[str | None, Said("The variable with the key for it.", "VARIABLE")] = None
    judge_base_url: Annotated[str | None, Said("The server of the judge; default: that of --base-url.")] = None
    judge_served_as: Annotated[str | None, Said("A name for the judge's server.", "NAME")] = None
    judge_api_key_env: Annotated[str | None, Said("The variable with the key for it.", "VARIABLE")] = None
    concurrency: Annotated[int | None, Said("Requests in flight at a server, at most; default: 64.")] = None
    requests_per_minute: Annotated[float | None, Said("Requests sent to a server in a minute, at most.")] = None
    evaluator: Annotated[
        str | None,
        Said(
            "generation, labels, loss, preference, or a judge: rubric, checklist, versus, equivalence, panel, "
            "weighted; default: as the method or the task says."
        ),
    ] = None
    check_model: Annotated[
        str | None, Said("The model the prompt is for: the verdict is on it; default: the one that answers.")
    ] = None
    check_evaluator: Annotated[str | None, Said("What the verdict is by; default: the task's metric.")] = None
    data: Annotated[str | None, Said("Use these examples instead of the task's own.", "FILE")] = None
    train: Annotated[int | None, Said("Examples to learn from.")] = None
    dev: Annotated[int | None, Said("Examples to choose the winner by.")] = None
    test: Annotated[int | None, Said("Sealed examples for the verdict.")] = None
    seed: Annotated[int, Said("Of every random choice; default: 0.")] = 0
    max_evaluations: Annotated[int | None, Said("Cap: prompts scored on one example each.")] = None
    max_calls: Annotated[int | None, Said("Cap: replies asked of any model.")] = None
    max_tokens: Annotated[int | None, Said("Cap: tokens read and written by any model.")] = None
    max_usd: Annotated[float | None, Said("Cap: dollars.")] = None
    max_minutes: Annotated[float | None, Said("Minutes until it is suspended.")] = None
    settings: Annotated[
        Mapping[str, Setting],
        Said("A setting of the method (`methods show`), or evaluator.NAME=…", "NAME=VALUE", "--set"),
    ] = field(default_factory=dict[str, Setting])
    out: Annotated[str | None, Said("Write the winner here (.txt, .json or .py).", "FILE")] = None


def load_config(path: str | Path) -> RunConfig:
    """Read a TOML file into a `RunConfig`. Raises DataError when it cannot be read, ConfigError for what it says."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as cause:
        raise DataError(f"the config file {str(path)!r} cannot be read: {cause.strerror}; check its name") from cause
    except UnicodeDecodeError as cause:
        raise DataError(f"the config file {str(path)!r} is not UTF-8 text; save it as UTF-8") from cause
    except tomllib.TOMLDecodeError as cause:
        raise ConfigError(f"the config file {str(path)!r} is not valid TOML: {cause}") from cause
    try:
        return config_from(data)
    except ConfigError as cause:
        raise ConfigError(f"in the config file {str(path)!r}: {cause}") from cause


def config_from(data: Mapping[str, Any]) -> RunConfig:
    """A `RunConfig` of the values in `data`; tables under `settings` become dotted names. Raises ConfigError."""
    from pydantic import TypeAdapter, ValidationError

    values = dict(data)
    known = [entry.name for entry in dataclasses.fields(RunConfig)]
    for name in values:
        if name not in known:
            raise UnknownName("option", name, known)
    if isinstance(values.get("settings"), Mapping):
        values["settings"] = flat_settings(values["settings"])
    # Strict below: "3" for a number in a file is a slip; only what the command line sets comes as text.
    hints = typing.get_type_hints(RunConfig)
    for name, value in values.items():
        adapter: TypeAdapter[Any] = TypeAdapter(hints[name])
        try:
            values[name] = adapter.validate_python(value, strict=True)
        except ValidationError as cause:
            raise _wrong_type(f"option {name!r}", value, hints[name]) from cause
    return RunConfig(**values)


def flat_settings(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables as dotted names: `{"selector": {"name": "ucb", "c": 0.5}}` as `{"selector": "ucb", "selector.c": 0.5}`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(typing.cast("Mapping[str, Any]", value), f"{prefix}{key}.")
        elif isinstance(value, list):
            # As JSON, for the items of a list of texts may have commas.
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
        else:
            # A table's `name` says what the field itself is set to: `selector`, and not `selector.name`.
            flat[prefix[:-1] if key == "name" and prefix else prefix + key] = value
    return flat


def parse_settings(texts: typing.Sequence[str]) -> dict[str, Setting]:
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
        return _made(made, {}, owner) if isinstance(made, type) else made
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
        return _made(made, changes, owner)
    try:
        return dataclasses.replace(made, **changes)
    except ConfigError:
        raise
    except (TypeError, ValueError) as cause:
        raise ConfigError(f"the settings of {owner!r} do not fit together: {cause}") from cause


def _made(cls: type, settings: Mapping[str, Any], owner: str) -> Any:
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
        raise ConfigError(f"{path!r} is one value, so there is no setting {path + '.' + next(iter(below))!r}")
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
        raise _wrong_type(f"setting {path!r}", value, hint) from cause


def _wrong_type(what: str, found: object, hint: Any) -> ConfigError:
    return ConfigError(f"{what} is {found!r}; expected {describe_type(hint)}")


def _without_none(hint: Any) -> Any:
    """`X` of `X | None`; any other hint as it is."""
    rest = [arm for arm in typing.get_args(hint) if arm is not type(None)]
    return rest[0] if typing.get_origin(hint) in (types.UnionType, typing.Union) and len(rest) == 1 else hint


_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "none",
}


def describe_type(hint: Any) -> str:
    """What a person would call the values of a type: "a whole number", "'ucb' or 'halving'"."""
    if hint in _WORDS:
        return _WORDS[hint]
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(map(repr, arms))
    if origin in (types.UnionType, typing.Union):
        return " or ".join(describe_type(arm) for arm in arms)
    if origin is tuple:
        return "values separated by commas, or a JSON list of them"
    name = str(getattr(hint, "__name__", hint))
    if getattr(hint, "_is_protocol", False) and name in _GROUPS:
        return " or ".join(map(repr, registry.names(_GROUPS[name])))
    return "a group of settings" if dataclasses.is_dataclass(hint) else name
