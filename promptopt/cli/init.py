"""`promptopt init`: a first task file for your own data."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptopt.cli.output import show
from promptopt.errors import ConfigError

if TYPE_CHECKING:
    from promptopt.tasks.task import Task

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the task; NAME.toml is written here.")],
    data: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The examples: CSV, TSV, XLSX, JSON, JSONL, Parquet, or a saved data set."),
    ],
    input_columns: Annotated[
        list[str] | None, typer.Option("--input", metavar="COLUMN", help="The column the model reads; may be repeated.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the right answers.")] = None,
) -> None:
    """Write a task file from your own CSV, Excel, JSONL or Parquet file, or a saved data set.

    Labels, metric and reply length are guessed from the answers; the file says why, and is yours to edit. Preference
    data (columns chosen and rejected) needs neither --input nor --target.
    """
    stem = name.removesuffix(".toml")
    path = Path(f"{stem}.toml")
    if not stem or path.name != str(path):
        raise ConfigError(f"{name!r} is no name for a task; give one without folders, such as my-task")
    if path.exists():
        raise ConfigError(f"{str(path)!r} is already there; choose another name, or remove it first")
    task = _written(path, data, input_columns if input_columns else None, target)
    splits = ", ".join(f"{len(getattr(task, split)):,} {split}" for split in ("train", "dev", "test"))
    answers = f"labels {', '.join(task.labels)}" if task.labels else "free answers"
    pairs = any(example.rejected for example in task.train)
    by = " --evaluator preference" if pairs else ""
    named = shlex.quote(str(path))
    said = [
        f"wrote {path}: {answers}, metric {task.metric}; {splits} examples",
        *(f"warning: {warning}" for warning in task.warnings),
        f"1. Put the prompt you use today into {path} (instruction = …).",
        f"2. promptopt evaluate --task {named}{by} --layouts",
        f"3. promptopt optimize --task {named} --method {'pmpo' if pairs else 'apo'}{by}",
    ]
    show("\n".join(said))


def _written(path: Path, data: Path, inputs: list[str] | None, target: str | None) -> Task:
    """Write the task file, once what stands in it has proved of use, and give its task."""
    from promptopt.binding.evaluator import bind_evaluator
    from promptopt.binding.task import bind_task
    from promptopt.tasks.guess import guess_task
    from promptopt.tasks.task_file import load_task_file

    # As seen from the task file, which stands in the current folder.
    seen = Path(os.path.relpath(data))
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Where labels cannot be found in a reply they are read as whole lines.
        for lines in (False, True):
            partial.write_text(guess_task(seen, inputs, target, path.stem, lines=lines), encoding="utf-8")
            task = load_task_file(partial)
            try:
                bind_evaluator(None, bind_task(task, 0))
            except ConfigError:
                if lines or not task.labels:
                    raise
            else:
                break
        partial.replace(path)
        return task
    finally:
        partial.unlink(missing_ok=True)
