"""`promptopt methods`: the search methods there are and the selectors they hold, and what each can be told."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import typing
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from promptopt.cli import options
from promptopt.cli.output import show, show_json

if TYPE_CHECKING:
    from promptopt import registry

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List the search methods and selectors, or show one with its settings.",
)

WIDEST = 25
"""Characters of the column that says what a setting takes; a longer list of names goes with the meaning."""
GROUP = "(below)"
"""Stands for the default of a field that is a group of settings."""


@app.command("list")
def list_methods(json: options.AsJson = False) -> None:
    """List every method and every selector, in a line each."""
    from promptopt.reports import words

    methods, selectors = _names_and_cards("optimizers"), _names_and_cards("selection")
    if json:
        told = {"methods": methods, "selectors": selectors}
        show_json({kind: [{"name": name, "summary": line} for name, line in rows] for kind, rows in told.items()})
        return
    chosen = "Selectors, for --set selector=NAME of a method that has this setting:"
    show(f"{words.columns(methods)}\n\n{chosen}\n{words.columns(selectors, indent='  ')}")


@app.command("show")
def show_method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a method, or of a selector.")],
) -> None:
    """Show a method or a selector, and every setting it has."""
    from promptopt import registry
    from promptopt.reports import words

    group = _group_of(name)
    made = registry.load(group, name)
    shared = _sharing(_loaded(group, each) for each in registry.names(group))
    # Methods of a family share a card, which says of none what it does.
    parts = [_own_docstring(made), _card(made)] if made in shared else [_card(made)]
    rows = settings(made)
    if rows:
        before = "selector." if group == "selection" else ""
        parts.append(f"Settings, for --set {before}name=value:\n" + words.columns(rows, indent="  "))
    for field, default in _groups(made):
        chosen = settings(default)
        if chosen:
            rows = [[f"{field}.{row[0]}", *row[1:]] for row in chosen]
            name = registered_name(default)
            of = f"Of {field}" if name == GROUP else f"Of {field}={name}, the default"
            parts.append(f"{of}:\n" + words.columns(rows, indent="  "))
    show("\n\n".join(parts))


def _group_of(name: str) -> registry.Group:
    """Whether a method or a selector is called so. Raises UnknownName, near names of both told."""
    from promptopt import registry
    from promptopt.errors import UnknownName

    methods, selectors = (registry.names(group) for group in ("optimizers", "selection"))
    if name not in methods and name not in selectors:
        raise UnknownName("method or selector", name, [*methods, *selectors])
    return "optimizers" if name in methods else "selection"


def _names_and_cards(group: registry.Group) -> list[tuple[str, str]]:
    """(name, what it is in a line) of each that is registered there."""
    from promptopt import registry

    made = {name: _loaded(group, name) for name in registry.names(group)}
    shared = _sharing(made.values())

    def line(kind: type | str) -> str:
        return (
            kind
            if isinstance(kind, str)
            else (_own_docstring(kind) if kind in shared else _card(kind)).partition("\n")[0]
        )

    return [(name, line(kind)) for name, kind in made.items()]


def _loaded(group: registry.Group, name: str) -> type | str:
    """A method or a selector, or why a plug-in's cannot be had: one that is broken hides no other."""
    from promptopt import registry
    from promptopt.errors import ConfigError

    try:
        return registry.load(group, name)
    except ConfigError as why:
        return f"({why})"


def _card(made: type) -> str:
    """The module's docstring, which is the method's card; the class's own where the module has none."""
    module = inspect.getmodule(made)
    text = inspect.getdoc(module) if module is not None else None
    return text if text else _own_docstring(made)


def _own_docstring(made: type) -> str:
    text = inspect.getdoc(made)
    return text if text else "(no description)"


def _sharing(kinds: Iterable[type | str]) -> list[type]:
    """Those that share a module, and so its card, with another: a family of methods."""
    found = [kind for kind in kinds if not isinstance(kind, str)]
    homes = Counter(kind.__module__ for kind in found)
    return [kind for kind in found if homes[kind.__module__] > 1]


def settings(made: object) -> list[list[str]]:
    """[name, default, what it takes, meaning] of every field of a dataclass, or of an instance of one."""
    from promptopt.binding.settings import describe_type

    if not dataclasses.is_dataclass(made):
        return []
    kind = made if isinstance(made, type) else type(made)
    hints, meanings = typing.get_type_hints(kind), field_docstrings(kind)
    rows: list[list[str]] = []
    for field in dataclasses.fields(kind):
        if field.init:
            default = _default(field) if isinstance(made, type) else getattr(made, field.name)
            taken, meaning = describe_type(hints[field.name]), meanings.get(field.name, "")
            if len(taken) > WIDEST:
                short, lead = ("a name", "One of ") if taken.startswith("'") else ("a list", "As ")
                taken, meaning = short, f"{meaning} {lead}{taken}.".lstrip()
            rows.append([field.name, registered_name(default), taken, meaning])
    return rows


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _groups(made: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """(dotted name, default) of the fields that hold a group of settings or a selector, groups in groups included."""
    kind = made if isinstance(made, type) else type(made)
    if not dataclasses.is_dataclass(kind):
        return
    for field in dataclasses.fields(kind):
        if field.init:
            value = _default(field) if isinstance(made, type) else getattr(made, field.name)
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                yield f"{prefix}{field.name}", value
                yield from _groups(value, f"{prefix}{field.name}.")


def registered_name(value: object) -> str:
    """A default as a person would type it: a selector by its registered name, everything else as it is."""
    from promptopt import registry

    if value is dataclasses.MISSING:
        return "(required)"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in registry.names("selection"):
            if registry.load("selection", name) is type(value):
                return name
        return GROUP
    if isinstance(value, tuple):
        return ",".join(map(str, typing.cast("tuple[object, ...]", value)))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def field_docstrings(kind: type) -> dict[str, str]:
    """The text that stands below each field in the source of a class, on one line; empty where there is no source."""
    try:
        # Python keeps no docstrings of fields, so they are read from the source.
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for statement, below in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = below.value if isinstance(below, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[statement.target.id] = " ".join(value.value.split())
    return found
