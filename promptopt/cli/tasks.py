"""`promptopt tasks`: the tasks that come with the package or a plug-in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from promptopt.cli import options
from promptopt.cli.output import show, show_json
from promptopt.text import counted
from promptopt.type_words import callable_name

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List the built-in tasks, or show one.",
)


@app.command("list")
def list_tasks(json: options.AsJson = False) -> None:
    """List every task.

    A task file is a task too: `promptopt init` writes one.
    """
    from promptopt.reports import words
    from promptopt.tasks.catalogue import task_names

    if json:
        show_json({"tasks": [{"name": name, "description": _description(name)} for name in task_names()]})
        return
    show(words.columns([[name, words.one_line(_description(name), 90)] for name in task_names()]))


def _description(name: str) -> str:
    """What the library says of a task, without loading its data."""
    family, _, member = name.partition("/")
    table = _family(family)
    if table is None:
        return "(from a plug-in)"
    own = table.get("tasks", {}).get(member, {})
    return str(own.get("description", table.get("description", "")))


# One file describes all tasks of a family, and a list shows each of them.
@cache
def _family(name: str) -> dict[str, Any] | None:
    from promptopt.tasks.task_file import read_table

    path = Path(str(files("promptopt.tasks") / "library")) / f"{name}.toml"
    return read_table(path) if path.is_file() else None


def _read_further(name: str) -> list[Path]:
    """What the library holds of a task beside its data: the page about it, a rubric, replies that people judged."""
    family = name.partition("/")[0]
    if _family(family) is None:
        return []
    beside = Path(str(files("promptopt.tasks") / "library")).glob(f"{family}[.-]*")
    return sorted(path for path in beside if path.name not in (f"{family}.toml", f"{family}.jsonl"))


@app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A task's name, or a task file.")],
    trust: options.Trust = False,
) -> None:
    """Show a task, its start prompt, and one example.

    With its splits and layouts, and how answers are scored.
    """
    from promptopt.reports import words
    from promptopt.reports.export import export, export_of
    from promptopt.tasks.catalogue import load_task
    from promptopt.tasks.parts import edited_text
    from promptopt.types import canonical, tool_names

    task = load_task(name, trust=trust)
    splits = ", ".join(f"{len(getattr(task, split)):,} {split}" for split in ("train", "dev", "test"))
    rows = [
        ["description", task.description],
        ["examples", splits],
        ["inputs", ", ".join(task.fields)],
        ["labels", ", ".join(task.labels) if task.labels else "(free answers)"],
        ["metric", callable_name(task.metric)],
        ["answer", f"{callable_name(task.answer)}, read from at most {counted(task.sampling.max_tokens, 'token')}"],
        ["layouts", ", ".join(layout.name for layout in task.layouts) + " (the first is used)"],
        ["demonstrations", "as turns of the conversation" if task.demos_as_turns else "in the text"],
        *(["more" if place == 0 else "", str(path)] for place, path in enumerate(_read_further(name))),
    ]
    parts = [task.name, words.columns(rows, indent="  ")]
    parts.append(f"Start prompt (what a method edits):\n{words.block(edited_text(task, task.initial))}")
    parts.append(f"As the model reads it:\n{words.block(export(export_of(task, task.initial), 'txt'))}")
    if task.train:
        first = task.train[0]
        held = [*first.fields, ("target", first.target), *(("rejected", text) for text in first.rejected)]
        held += [("tool", tool) for tool in tool_names(first.tools)]
        held += [("result", canonical(result.to_json())) for result in first.results]
        held += [("demand", canonical(demand.to_json())) for demand in first.demands]
        if first.solution:
            held.append(("solution", first.solution))
        shown = "\n".join(f"{field}: {value}" for field, value in held)
        parts.append(f"An example:\n{words.block(shown)}")
    parts += [f"Warning: {warning}" for warning in task.warnings]
    show("\n\n".join(parts))
