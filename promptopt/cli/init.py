"""`promptopt init`: a first task file for your own data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from promptopt.cli.output import show
from promptopt.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the task; NAME.toml is written here.")],
    data: Annotated[Path, typer.Option(metavar="FILE", help="The examples: CSV, TSV, JSON, JSONL or Parquet.")],
    input_columns: Annotated[
        list[str] | None, typer.Option("--input", metavar="COLUMN", help="The column the model reads; may be repeated.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the right answers.")] = None,
) -> None:
    """Write a task file from your own CSV, TSV, JSONL or Parquet file.

    Labels, metric and reply length are guessed from the answers; the file says why, and is yours to edit. Preference
    data (columns chosen and rejected) needs neither --input nor --target.
    """
    from promptopt.tasks.guess import guess_task
    from promptopt.tasks.task_file import load_task_file

    stem = name.removesuffix(".toml")
    path = Path(f"{stem}.toml")
    if not stem or path.name != str(path):
        raise ConfigError(f"{name!r} is no name for a task; give one without folders, such as my-task")
    if path.exists():
        raise ConfigError(f"{str(path)!r} is already there; choose another name, or remove it first")
    # As seen from the task file, which stands in the current folder.
    seen = Path(os.path.relpath(data))
    text = guess_task(seen, input_columns if input_columns else None, target, stem)
    partial = Path(f"{stem}.toml.partial")
    partial.write_text(text, encoding="utf-8")
    try:
        task = load_task_file(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    splits = ", ".join(f"{len(getattr(task, split)):,} {split}" for split in ("train", "dev", "test"))
    answers = f"labels {', '.join(task.labels)}" if task.labels else "free answers"
    pairs = any(example.rejected for example in task.train)
    by = " --evaluator preference" if pairs else ""
    lines = [
        f"wrote {path}: {answers}, metric {task.metric}; {splits} examples",
        *(f"warning: {warning}" for warning in task.warnings),
        f"1. Put the prompt you use today into {path} (instruction = …).",
        f"2. promptopt evaluate --task {path}{by} --layouts",
        f"3. promptopt optimize --task {path} --method {'pmpo' if pairs else 'apo'}{by}",
    ]
    show("\n".join(lines))
