"""Names to objects through entry points: our own methods, evaluators and models register as any plug-in does."""

from __future__ import annotations

import traceback
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from promptopt.errors import ConfigError, UnknownName

Group = Literal["optimizers", "evaluators", "models", "tasks", "selection", "generators"]

_NOUNS: dict[Group, str] = {
    "optimizers": "method",
    "evaluators": "evaluator",
    "models": "model provider",
    "tasks": "task",
    "selection": "selector",
    "generators": "generator",
}


# What is installed does not change while a process runs, and reading it takes as long as fifty scored cells.
@cache
def entries(group: Group) -> dict[str, EntryPoint]:
    """The entry points of a group by name, read once; `entries.cache_clear()` after installing something meanwhile."""
    return {entry.name: entry for entry in entry_points(group=f"promptopt.{group}")}


def names(group: Group) -> list[str]:
    """Every registered name, sorted. Imports nothing."""
    return sorted(entries(group))


def load(group: Group, name: str) -> Any:
    """The object registered under `name`. Raises UnknownName, or ConfigError when a plug-in cannot be imported."""
    known = entries(group)
    if name not in known:
        raise UnknownName(_NOUNS[group], name, known)
    try:
        return known[name].load()
    # Whatever the module of a plug-in raises; one that ends the program must not end the run.
    except (Exception, SystemExit) as cause:
        raise ConfigError(
            f"the {_NOUNS[group]} {name!r} ({known[name].value}) cannot be imported: {cause}; "
            f"reinstall the package that provides it"
        ) from cause


def module_of(name: str, what: str) -> Any:
    """A module of the user's by its name, imported. Raises ConfigError whatever it raises meanwhile.

    `what`: what it is needed for, for the sentence.
    """
    try:
        return import_module(name)
    except (ImportError, ValueError) as cause:
        missing = cause.name if isinstance(cause, ModuleNotFoundError) and cause.name else name
        # What the module itself imports, and not the module or a package that holds it.
        if name != missing and not name.startswith(f"{missing}."):
            raise ConfigError(f"{what} needs the module {missing!r}, which is not installed; install it") from cause
        raise ConfigError(
            f"{what} cannot be imported: {cause}; write it as module:name, and put the module's folder on PYTHONPATH"
        ) from cause
    # A script that ends the program, as one without a guard does, must not end the run.
    except (Exception, SystemExit) as cause:
        # What cannot be compiled has no line that ran.
        place = cause if isinstance(cause, SyntaxError) else traceback.extract_tb(cause.__traceback__)[-1]
        raise ConfigError(
            f"{what} cannot be imported: line {place.lineno} of {place.filename} raises {type(cause).__name__}: "
            f"{cause}; mend the module until Python imports it"
        ) from cause


def function_in(module: Any, path: str, metric: str, where: str) -> Any:
    """What stands under the dotted `path` in a module, for the metric that names it. Raises ConfigError.

    `where`: what the module is called in that sentence.
    """
    found = module
    # A dotted path may name a method of a class, or an attribute of an object.
    for part in path.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"metric {metric!r}: {where} has no function {path!r}; correct either")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"metric {metric!r} is a {type(found).__name__}: expected a function of (answer, example)")
    return found
