"""`promptopt verdict`: what people say of a run's replies, with the help of its judge or metric."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptopt.cli import options
from promptopt.cli.output import show, show_json
from promptopt.cli.runs import RunName

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verdict(
    run: RunName,
    *,
    labels: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="The sheet of `promptopt label`, filled in; one for each person."),
    ],
    json: options.AsJson = False,
) -> None:
    """Say whether a run's winner is better, by the labels of people and its judge or metric.

    Prediction-powered inference: right for any judge, and surer for a good one. Labels after a metric's verdict, and
    further ones, are another look at the same items, and need a smaller p.
    """
    from promptopt.labelling import decide, keep, pairs_of
    from promptopt.outcome.sentence import verdict_line
    from promptopt.store.runs import Store

    with Store() as store:
        record = store.find(run)
        found = decide(record, pairs_of(record, store), labels, store.looks)
        keep(record, found, store)
    if json:
        show_json({"run_id": record.id, **found.to_json()})
        return
    show(verdict_line({**({} if record.result is None else record.result), "labelled": found.to_json()}))
