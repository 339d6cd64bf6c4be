"""`promptopt explain`: what each piece of a prompt does to its loss, measured by leaving it out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import interruptible, results, say, show, show_json, suspended_by
from promptopt.errors import ConfigError
from promptopt.text import counted, normalise, visible

if TYPE_CHECKING:
    from rich.text import Text

    from promptopt.explanation import Explanation

app = typer.Typer(add_completion=False, rich_markup_mode=None)

COLOURS = {"helps": "green", "hurts": "red", "neutral": "dim", "required": "cyan"}
MEANINGS = {
    "helps": "without it the loss is higher",
    "hurts": "without it the loss is lower",
    "neutral": "no clear effect",
    "required": "the task needs it",
}


@app.command(cls=options.Grouped)
@options.from_config(
    "task", "model", "proposer", "base_url", "served_as", "api_key_env", "proposer_base_url", "proposer_served_as",
    "proposer_api_key_env", "concurrency", "requests_per_minute", "evaluator", "settings", "data", "seed", "max_calls",
    "max_minutes",
    model="The model whose log-probabilities are read; default: embedded.",
    proposer="The model that marks the pieces; without one they are cut by rule.",
    evaluator="What a piece is measured by; default: loss.",
    settings="A setting of the evaluator.",
)  # fmt: skip
def explain(
    given: dict[str, Any],
    *,
    prompt: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE-or-text", help="The prompt, or its file; default: the task's start."),
    ] = None,
    examples: Annotated[int, typer.Option(metavar="N", min=2, help="Training examples it is measured on.")] = 50,
    pieces: Annotated[int, typer.Option(metavar="N", min=1, help="Pieces that are left out, at most.")] = 5,
    mode: Annotated[
        Literal["remove", "placeholder"], typer.Option(help="What stands in a piece's place: nothing, or a mark.")
    ] = "remove",
    trust: options.Trust = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Say which pieces of a prompt help, which hurt, and which do nothing, with standard errors.

    Nothing is generated, unless a proposer is named to mark the pieces. What was asked before costs nothing.
    """
    from promptopt.cli.display import display
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import budget_of, evaluator_of, merged, models_of, prompt_from, task_of, with_task
    from promptopt.explanation import Analysis
    from promptopt.explanation import explain as analyse
    from promptopt.tasks.parts import focused

    if prompt is not None and len(prompt) > 1:
        raise ConfigError("explain takes one prompt to pieces; give --prompt once (`promptopt evaluate` compares two)")
    config = with_task(merged(RunConfig(evaluator="loss"), given))
    laid_out, chosen = prompt_from(task_of(config, trust=trust), prompt[0] if prompt else None, quiet=quiet)
    measured_by, models = evaluator_of(config, laid_out), models_of(config)
    make_ready([spec for spec in (config.model, config.proposer) if spec is not None], quiet=quiet)
    title = f"leaving out each piece of the prompt in turn: {laid_out.name}, {config.evaluator} on {config.model}"
    minutes = config.max_minutes
    with interruptible() as stop, display(title, stop, quiet=quiet, minutes=minutes) as shown, suspended_by(stop):
        # Each editable part is taken to pieces by itself, while the others stay as they are.
        parts = {
            part: analyse(
                focused(laid_out, part), chosen, model=models, evaluator=measured_by,
                analysis=Analysis(examples, pieces, mode), budget=budget_of(config), seed=config.seed, interrupt=stop,
                watch=shown.watch,
            )
            for part in laid_out.editables
        }  # fmt: skip
    _tell_explanations(parts, json=json, quiet=quiet)


def _tell_explanations(parts: Mapping[str, Explanation], *, json: bool, quiet: bool) -> None:
    """What was found of each editable part: of one alone without its name."""
    if json:
        told = {part: _explanation_as_json(found, part) for part, found in parts.items()}
        show_json(told if len(told) > 1 else next(iter(told.values())))
        return
    for part, found in parts.items():
        if len(parts) > 1:
            show(f"[{part}]")
        _print(found, part)
    warnings = dict.fromkeys(warning for found in parts.values() for warning in found.warnings)
    for warning in () if quiet else warnings:
        say(f"warning: {normalise(warning)}")


def _explanation_as_json(found: Explanation, editable: str) -> dict[str, Any]:
    return {
        "task": found.task,
        "model": found.model,
        "evaluator": found.evaluator,
        "prompt": found.prompt[editable],
        "prompt_id": found.prompt.id,
        "loss": found.loss,
        "error": found.error,
        "n": found.n,
        "effects": [
            {
                "text": effect.segment.text,
                "start": effect.segment.start,
                "end": effect.segment.end,
                "kind": effect.kind,
                "delta": effect.delta,
                "error": effect.error,
            }
            for effect in found.effects
        ],
        "spent": asdict(found.spent),
        "paid": asdict(found.paid),
        "warnings": list(found.warnings),
    }


def _print(found: Explanation, editable: str) -> None:
    """The prompt with its pieces coloured, then a line a piece, on stdout; plain where that is no terminal."""
    from rich.console import Console
    from rich.text import Text

    from promptopt.reports import words

    # Soft wrap: where nothing has a width, as a pipe, `rich` would cut lines at 80 columns.
    console = Console(file=results(), highlight=False, markup=False, emoji=False, soft_wrap=True)
    named = f"{found.task}, {counted(found.n, 'training example')}, {found.evaluator} on {found.model}"
    console.print(visible(named))
    console.print(f"loss {found.loss:.4f} ± {found.error:.4f} with the whole prompt:\n")
    console.print(coloured(found, editable))
    if not found.effects:
        console.print("\nIt has no piece that could be left out: a single sentence, or nothing was marked.")
        return
    rows = [["without", "± error", "", "piece"]]
    for effect in found.effects:
        finite = math.isfinite(effect.delta)
        numbers = [f"{effect.delta:+.4f}", f"{effect.error:.4f}"] if finite else ["-", "-"]
        rows.append([*numbers, f"{effect.kind}: {MEANINGS[effect.kind]}", words.one_line(effect.segment.text)])
    # Set in columns first and coloured after: the marks of a colour would count as width.
    head, *lines = words.columns(rows, right=(0, 1)).splitlines()
    console.print(f"\n{head}")
    for line, effect in zip(lines, found.effects, strict=True):
        console.print(Text(visible(line), style=COLOURS[effect.kind]))
    console.print("\nWithout: what the loss is more when the piece is left out, on the same examples.")


def coloured(found: Explanation, editable: str) -> Text:
    """The prompt's text, each measured piece in the colour of what it does."""
    from rich.text import Text

    prompt = found.prompt[editable]
    text = Text(visible(prompt))
    for effect in found.effects:
        # A character that is made visible takes more room.
        start, end = (len(visible(prompt[:place])) for place in (effect.segment.start, effect.segment.end))
        text.stylize(COLOURS[effect.kind], start, end)
    return text
