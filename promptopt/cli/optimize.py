"""`promptopt optimize`: one run, from what was typed to the verdict."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig, config_from, load_config
from promptopt.binding.settings import build_optimizer, flat_settings
from promptopt.cli import options
from promptopt.cli.output import SUSPENDED, interruptible, say, show, show_forecast, show_json, suspended_by
from promptopt.errors import ConfigError, PromptoptError
from promptopt.types.identity import without_surrogates

if TYPE_CHECKING:
    from promptopt.binding.models import Models
    from promptopt.outcome.result import Result
    from promptopt.protocols import Evaluator
    from promptopt.run.events import Event
    from promptopt.tasks.task import Task

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=options.Grouped)
@options.from_config(*(field.name for field in dataclasses.fields(RunConfig)))
def optimize(
    given: dict[str, Any],
    *,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Read options from a file; the command line wins.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a run; only caps need to be given again.")
    ] = None,
    trust: options.Trust = False,
    dry_run: options.DryRun = False,
    track: Annotated[
        list[str] | None, typer.Option(metavar="WHERE", help="Tell mlflow or otel (OpenTelemetry) of it, too.")
    ] = None,
    on: options.OnRay = None,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Search for a better prompt, and prove on unseen data whether it is one.

    Running the same command again goes on where it stopped, and pays for nothing twice.
    """
    if resume is not None and config is not None:
        raise ConfigError("--resume takes its options from the run itself; leave out --config")
    base = RunConfig() if config is None else load_config(config)
    if resume is not None:
        base = _earlier(resume)
    from promptopt.cli.request import merged, stored, task_of, with_default_method
    from promptopt.tracking import tracked

    chosen = with_default_method(merged(base, given))
    if trust:
        task_of(chosen, trust=True)
    if dry_run:
        from promptopt.cli.forecast import forecast

        show_forecast(forecast(chosen), as_json=json)
        return
    out = _out(chosen)
    with tracked(track or [], stored(chosen), say) as tracker:
        task, result = run(chosen, quiet=quiet, expected_run=resume, tracker=tracker, on=on)
        tracker.finish(result)
    try:
        # First of all: whatever goes wrong with a file, the verdict is seen.
        _show_result(result, as_json=json)
    finally:
        if out is not None and result.status != "suspended":
            _write_winner(task, result, out, quiet)
    if result.status == "suspended":
        raise typer.Exit(SUSPENDED)


def watch_nothing(event: Event) -> None:
    """Watches nothing."""


def run(
    config: RunConfig,
    *,
    quiet: bool,
    expected_run: str | None = None,
    replay: Path | None = None,
    tracker: Callable[[Event], None] = watch_nothing,
    on: str | None = None,
) -> tuple[Task, Result]:
    """Conduct the run that `config` describes, showing its progress on stderr; returns its task, and how it ended.

    `expected_run`: the run that is being resumed; a remark is made when the options make it another one. `replay`: a
    store that has all of its calls; no model is asked, and what is missing there suspends the run. `tracker`: sees all
    events too. `on`: the Ray cluster whose actors hold the models that run in a process.
    """
    from promptopt import api
    from promptopt.binding.evaluator import bind_evaluator, recast
    from promptopt.binding.session import Session
    from promptopt.cli.display import display
    from promptopt.cli.on_ray import elsewhere
    from promptopt.cli.request import evaluator_of, models_of, search_budget, settings_of, stored, task_of
    from promptopt.outcome.criterion import name_of

    models, task = models_of(config), task_of(config)
    budget, unasked = search_budget(config, task)
    optimizer = build_optimizer(config.method, settings_of(config, task))
    task = recast(task, optimizer)
    # Every mistake that can be found without a model is found before one is fetched.
    evaluator = evaluator_of(config, task, optimizer)
    check = None if config.check_evaluator is None else bind_evaluator(config.check_evaluator, task)
    _make_ready(config, models, (evaluator, check), fetched=replay is None and on is None, quiet=quiet)
    # Ray comes first: it takes SIGTERM for itself when it begins.
    with (
        elsewhere(on, asked(config), quiet=quiet) as place, interruptible() as interrupt,
        display(_title(task, config), interrupt, quiet=quiet, minutes=config.max_minutes) as shown,
    ):  # fmt: skip
        _introduce(task, config.method, name_of(evaluator), unasked, quiet=quiet)
        if replay is not None:
            # What is stored is read all the same; only a call that would go out is stopped by it.
            interrupt.set()
        with nullcontext() if replay is not None else suspended_by(interrupt):
            result = api.optimize(
                task, optimizer, model=dataclasses.replace(models, elsewhere=place), evaluator=evaluator,
                check_evaluator=check, budget=budget, seed=config.seed, store=replay,
                session=Session([shown, tracker], shown.watch, interrupt, stored(config)),
            )  # fmt: skip
    _say_other(result, expected_run)
    return task, dataclasses.replace(result, method=config.method)  # the registered name, which --method takes


