"""`promptopt models`: the embedded models, and how a missing one is fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from promptopt.cli import options
from promptopt.cli.output import say, show, show_json
from promptopt.text import counted

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List the embedded models, show one, or fetch one.",
)

ModelName = Annotated[str, typer.Argument(metavar="NAME", help="An embedded model's name (`promptopt models list`).")]


@app.command("list")
def list_models(json: options.AsJson = False) -> None:
    """List the embedded models, and what else --model takes."""
    from promptopt.models.files import catalogue
    from promptopt.models.providers import scoring_forms
    from promptopt.places import home
    from promptopt.reports import words

    here = {model.name for model in catalogue.installed()}
    if json:
        embedded = [{"name": each.name, "bytes": each.size, "licence": each.licence, "here": each.name in here,
                     "description": each.description} for each in catalogue.MODELS]  # fmt: skip
        others = [{"form": form, "help": said} for form, said in _forms()]
        show_json({"embedded": embedded, "providers": others})
        return
    rows = [["name", "size", "licence", "here", ""]]
    for model in catalogue.MODELS:
        default = "The default. " if model.name == catalogue.DEFAULT else ""
        there = "yes" if model.name in here else "no"
        rows.append([model.name, words.size(model.size), model.licence, there, default + model.description])
    show(words.columns(rows, right=(1,)))
    show(f"\nEmbedded models are kept in {catalogue.folder()}. For --model and --proposer:")
    proposing = f"the default of the list above; where no proposer is named, {catalogue.PROPOSER} writes its prompts"
    forms = [["embedded", proposing], *_forms()]
    forms.append(["PROVIDER/NAME", 'a hosted service such as anthropic or gemini (needs the extra "hosted")'])
    show(words.columns(forms, indent="  "))
    show("\nLog-probabilities of given texts (evaluators loss, preference; methods such as pmpo; explain):")
    show(f"{scoring_forms()}.")
    show(f"\nKeys come from the environment, such as OPENAI_API_KEY. Your own prices go into {home() / 'prices.toml'}:")
    show(words.block('["openai/NAME"]\nprompt = 0.15       # dollars for a million tokens\ncompletion = 0.60', "  "))


def _forms() -> list[list[str]]:
    """[how its models are named, what it is] of each provider, or why a plug-in's is not to be had."""
    from promptopt.models.providers import Provider, providers

    return [
        [each.form, each.help] if isinstance(each, Provider) else [f"{name}/NAME", f"({each})"]
        for name, each in providers().items()
    ]


@app.command("show")
def show_model(name: ModelName) -> None:
    """Show an embedded model, and where it comes from."""
    from promptopt.models.files import catalogue
    from promptopt.reports import words

    model = catalogue.find(_catalogue_name(name))
    path = catalogue.locate(model.name)
    repository, revision, file = model.hub
    rows = [
        ["description", model.description],
        ["licence", model.licence],
        ["size", f"{words.size(model.size)} ({model.size:,} bytes)"],
        ["sha256", model.sha256],
        ["file", f"not here yet; it will be {catalogue.folder() / model.file}" if path is None else str(path)],
        ["from", f"{repository} at {revision}: {file}"],
        [
            "or from",
            f"{counted(len(model.wheels), 'wheel')} of the package registry, where the hub is out of reach",
        ],
        ["use it", f"--model embedded/{model.name}"],
    ]
    show(f"{model.name}\n" + words.columns(rows, indent="  "))


@app.command()
def pull(name: ModelName) -> None:
    """Fetch an embedded model, or check the one that is here.

    An interrupted fetch goes on where it stopped.
    """
    show(str(fetch(_catalogue_name(name), quiet=False)))


def _catalogue_name(name: str) -> str:
    from promptopt.models.files import catalogue

    if not _of_the_catalogue(name):
        return name
    _, slash, rest = name.partition("/")
    return rest if slash else catalogue.DEFAULT


def _of_the_catalogue(spec: str) -> bool:
    from promptopt.models.providers import provider_of

    provider = provider_of(spec)
    return provider is not None and provider.catalogue


def fetch(name: str, *, quiet: bool) -> Path:
    """The file of an embedded model, fetched and checked, with the progress on stderr."""
    from promptopt.models.files import catalogue
    from promptopt.reports import words

    model = catalogue.find(name)
    if quiet:
        return catalogue.pull(name)
    with progress(f"{name}, {words.size(model.size)}", model.size) as advance:
        path = catalogue.pull(name, advance)
    say(f"{name} is here, its checksum is right")
    return path


def make_ready(specs: Iterable[str], *, quiet: bool) -> None:
    """Fetch every embedded model among `specs` that is not here yet, so that the wait is a visible one."""
    from promptopt.models.files import catalogue

    for spec in dict.fromkeys(specs):
        if _of_the_catalogue(spec) and catalogue.locate(_catalogue_name(spec)) is None:
            if not quiet:
                say(f"fetching the embedded model {_catalogue_name(spec)!r}; this is needed once")
            fetch(_catalogue_name(spec), quiet=quiet)


@contextmanager
def progress(title: str, total: int) -> Generator[Callable[[int, int], None]]:
    """What takes (bytes done, bytes in total): a bar in a terminal, elsewhere a line at every tenth."""
    if not sys.stderr.isatty():
        tenths: list[int] = [0]

        def line(done: int, size: int) -> None:
            tenth = 10 * done // size if size else 10
            if tenth > tenths[-1]:
                tenths.append(tenth)
                say(f"{title}: {10 * tenth} %")

        yield line
        return
    from rich import progress as rich
    from rich.console import Console

    # The title is no markup: names may hold brackets.
    shown = rich.TextColumn("{task.description}", markup=False)
    columns = (shown, rich.BarColumn(), rich.DownloadColumn(), rich.TransferSpeedColumn(), rich.TimeRemainingColumn())
    # Results alone go to stdout.
    with rich.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)

        def advance(done: int, size: int) -> None:
            bar.update(task, completed=done, total=size)

        yield advance
