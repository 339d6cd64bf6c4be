"""`promptopt headroom`: whether a search can pay, before one is paid for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import interruptible, say, show, show_forecast, show_json, suspended_by, troubles
from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.comparison.headroom import Ceiling, Headroom
    from promptopt.outcome.contender import Measured

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@options.from_config(
    "task", "model", "proposer", "base_url", "served_as", "api_key_env", "proposer_base_url", "proposer_served_as",
    "proposer_api_key_env", "concurrency", "requests_per_minute", "evaluator", "data", "train", "dev", "test", "seed",
    "max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes",
    proposer="The model that writes the paraphrases; default: as in optimize.",
)  # fmt: skip
def headroom(
    given: dict[str, Any],
    *,
    trust: options.Trust = False,
    dry_run: options.DryRun = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Say whether optimization can pay, before it is paid for.

    For a few hundred calls: what there is to gain, and what of it the data can show.
    The sealed test is not opened. What was asked before costs nothing.
    """
    from promptopt.binding.models import default_proposer
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import budget_of, evaluator_of, merged, models_of, task_of, with_task
    from promptopt.comparison.headroom import headroom as look

    config = with_task(merged(RunConfig(), given))
    task, models = task_of(config, trust=trust), models_of(config)
    if dry_run:
        from promptopt.cli.dry_runs import forecast_headroom

        show_forecast(forecast_headroom(config, task), as_json=json)
        return
    proposer = default_proposer(config.model) if config.proposer is None else config.proposer
    make_ready(filter(None, (config.model, proposer)), quiet=quiet)
    with interruptible() as stop, troubles(None if quiet else say), suspended_by(stop):
        found = look(
            task, model=models, evaluator=evaluator_of(config, task), budget=budget_of(config), seed=config.seed,
            interrupt=stop,
        )  # fmt: skip
    if json:
        show_json(found.to_json())
    else:
        show(headroom_as_text(found))


def headroom_as_text(found: Headroom) -> str:
    """The figures as columns, and the advice."""
    from promptopt.reports import words

    rows = [["", "score", "from", "to", "examples", "the start there"]]
    rows.append(["start", *_score_cells(found.start), ""])
    rows += [[f"layout {name}", *_score_cells(score), ""] for name, score in found.layouts]
    # "Corrected": picked on one half of the examples and scored on the other, as `headroom` does.
    for name, ceiling in (("majority of several replies", found.voted), ("best of a dozen, corrected", found.picked)):
        if ceiling is not None:
            rows.append([name, *_ceiling(ceiling)])
    lines = [
        f"{found.task} with {found.model}, {counted(found.spent.calls, 'call')} ({found.paid.calls:,} paid now)",
        "",
        words.columns(rows, right=(1, 2, 3, 4, 5)),
        *(f"layout {name} is left out: {why}" for name, why in found.left_out),
        "",
        f"{100 * (found.start.unreadable + found.start.cut) / found.start.n:.0f} % of the start's answers could not be "
        f"read or were cut.",
    ]
    if found.anyone is not None:
        lines.append(f"Some reply of several is right on {100 * found.anyone:.0f} % of the examples.")
    lines.append(shown_by_test(found.test, found.smallest, found.needed))
    return "\n".join([*lines, "", found.advice])


def shown_by_test(test: int, smallest: float, needed: int) -> str:
    """What gain so many test examples find, and how many ten points need."""
    points = 100 * smallest
    # Rounded, 200 examples would find the ten points that need 207.
    close = test < needed and points < 10.5
    shown = "no gain" if math.isinf(smallest) else f"a true gain of {points:.{1 if close else 0}f} points"
    return f"{counted(test, 'test example')} find {shown} four times in five; ten points need {needed:,}."


def _score_cells(score: Measured) -> list[str]:
    from promptopt.reports import words

    return [words.score(score.score), *map(words.score, score.ci95), words.count(score.n)]


def _ceiling(ceiling: Ceiling) -> list[str]:
    from promptopt.reports import words

    return [words.score(ceiling.score), *map(words.score, ceiling.ci95), words.count(ceiling.n),
            words.score(ceiling.start)]  # fmt: skip