def _make_ready(
    config: RunConfig, models: Models, evaluators: tuple[Evaluator, Evaluator | None], *, fetched: bool, quiet: bool
) -> None:
    """Check the model of every role, so that no header stands above an error of theirs; and have them fetched."""
    from promptopt.binding.models import addresses_of
    from promptopt.cli.models import make_ready

    addresses_of(models, *evaluators)
    if fetched:
        make_ready(asked(config), quiet=quiet)


def _title(task: Task, config: RunConfig) -> str:
    from promptopt.cli.request import asks_judge, proposer_of

    writer = proposer_of(config)
    named = [config.model]
    named += [] if writer == config.model else [f"proposer {writer}"]
    # Who judges where nobody is named is the proposer.
    named += [f"judge {config.judge or writer}"] if asks_judge(config, task) else []
    named += [f"last judge {config.check_judge}"] if config.check_judge else []
    return f"promptopt optimize: {task.name}, {config.method}, {', '.join(named)}"


def _say_other(result: Result, expected_run: str | None) -> None:
    if expected_run is not None and not result.run_id.startswith(expected_run):
        say(f"these options make a run of their own, {result.run_id}, not {expected_run}")


def asked(config: RunConfig) -> list[str]:
    """Every model that a run asks, by name."""
    from promptopt.binding.models import judge_specs
    from promptopt.cli.request import proposer_of

    judges = () if config.judge is None else tuple(map(str, judge_specs(config.judge)))
    others = (config.check_model, config.check_judge, config.user_model, config.teacher)
    return [name for name in (config.model, proposer_of(config), *judges, *others) if name]


def _out(config: RunConfig) -> Path | None:
    """Where the winner goes. Raises ConfigError, before anything is paid for, where that cannot be."""
    from promptopt.reports.export import format_for

    if config.out is None:
        return None
    out = Path(config.out)
    format_for(out, None)
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"--out {config.out!r}: there is no folder {str(folder)!r}; make it first")
    if out.is_dir():
        raise ConfigError(f"--out {config.out!r} is a folder; name a file in it, such as {str(out / 'winner.txt')!r}")
    if not os.access(out if out.exists() else folder, os.W_OK):
        raise ConfigError(f"--out {config.out!r} cannot be written; name a file that you may write")
    return out


def _show_result(result: Result, *, as_json: bool) -> None:
    if as_json:
        show_json(result.to_json())
        return
    from promptopt.reports.summary import summarise

    show(summarise(result.to_json()))


def _write_winner(task: Task, result: Result, out: Path, quiet: bool) -> None:
    from promptopt.places import unwritable, write_whole
    from promptopt.reports.carried import not_carried
    from promptopt.reports.export import export, export_of, format_for

    try:
        exported, form = export_of(task, result.prompt, result.model), format_for(out, None)
        text = export(exported, form)
        write_whole(out, without_surrogates(text))
    except OSError as cause:
        raise PromptoptError(
            f"the winner is not kept: {unwritable(out, cause)}, and `promptopt runs export {result.run_id} --out FILE` "
            f"writes it"
        ) from cause
    if not quiet:
        lost = not_carried(task, exported, form)
        say(f"{_named_by_verdict(result)} is in {out}{'; ' if lost else ''}{lost}")


def _named_by_verdict(result: Result) -> str:
    """What a file with the prompt of `result` holds, as its verdict calls it."""
    if result.prompt == result.start.prompt:
        return "the start prompt, which is kept,"
    if result.verdict == "better":
        return "the new prompt"
    return "the new prompt, which is not shown to be better than the start,"


def _introduce(task: Task, method: str, evaluator: str, unasked: str, *, quiet: bool) -> None:
    from promptopt.tasks.splits import beside_test_size

    if quiet:
        return
    for named in (method, evaluator):
        if shipped := task.settings.get(named):
            listed = ", ".join(f"{name}={value}" for name, value in flat_settings(shipped).items())
            say(f"settings this task ships for {named} (--set changes them): {listed}")
    # What the test can show is said with the plan, of as many examples as that pays for.
    for warning in beside_test_size(task.warnings):
        say(f"warning: {warning}")
    if unasked:
        say(unasked)


def _earlier(run_id: str) -> RunConfig:
    """What an earlier run was started with. Raises ConfigError when it was not started from the command line."""
    from promptopt.store.runs import Store

    with Store() as store:
        record = store.find(run_id)
    if not record.config:
        raise ConfigError(f"run {record.id} was started from Python; run the same program again to go on with it")
    return config_from(record.config)
