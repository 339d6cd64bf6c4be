"""`promptopt judges`: what a judge is worth, before a search goes by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import FAILED, interruptible, say, show, show_json, suspended_by, troubles
from promptopt.errors import ConfigError
from promptopt.text import counted, normalise, shorten

if TYPE_CHECKING:
    from promptopt.drafting import Draft
    from promptopt.judges import Judged
    from promptopt.tasks.task import Task

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Hold a judge against people's scores, put it to the test, or draft its checklist.",
)

_RUN_OPTIONS = (
    "task", "model", "base_url", "served_as", "api_key_env", "concurrency", "requests_per_minute", "judge",
    "judge_base_url", "judge_served_as", "judge_api_key_env", "evaluator", "settings", "data", "seed", "max_calls",
    "max_tokens", "max_usd", "max_minutes",
)  # fmt: skip


@app.command()
@options.from_config(*_RUN_OPTIONS, settings="A setting of the evaluator.")
def calibrate(
    given: dict[str, Any],
    *,
    labels: Annotated[
        Path, typer.Option(metavar="FILE", help="Replies with people's scores: the task's inputs, reply, score.")
    ],
    trust: options.Trust = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Say how far a judge agrees with people on replies.

    Rows hold the task's inputs, `reply` and `score` on the judge's scale; a row for each person; `slice` and `group`
    where there are some. The task model is not asked. Reports by this judge speak of it from then on.
    """
    from promptopt.judges import calibrate as calibrated
    from promptopt.judges import labelled_rows, scale_of
    from promptopt.tasks.reading.files import read_rows
    from promptopt.tasks.reading.row_numbers import where_is
    from promptopt.trust.calibration import concluded, describe

    with _task_and_judge(given, trust=trust, quiet=quiet) as (task, arguments):
        rows = [(where_is(labels, number), row) for number, row in enumerate(read_rows(labels), start=1)]
        found = calibrated(task, labelled_rows(task, rows, scale_of(arguments["evaluator"], task)), **arguments)
    assert found.report is not None
    if json:
        show_json({**_head(found), "report": found.report.to_json(), "status": found.status})
        return
    end = [] if found.status is None else [concluded(found.report, found.status)]
    show("\n".join([_title(found), *describe(found.report), *end, *map(_warned, found.warnings)]))


@app.command()
@options.from_config(*_RUN_OPTIONS, settings="A setting of the evaluator.")
def check(
    given: dict[str, Any],
    *,
    count: Annotated[int, typer.Option("-n", metavar="N", help="Inputs that replies are planted for.")] = 20,
    trust: options.Trust = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Plant replies that no judge should be taken in by.

    Six kinds, and the exit code is 1 where one is taken for good: constant replies, one that asks for the top score,
    one said twice over, headings and bold, a made-up authority, and the reply to another input.
    """
    from promptopt.judges import probe
    from promptopt.trust.probes import concluded

    with _task_and_judge(given, trust=trust, quiet=quiet) as (task, arguments):
        found = probe(task, count=count, **arguments)
    if json:
        show_json({**_head(found), "probes": [each.to_json() for each in found.found]})
    else:
        lines = [*(each.sentence() for each in found.found), concluded(found.found, judged=bool(found.judge))]
        show("\n".join([_title(found), *lines, *map(_warned, found.warnings)]))
    if not all(each.passed for each in found.found):
        raise typer.Exit(FAILED)


@app.command()
@options.from_config(
    "task", "model", "base_url", "served_as", "api_key_env", "concurrency", "requests_per_minute", "proposer",
    "proposer_base_url", "proposer_served_as", "proposer_api_key_env", "data", "seed", "max_calls", "max_tokens",
    "max_usd", "max_minutes",
)  # fmt: skip
def draft(
    given: dict[str, Any],
    *,
    count: Annotated[int, typer.Option("-n", metavar="N", help="Items that are asked for, at most.")] = 8,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new .toml file; default: checklist-TASK.toml.")
    ] = None,
    trust: options.Trust = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Have a model draft a checklist for a person to accept.

    It is shown the start prompt, the rubric and some training examples. Nothing goes by its items before somebody has
    put them into the task file.
    """
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import budget_of, merged, models_of, proposer_of, task_of, with_task
    from promptopt.drafting import draft as drafted
    from promptopt.places import write_whole, writing
    from promptopt.types.identity import without_surrogates

    config = with_task(merged(RunConfig(), given))
    task = task_of(config, trust=trust)
    path = _new_draft(task, out)
    make_ready([config.model, proposer_of(config)], quiet=quiet)
    with interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt):
        found = drafted(task, count=count, model=models_of(config), budget=budget_of(config), seed=config.seed,
                        interrupt=interrupt)  # fmt: skip
    with writing(path, "--out"):
        write_whole(path, without_surrogates(found.text))
    if json:
        show_json(_draft_json(found, path))
        return
    left = [f"left out {shorten(normalise(item), 100)!r}: {why}" for item, why in found.refused]
    title = (
        f"{path} holds {counted(len(found.items), 'item')} by {found.model}, {counted(found.paid.calls, 'call')} paid; "
        f"nothing goes by them before you have put those that you accept into the task file"
    )
    show("\n".join([title, *found.items, *left, *map(_warned, found.warnings)]))


