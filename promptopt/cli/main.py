"""The `promptopt` command: its list of commands, each imported only when it is used, and its exit codes.

Exit codes: 0 finished, 1 failed, 2 wrong options, 3 suspended (run the same command again to go on); of `check` also
4 regression, 5 inconclusive.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from promptopt.cli.given_twice import tell_twice
from promptopt.cli.settings_in_a_row import take_settings_in_a_row

COMMANDS: dict[str, str] = {
    "optimize": "Search for a better prompt, and prove on unseen data whether it is one.",
    "evaluate": "Score a prompt on a task, or compare prompts or layouts on the same examples.",
    "check": "Check a new prompt against the one in use: contract, leaks, score, slices, examples that must pass.",
    "compare": "Hold methods, models or prompts against each other under one budget.",
    "unseen": "Search a system prompt on some tasks, and judge it on tasks that the search did not see.",
    "headroom": "Say whether optimization can pay, before it is paid for.",
    "explain": "Say which pieces of a prompt help, which hurt, and which do nothing, with standard errors.",
    "judges": "Hold a judge against people's scores, put it to the test, or draft its checklist.",
    "label": "Write a blind sheet of a run's replies, for people to say which is better.",
    "verdict": "Say whether a run's winner is better, by the labels of people and its judge or metric.",
    "migrate": "Move a prompt to other models, and test that it is no worse there.",
    "report": "Write what a run found, or several, as one HTML file.",
    "runs": "List, show, compare, delete and export what was run.",
    "methods": "List the search methods and selectors, or show one with its settings.",
    "tasks": "List the built-in tasks, or show one.",
    "models": "List the embedded models, show one, or fetch one.",
    "init": "Write a task file from your own CSV, Excel, JSONL or Parquet file, or a saved data set.",
    "cache": "Show how large the store is, or drop from it what no run needs.",
}
"""Every command with the one line that `promptopt --help` shows, so that the list needs no imports."""


class Commands(TyperGroup):
    """The top group: commands are imported when asked for, and failures end in one sentence and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself, None for one that a shell cannot complete. Raises UnknownName with the nearest names."""
        if cmd_name not in COMMANDS:
            # A shell that completes a line shows what is printed meanwhile.
            if ctx.resilient_parsing:
                return None
            from promptopt.errors import UnknownName

            raise UnknownName("command", cmd_name, COMMANDS)
        return _command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; every failure becomes one sentence on stderr and an exit code."""
        from promptopt.cli.output import exit_code_of

        try:
            return super().invoke(ctx)
        # These say by themselves how the command ends; a reader that closed its pipe is no failure of ours.
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the last place: what is not said here is a traceback)
            raise typer.Exit(exit_code_of(error)) from None


@cache
def _command(name: str) -> Any:
    command = typer.main.get_command(import_module(f"promptopt.cli.{name}").app)
    command.name = name
    tell_twice(command)
    take_settings_in_a_row(command)
    _print_apart(command)
    return command


def _print_apart(command: Any) -> None:
    """Keep what others print out of the results of the command, and of those under it."""
    from promptopt.cli.output import results_alone

    under = getattr(command, "commands", {})
    for each in under.values():
        _print_apart(each)
    # Its work alone: a page of help is a result.
    if not under:
        command.callback = results_alone()(command.callback)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from promptopt import __version__

        typer.echo(f"promptopt {__version__}")
        raise typer.Exit


@app.callback()
def promptopt(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version, and end.")
    ] = False,
) -> None:
    """Finds better prompts for language models, and proves on sealed data that they are better.

    Begin with: promptopt optimize --task support-intent --max-evaluations 400
    """


def main() -> None:
    """The console script."""
    _open_standard_streams()
    app(prog_name="promptopt")


def _open_standard_streams() -> None:
    """Put the null device where standard input, output or error is closed.

    Else the next file that is opened gets that number, and what a library prints goes into the store.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is given out first, which is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
