"""`promptopt compare`: methods, models or prompts held against each other; and the same again from a folder."""

from __future__ import annotations

import dataclasses
import json as jsons
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.binding.settings import Setting
from promptopt.cli import options
from promptopt.cli.output import FAILED, FINISHED, SUSPENDED, say, show, show_forecast, show_json
from promptopt.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from promptopt.cli.on_ray import Command
    from promptopt.comparison.cells import Row, TableCell
    from promptopt.comparison.table import Comparison
    from promptopt.outcome.sentence import Report

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@options.from_config(
    "task", "weigh", "model", "proposer", "judge", "check_judge", "user_model", "teacher", "base_url", "served_as",
    "api_key_env", "proposer_base_url", "proposer_served_as", "proposer_api_key_env", "judge_base_url",
    "judge_served_as", "judge_api_key_env", "concurrency", "requests_per_minute", "evaluator", "check_model",
    "check_evaluator", "data", "train", "dev", "test", "max_evaluations", "max_calls", "max_tokens", "max_usd",
    "settings", "out", "trust", "dry_run",
    task="Tasks or task files, separated by commas.",
    model="The model that answers; --models names several.",
    settings="A setting of one method, as apo.rounds=3.",
    out="A folder: keep all there that it takes to make it again.",
)  # fmt: skip
def compare(
    given: dict[str, Any],
    *,
    methods: Annotated[
        str | None, typer.Option(metavar="A,B", help="The methods; random is added as the floor.")
    ] = None,
    models: Annotated[str | None, typer.Option(metavar="X,Y", help="Several models that answer.")] = None,
    prompts: Annotated[
        str | None, typer.Option(metavar="P1,P2", help="Files of prompts: scored on every model; no search is made.")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N", help="How many seeds, or which: 3, or 0,4,7.")] = "3",
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Runs at a time, each in a process of its own.")] = 1,
    on: Annotated[
        str | None, typer.Option(metavar="ray[://HOST:PORT]", help="Make the runs on the workers of a Ray cluster.")
    ] = None,
    again: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Check such a folder: compute and run all of it again.")
    ] = None,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Hold methods, models or prompts against each other under one budget.

    The tasks and seeds are the same for all, and tests say what differs. Every run is one that `promptopt optimize`
    makes, and running the same command again costs nothing. With --prompts it scores prompts on models instead.
    """
    dry_run, trust = bool(given.pop("dry_run")), bool(given.pop("trust"))
    if again is not None:
        alone = not (any(given.values()) or methods or models or prompts or dry_run or trust)
        return _again(again, alone=alone, json=json, quiet=quiet)
    # The folder of the comparison, and no option of its runs.
    out = given.pop("out", None)
    config = RunConfig(**given)
    if prompts is not None:
        from promptopt.cli.transfer import transfer

        if methods is not None:
            raise ConfigError("--prompts compares prompts and --methods searches: give one of them")
        asked = _comma_separated(models) or [config.model]
        return transfer(config, asked, _comma_separated(prompts), trust=trust, dry_run=dry_run, json=json, quiet=quiet)
    design = table_design(config, methods, models, seeds, trust=trust)
    if dry_run:
        return _foresee(design, json=json)
    found, code = _rows_run(design, jobs, quiet, on)
    _show_comparison(found, as_json=json)
    if out is not None:
        _keep(Path(out), design, found, quiet)
    if code:
        raise typer.Exit(code)


def _again(folder: Path, *, alone: bool, json: bool, quiet: bool) -> None:
    """Show the comparison in a folder, once all of it was made again."""
    from promptopt.cli.reruns import rerun

    if not alone:
        raise ConfigError("--from takes all that it needs from the folder; give nothing beside it but --json")
    _show_comparison(rerun(folder, quiet=quiet), as_json=json)


def _foresee(design: TableDesign, *, json: bool) -> None:
    """Show what the searches would take."""
    from promptopt.cli.dry_runs import forecast_compare

    # One seed of each: another takes about as much.
    # Backwards twice: of each the first seed stays, in the order of the table.
    firsts = {(cell.task, cell.method, cell.model): cell for cell in reversed(design.cells)}
    runs = [design.config_of(cell) for cell in reversed(firsts.values())]
    show_forecast(forecast_compare(design.config, runs, len(design.cells) // len(runs)), as_json=json)


def _keep(out: Path, design: TableDesign, found: Comparison, quiet: bool) -> None:
    from promptopt.comparison.folder import CommandDesign, save
    from promptopt.places import writing
    from promptopt.store.runs import Store

    with writing(out, "--out"):
        with Store() as store:
            save(out, CommandDesign(_shared(design.config), design.tasks), found, store)
        _page(out, found)
    if not quiet:
        say(f"the comparison is in {out}; `promptopt compare --from {out}` makes it again")


@dataclasses.dataclass(frozen=True, slots=True)
class TableDesign:
    """The cells, the options they share, the task file that each task's name means, and each method's own settings."""

    cells: tuple[TableCell, ...]
    config: RunConfig
    tasks: Mapping[str, str]

    def config_of(self, cell: TableCell) -> RunConfig:
        """The options of one run."""
        own = {name.partition(".")[2]: value for name, value in self.config.settings.items()
               if name.partition(".")[0] == cell.method}  # fmt: skip
        task = self.tasks[cell.task]
        return dataclasses.replace(
            self.config, task=task, method=cell.method, model=cell.model, seed=cell.seed, settings=own
        )


def table_design(config: RunConfig, methods: str | None, models: str | None, seeds: str, *, trust: bool) -> TableDesign:
    """What is asked for. Raises ConfigError for what is no task, method or number of seeds, before anything is run."""
    from promptopt.binding.plan import DEFAULT_EVALUATIONS
    from promptopt.binding.settings import build_optimizer
    from promptopt.cli.request import budget_of, task_of, with_task
    from promptopt.comparison.compare import cells_of, with_floor
    from promptopt.models.specs import check_spec
    from promptopt.run.budget import Budget

    named = with_floor(_comma_separated(methods))
    # Rows and folders call a task file by its name alone.
    tasks = {
        Path(each).stem if each.endswith(".toml") else each: each for each in _comma_separated(with_task(config).task)
    }
    if len(tasks) < len(_comma_separated(config.task)):
        raise ConfigError(f"--task {config.task!r} names two tasks alike; rename one of the files")
    settings = config.settings
    unknown = next((name for name in settings if name.partition(".")[0] not in named), None)
    if unknown is not None:
        raise ConfigError(f"--set {unknown}=…: begin with the method it is for, as in --set {named[0]}.{unknown}=…")
    # Without a cap each method would spend what its own settings say.
    if budget_of(config) == Budget():
        config = dataclasses.replace(config, max_evaluations=DEFAULT_EVALUATIONS)
    asked = _comma_separated(models) or [config.model]
    for each in asked:
        check_spec(each)
    cells = cells_of(tasks, named, asked, _seeds(seeds))
    design = TableDesign(tuple(cells), config, tasks)
    # Made and thrown away: a setting or a task file that is wrong is said before the first run is paid for.
    for cell in {(cell.task, cell.method): cell for cell in cells}.values():
        build_optimizer(cell.method, design.config_of(cell).settings)
    for task in tasks.values():
        task_of(dataclasses.replace(config, task=task, settings=dict[str, Setting]()), trust=trust)
    return design


def _rows_run(design: TableDesign, jobs: int, quiet: bool, on: str | None) -> tuple[Comparison, int]:
    """The comparison, and the exit code: whether it was stopped before its end, or all of it failed."""
    from promptopt.comparison.cells import run_cells
    from promptopt.comparison.compare import compared
    from promptopt.outcome.result import INTERRUPTED

    def run(cell: TableCell) -> Report:
        from promptopt.cli.optimize import run

        return run(design.config_of(cell), quiet=True)[1].to_json()

    told = _teller(len(design.cells), quiet)
    if on is not None:
        from promptopt.cli.on_ray import workers
        from promptopt.cli.optimize import asked

        specs = [spec for cell in design.cells for spec in asked(design.config_of(cell))]
        with workers(on, list(dict.fromkeys(specs))) as (command, count):
            apart = partial(_as_a_command, design, command)
            rows = list(run_cells(design.cells, apart, jobs=max(2, count), tell=told))
    elif jobs > 1:
        rows = list(run_cells(design.cells, partial(_as_a_command, design, _in_a_process), jobs=jobs, tell=told))
    else:
        rows = list(run_cells(design.cells, run, tell=told))
    stopped = any(row.status == "suspended" and row.why == INTERRUPTED for row in rows)
    failed = all(row.status == "failed" for row in rows)
    return compared(design.cells, rows), SUSPENDED if stopped else FAILED if failed else FINISHED


def _as_a_command(design: TableDesign, command: Command, cell: TableCell) -> Report:
    """The result of `promptopt optimize` for a cell. Raises BackendError with what that said, where it failed."""
    from promptopt.cli.report import command_of

    stored = {name: value for name, value in dataclasses.asdict(design.config_of(cell)).items() if value is not None}
    # Started anew from the words of a command: a run is the same in another process and on another machine.
    code, out, err = command([*shlex.split(command_of(stored))[1:], "--json", "--quiet"])
    try:
        return jsons.loads(out)
    except ValueError:
        # What a command says last is its error.
        said = err.strip().splitlines()
        why = said[-1].removeprefix("Error: ") if said else f"it ended with code {code} and said nothing"
        raise BackendError(why) from None


def _in_a_process(arguments: Sequence[str]) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "promptopt", *arguments]
    # Without `check`: a run that is suspended has a code of its own, and prints its result all the same.
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout, done.stderr


def _teller(total: int, quiet: bool) -> Callable[[Row], None]:
    from promptopt.comparison.text import cell_outcome

    done: list[Row] = []

    def tell(row: Row) -> None:
        done.append(row)
        if not quiet:
            say(f"{len(done)} of {total}: {row.cell}: {cell_outcome(row)}")

    return tell


def _show_comparison(found: Comparison, *, as_json: bool) -> None:
    if as_json:
        show_json(found.to_json())
    else:
        show(str(found))


def _page(folder: Path, found: Comparison) -> None:
    """The comparison as a page, where Jinja is there to make it."""
    from importlib.util import find_spec

    from promptopt.places import write_whole

    if find_spec("jinja2") is None:
        say('no page was made, since Jinja is not installed: pip install "promptopt-engine[report]"')
        return
    from promptopt.reports.page.comparison import comparison_page

    write_whole(folder / "report.html", comparison_page(found.to_json(), str(found)))


def _shared(config: RunConfig) -> dict[str, Any]:
    from promptopt.cli.request import stored

    kept = stored(config)
    return {name: value for name, value in kept.items() if name not in ("task", "method", "model", "seed", "out")}


def _comma_separated(text: str | None) -> list[str]:
    found = [each.strip() for each in (text or "").split(",") if each.strip()]
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice!r} is named twice; name each once")
    return found


def _seeds(text: str) -> int | Sequence[int]:
    try:
        numbers = [int(each) for each in text.split(",")]
    except ValueError:
        raise ConfigError(f"--seeds {text!r} is no number of seeds; write --seeds 3, or --seeds 0,4,7") from None
    if len(numbers) == 1 and "," not in text:
        if numbers[0] < 1:
            raise ConfigError(f"--seeds {text}: give at least 1 seed")
        return numbers[0]
    return numbers
