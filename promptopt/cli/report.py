"""`promptopt report`: a run, several runs or a comparison as one HTML file that needs no network."""

from __future__ import annotations

import dataclasses
import shlex
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.cli.output import say
from promptopt.errors import ConfigError

if TYPE_CHECKING:
    from promptopt.reports.page.views import ReportedRun

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN…", help="Runs by how their ids begin, results (FILE.json), or a comparison (DIR)."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Where to write it; default: promptopt-RUN.html, here.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write what a run found, or several, as one HTML file.

    Verdict, prompts, examples fixed and broken, candidates, cost, settings; several runs stand side by side. Nothing in
    the file reaches for the network.
    """
    from promptopt.places import write_whole, writing

    name, page = _page(runs)
    target = Path(f"promptopt-{name}.html") if out is None else out
    with writing(target, "--out"):
        write_whole(target, page)
    say(f"the report is in {target}")
    if open_it:
        import webbrowser

        if not webbrowser.open(target.absolute().as_uri()):
            say(f"no browser could be started; open {target.absolute()} yourself")


def _page(names: Sequence[str]) -> tuple[str, str]:
    """What the file is called after, and the page."""
    from promptopt.reports.page.render import runs_page

    folders = [name for name in names if name.strip() and Path(name).is_dir()]
    if not folders:
        asked = _reported_runs(names)
        return str(asked[0].report["run_id"]), runs_page(asked)
    if len(names) > 1:
        raise ConfigError(f"{folders[0]!r} is a folder: a comparison is reported by itself; name it alone")
    from promptopt.comparison.folder import load
    from promptopt.reports.page.comparison import comparison_page

    _, found = load(Path(folders[0]))
    return Path(folders[0]).resolve().name, comparison_page(found.to_json(), str(found))


def _reported_runs(names: Sequence[str]) -> list[ReportedRun]:
    from promptopt.cli.runs import result_of
    from promptopt.outcome.result import Result
    from promptopt.reports.page.views import ReportedRun
    from promptopt.store.runs import Store

    found: dict[str, ReportedRun] = {}
    store: Store | None = None
    try:
        for name in names:
            if Path(name).suffix == ".json":
                # By way of a Result, so that a file of something else is told as such.
                saved = Result.load(name).to_json()
                found.setdefault(saved["run_id"], ReportedRun(saved))
                continue
            # Opened only where a run is named: results in files need none.
            store = Store() if store is None else store
            record = store.find(name)
            if record.id in found:
                raise ConfigError(f"run {record.id} is named twice; name each run once")
            version = str(record.fingerprint.get("versions", {}).get("promptopt", ""))
            stored = dict(result_of(record))
            found[record.id] = ReportedRun(stored, command_of(record.config), _settings(record.config), version)
    finally:
        if store is not None:
            store.close()
    return list(found.values())


def command_of(config: Mapping[str, Any]) -> str:
    """The command that started a run, from its stored config; empty where that is none of the command line's."""
    from promptopt.binding.config import RunConfig, Said

    if not config:
        return ""
    hints = typing.get_type_hints(RunConfig, include_extras=True)
    defaults = RunConfig()
    words = ["promptopt", "optimize"]
    for field in dataclasses.fields(RunConfig):
        value = config.get(field.name)
        # --out changes nothing of the run.
        if value is None or field.name == "out" or value == getattr(defaults, field.name):
            continue
        said = next(arm for arm in typing.get_args(hints[field.name]) if isinstance(arm, Said))
        flag = said.flag or f"--{field.name.replace('_', '-')}"
        if field.name == "settings":
            for name, setting in value.items():
                words += [flag, f"{name}={setting}"]
        else:
            words += [flag, str(value)]
    return shlex.join(words)


def _settings(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    shown = ("task", "method", "seed", "model", "proposer", "evaluator", "out", "settings")
    rest = [(name.replace("_", " "), str(value)) for name, value in config.items() if name not in shown]
    return (*rest, *((str(name), str(value)) for name, value in config.get("settings", {}).items()))
