"""`promptopt cache`: the store's size, and what no run needs any more."""

from __future__ import annotations

from pathlib import Path

import typer

from promptopt.cli import options
from promptopt.cli.output import show, show_json
from promptopt.text import counted

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show how large the store is, or drop from it what no run needs.",
)


@app.command()
def info(json: options.AsJson = False) -> None:
    """Show where the store is, and what it holds."""
    from promptopt.reports import words
    from promptopt.store.runs import Store
    from promptopt.store.tables import MEMO

    with Store() as store:
        held = list(store.cache.calls_by_model())
        rows = [["model", "calls", "size"]]
        named = [("no model: work that runs keep" if model == MEMO else model, *more) for model, *more in held]
        rows += [[model, words.count(calls), words.size(octets)] for model, calls, octets in named]
        runs = len(store.runs())
        where = store.where
    if json:
        models = [{"model": model, "calls": calls, "bytes": octets} for model, calls, octets in held]
        show_json({"store": where, "runs": runs, "models": models})
        return
    file = Path(where)
    # A store on a database server has an address, and no file.
    taken = f", {words.size(file.stat().st_size)} on disk" if file.is_file() else ""
    show(f"{where}: {counted(runs, 'run')}{taken}")
    show(words.columns(rows, right=(1, 2)) if len(rows) > 1 else "It holds no calls yet.")


@app.command()
def gc() -> None:
    """Drop the calls that no run needs.

    What is asked again later is paid for again.
    """
    from promptopt.store.runs import Store

    with Store() as store:
        dropped = store.collect()
    show(f"dropped {counted(dropped, 'call')} that no run needs")
