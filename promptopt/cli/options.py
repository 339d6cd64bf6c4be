"""Options of the command line, read off the fields of `RunConfig`; and the few that no run depends on."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Literal

from typer import Option
from typer.core import TyperCommand

from promptopt.binding.config import GROUPS, RunConfig, Said
from promptopt.binding.settings import parse_settings

AsJson = Annotated[bool, Option("--json", help="Print one JSON object on stdout, and nothing else.")]
Quietly = Annotated[bool, Option("--quiet", help="Print nothing but the result.")]
Trust = Annotated[
    bool,
    Option("--trust", help="Let this very task file or module run, import and download what it names, from now on."),
]
Inconclusive = Annotated[
    Literal["fail", "pass"],
    Option("--inconclusive", help="What an inconclusive check is for the exit code: 5, or 0 with a warning."),
]
Required = Annotated[Literal["no worse", "better"], Option("--require", help="What the score has to be shown to be.")]
Sequential = Annotated[
    bool, Option("--sequential", help="Score examples in batches, and stop as soon as it is decided.")
]
SharedPrompt = Annotated[bool, Option("--shared", help="Find one prompt for all new models, too.")]
DryRun = Annotated[bool, Option("--dry-run", help="Say what it would take, and ask no model.")]
OnRay = Annotated[
    str | None,
    Option("--on", metavar="ray[://HOST:PORT]", help="Spread models that run in a process over a Ray cluster."),
]
PromptTexts = Annotated[
    list[str] | None,
    Option(metavar="FILE-or-text", help="The prompt, or its file; default: the task's start. Two or more: compared."),
]
ModelNames = Annotated[
    list[str] | None,
    Option(metavar="NAME", help="The model that answers the task; default: embedded. Two or more: compared."),
]

OWN = "This command"
"""The heading of options that no group holds."""
_HEADINGS: Mapping[str, str] = {name: heading for heading, names in GROUPS.items() for name in names}
_NO_CONFIG_FIELDS = {
    "trust": inspect.Parameter("trust", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Trust),
    "dry_run": inspect.Parameter("dry_run", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=DryRun),
    "inconclusive": inspect.Parameter(
        "inconclusive", inspect.Parameter.KEYWORD_ONLY, default="fail", annotation=Inconclusive
    ),
    "shared": inspect.Parameter("shared", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=SharedPrompt),
    "sequential": inspect.Parameter("sequential", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Sequential),
    "require": inspect.Parameter("require", inspect.Parameter.KEYWORD_ONLY, default="no worse", annotation=Required),
}
_METAVARS: Mapping[Any, str] = {int: "N", float: "X"}


class Grouped(TyperCommand):
    """A command whose `--help` lists its options under headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options under their headings, in the order of the groups; what is in none comes last."""
        listed: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*GROUPS, OWN)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = _HEADINGS.get(str(parameter.name), OWN)
                listed[heading].append(record)
        for heading, records in listed.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def from_config(*names: str, **helps: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes the fields of `RunConfig` called `names` as options, before its own.

    The command is called with `given`: what the user gave of them, by field. `helps` says otherwise what a field is for
    in this command. `settings` becomes `--set NAME=VALUE`, which may be given many times. What
    is in `_NO_CONFIG_FIELDS` is no field, but may be named too.
    """
    fields = {field.name: field for field in dataclasses.fields(RunConfig)}
    hints = typing.get_type_hints(RunConfig, include_extras=True)

    def made(command: Callable[..., None]) -> Callable[..., None]:
        # Annotations are texts here, and typer takes types.
        own = inspect.signature(command, eval_str=True).parameters
        options = [
            _NO_CONFIG_FIELDS[name]
            if name in _NO_CONFIG_FIELDS
            else _option(fields[name].name, hints[name], helps.get(name, ""))
            for name in names
        ]
        rest = [parameter for name, parameter in own.items() if name != "given"]

        @wraps(command)
        def called(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            if "settings" in given:
                given["settings"] = parse_settings(given["settings"] or [])
            command({name: value for name, value in given.items() if value is not None}, **values)

        # The library that reads command lines goes by the signature, so the signature is what is generated.
        signature = inspect.Signature([*options, *rest])
        called.__dict__["__signature__"] = signature
        called.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return called

    return made


def _option(name: str, hint: Any, help_here: str) -> inspect.Parameter:
    arms = typing.get_args(hint)
    said = next(arm for arm in arms if isinstance(arm, Said))
    # `Annotated[int | None, Said]`: the first arm is the union, of which the option takes what is not None.
    plain = next((arm for arm in typing.get_args(arms[0]) if arm is not type(None)), arms[0])
    kind: Any = list[str] if name == "settings" else plain
    metavar = said.metavar or _METAVARS.get(plain)
    flags = [said.flag] if said.flag else []
    option = Option(*flags, metavar=metavar, help=help_here or said.help)
    # None is what was not given: a file's or an earlier run's own value then stays.
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