def _new_draft(task: Task, out: Path | None) -> Path:
    """Where the draft goes. Raises ConfigError for what is there already: it may be a task file, or edited."""
    stem = re.sub(r"[^\w-]+", "-", task.name).strip("-")
    path = Path(f"checklist-{stem}.toml") if out is None else out
    if path.suffix.lower() != ".toml":
        raise ConfigError(f"--out {str(path)!r} ends in {path.suffix!r}; name a .toml file")
    if path.exists():
        raise ConfigError(f"{str(path)!r} is there already, and may be edited; name another file with --out")
    return path


def _draft_json(found: Draft, path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    return {"task": found.task, "model": found.model, "file": str(path), "items": list(found.items),
            "refused": [{"item": item, "why": why} for item, why in found.refused], "spent": asdict(found.spent),
            "paid": asdict(found.paid), "warnings": list(found.warnings)}  # fmt: skip


@contextmanager
def _task_and_judge(given: dict[str, Any], *, trust: bool, quiet: bool) -> Generator[tuple[Task, dict[str, Any]]]:
    """The task, and what a judge of it is asked with."""
    from promptopt.binding.models import judge_specs
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import budget_of, evaluator_of, merged, models_of, task_of, with_task

    config = with_task(merged(RunConfig(), given))
    task = task_of(config, trust=trust)
    evaluator = evaluator_of(config, task)
    _check_judged(config, evaluator, task)
    make_ready([config.model, *map(str, judge_specs(config.judge))], quiet=quiet)
    tell: Callable[[str], None] | None = None if quiet else say
    with interruptible() as interrupt, troubles(tell), suspended_by(interrupt):
        yield task, {"model": models_of(config), "evaluator": evaluator, "budget": budget_of(config),
                     "seed": config.seed, "interrupt": interrupt}  # fmt: skip


def _check_judged(config: RunConfig, evaluator: Any, task: Task) -> None:
    """Raises ConfigError where a judge is named that nothing would ask: what is found would pass for its own."""
    from promptopt.binding.evaluator import bind_evaluator
    from promptopt.protocols import Judging

    if config.judge is None and config.judge_base_url is None:
        return
    bound = bind_evaluator(evaluator, task)
    if not isinstance(bound, Judging) or not bound.judges:
        raise ConfigError(
            f"--judge names a judge, and task {task.name!r} asks none: say what a good reply is in a [judge] table of "
            f"the task file (docs/judges.md), or leave --judge out to test the metric"
        )


def _head(found: Judged) -> dict[str, Any]:
    from dataclasses import asdict

    return {"evaluator": found.evaluator, "judge": found.judge, "spent": asdict(found.spent),
            "paid": asdict(found.paid), "warnings": list(found.warnings)}  # fmt: skip


def _title(found: Judged) -> str:
    by = (
        f"{found.evaluator} by {found.judge}"
        if found.judge
        else f"{found.evaluator}: the task's metric, without a judge"
    )
    return f"{by}, {counted(found.paid.calls, 'call')} paid"


def _warned(text: str) -> str:
    return f"Warning: {normalise(text)}"
