"""`promptopt label`: a blind sheet of replies for people, once a search has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptopt.cli import options
from promptopt.cli.output import say, show_json
from promptopt.cli.runs import RunName
from promptopt.text import counted

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def label(
    run: RunName,
    *,
    count: Annotated[int, typer.Option("-n", metavar="N", help="Pairs of replies to draw, at least.")] = 100,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .csv or .jsonl file; default: labels-RUN.csv.")
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Write a blind sheet of a run's replies, for people to say which is better.

    It holds the replies of start and winner to the same test items, side by side. Items are drawn at random, the order
    of the two is too, and nothing says which is whose, or what the judge or the metric thinks.
    Fill in `better` with A, B or tie, or both scores; several people each fill in a copy. Then: promptopt verdict.
    """
    from promptopt.labelling import pairs_of, sheet, write_sheet
    from promptopt.store.runs import Store

    with Store() as store:
        record = store.find(run)
        kept = pairs_of(record, store)
    rows = sheet(record.id, kept, count)
    path = Path(f"labels-{record.id}.csv") if out is None else out
    write_sheet(path, rows)
    if json:
        show_json({"run_id": record.id, "file": str(path), "rows": len(rows), "of": len(kept.pairs)})
        return
    scale = "" if kept.scale is None else f", or both scores from {kept.scale[0]:g} to {kept.scale[1]:g}"
    say(
        f"{path} holds {counted(len(rows), 'pair')} of replies, of {len(kept.pairs)} test items; fill in `better` with "
        f"A, B or tie{scale}, then: promptopt verdict {record.id} --labels {path}"
    )
