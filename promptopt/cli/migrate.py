"""`promptopt migrate`: a prompt moves from an old model to new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.binding.settings import build_optimizer
from promptopt.cli import options
from promptopt.cli.migration_json import migration_as_json
from promptopt.cli.migration_tables import (
    LATENCY_SAID,
    agreements,
    ceiling_said,
    clauses,
    columns_of,
    costs_of_sharing,
    faults,
    for_all_said,
    gain_cell,
    latencies,
    names_shown,
    target_said,
)
from promptopt.cli.output import FAILED, interruptible, say, show, show_forecast, show_json, suspended_by, troubles
from promptopt.errors import ConfigError
from promptopt.text import counted, normalise

if TYPE_CHECKING:
    from promptopt.migration import Cost, Migration
    from promptopt.migration.moved import Target

app = typer.Typer(add_completion=False, rich_markup_mode=None)
WORSE, OPEN = 4, 5
"""Exit codes where a target's prompt is worse than the margin allows, and where that is not sure."""
ENDS = ("; run the same command again to go on", "; once that is mended, run the same command to go on")
"""How a failure may end, which is said once for all targets."""
GO_ON = "Once that is mended, run the same command again: it goes on with these, and pays for nothing twice."


@dataclass(frozen=True, slots=True)
class Ends:
    """What a prompt moves from, and to; `shared`: whether one is wanted for all of these."""

    old: Any
    names: list[str]
    shared: bool


@app.command()
@options.from_config(
    "task", "weigh", "method", "proposer", "judge", "user_model", "base_url", "served_as", "api_key_env",
    "proposer_base_url", "proposer_served_as", "proposer_api_key_env", "judge_base_url", "judge_served_as",
    "judge_api_key_env", "concurrency", "requests_per_minute", "evaluator", "data", "train", "dev", "test", "seed",
    "max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes", "settings", "shared", "dry_run",
)  # fmt: skip
def migrate(
    given: dict[str, Any],
    *,
    source: Annotated[str | None, typer.Option("--from", help="The old model, which the prompt is for today.")] = None,
    target: Annotated[str, typer.Option("--to", help="The new model; several with commas between.")] = "",
    prompt: Annotated[
        str | None, typer.Option(metavar="FILE-or-text", help="The old prompt, or its file; default: the task's start.")
    ] = None,
    margin: Annotated[float, typer.Option(help="The loss of mean score that is borne, from 0 to 1.")] = 0.03,
    freeze: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only write what the old model answers, while it still does.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the old model's replies from such a file.")
    ] = None,
    trust: options.Trust = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Move a prompt to other models, and test that it is no worse there.

    The old model with the old prompt is the reference, with the labels there are, or with its own replies as targets.
    The old prompt stays where it is no worse on the new model; else another is searched there, and tested too.
    """
    from promptopt.cli.request import DEFAULT_METHOD, merged, prompt_from, settings_of, task_of, with_task

    dry_run, shared = bool(given.pop("dry_run")), bool(given.pop("shared"))
    config = with_task(merged(RunConfig(), given))
    config = config if config.method else replace(config, method=DEFAULT_METHOD)
    task, start = prompt_from(task_of(config, trust=trust), prompt, quiet=quiet)
    # The old prompt is what a search on a new model begins at.
    task = replace(task, initial=start)
    old = _source_model(source, reference)
    if freeze is not None and not dry_run:
        _freeze(config, task, old, freeze, quiet=quiet)
        return
    ends = Ends(old, _targets(target, shared=shared), shared)
    if dry_run:
        _show_dry_run(config, task, ends, margin, json=json)
        return
    optimizer = build_optimizer(config.method, settings_of(config, task))
    found = _moved(config, task, ends, optimizer, margin, quiet=quiet)
    if json:
        show_json(migration_as_json(found))
    else:
        show(_migration_as_text(found, task.marks))
    if found.missing or found.unshared:
        raise typer.Exit(FAILED)
    if not found.done:
        raise typer.Exit(WORSE if "inferior" in found.statuses else OPEN)


def _source_model(named: str | None, reference: Path | None) -> Any:
    from promptopt.models.recorded import Recorded

    if reference is not None:
        return Recorded(reference)
    if named is None:
        raise ConfigError("which model does the prompt come from? name it with --from, or its replies with --reference")
    return named


def _targets(named: str, *, shared: bool) -> list[str]:
    from promptopt.cli.request import names_in
    from promptopt.migration.sharing import check_shared

    if not named.strip():
        raise ConfigError("there is no model to move to; name one with --to, or several with commas between")
    names = names_in(named, "--to", "models")
    if shared:
        check_shared(len(names))
    return names


def _show_dry_run(config: RunConfig, task: Any, ends: Ends, margin: float, *, json: bool) -> None:
    from promptopt.cli.dry_runs import forecast_migrate
    from promptopt.migration.apart import check_spelt_apart

    check_spelt_apart(ends.old, ends.names)
    # Replies in a file cost nothing.
    source = ends.old if isinstance(ends.old, str) else None
    show_forecast(forecast_migrate(config, task, source, ends.names, margin, shared=ends.shared), as_json=json)


def _freeze(config: RunConfig, task: Any, old: Any, path: Path, *, quiet: bool) -> None:
    from promptopt.binding.models import open_models
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import models_of
    from promptopt.migration import freeze
    from promptopt.migration.leaving import end_said

    # What an old model answered cannot be asked again once it is gone: such a file is never written over.
    if path.exists():
        raise ConfigError(f"{str(path)!r} is there already; name another file, or move it away")
    if not path.parent.is_dir():
        # Before the replies are paid for.
        raise ConfigError(f"--freeze {str(path)!r} cannot be written: there is no folder {str(path.parent)!r}; make it")
    make_ready([old] if isinstance(old, str) else [], quiet=quiet)
    with interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt):
        models = replace(models_of(config), task=old)
        count = freeze(task, path, model=models, seed=config.seed, interrupt=interrupt)
    say(f"{counted(count, 'reply', 'replies')} are in {path}; --reference {path} stands for the model from now on")
    if end := end_said(open_models(models).by_role["task"], date.today()):
        say(f"Warning: {end}")


def _moved(config: RunConfig, task: Any, ends: Ends, optimizer: Any, margin: float, *, quiet: bool) -> Migration:
    from promptopt.binding.models import judge_specs
    from promptopt.binding.session import Session
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import evaluator_of, models_of, search_budget, stored
    from promptopt.migration import Together, migrate

    old, names = ends.old, ends.names
    budget, _ = search_budget(config, task)
    evaluator = None if config.evaluator is None else evaluator_of(config, task)
    specs = [old] if isinstance(old, str) else []
    make_ready([*specs, *names, *map(str, judge_specs(config.judge))], quiet=quiet)
    if not quiet:
        say(f"moving {task.name} to {', '.join(names)}")
    with interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt):
        session = Session(interrupt=interrupt, config=stored(config))
        models = replace(models_of(config), task=old)
        return migrate(
            task, Together(names) if ends.shared else names, model=models, optimizer=optimizer, evaluator=evaluator,
            margin=margin, budget=budget, seed=config.seed, session=session,
        )  # fmt: skip


def _migration_as_text(found: Migration, marks: Sequence[tuple[str, str]]) -> str:
    from promptopt.reports import words
    from promptopt.tasks.spelling import as_spelt

    reference, shown = found.reference, names_shown(found)
    lines = [
        f"{found.task}, {counted(found.n, 'test example')}, {reference.scored_by()}: {reference.model} with the old "
        f"prompt scores {words.score(reference.measured.score)}",
        *(f"{target.model}: {target_said(found, target)}{_vain_search(target)}" for target in found.targets),
        *for_all_said(found),
        *(f"{each.model}: not moved there: {_without_end(each.reason)}" for each in found.missing),
        *([f"all of them: no prompt was looked for: {_without_end(found.unshared)}"] if found.unshared else []),
        *([GO_ON] if found.missing or found.unshared else []),
        "",
    ]
    lines += [columns_of(_matrix(found), shown), ""]
    if found.targets:
        lines += [*_explained(found), ""]
    for table in (costs_of_sharing(found), clauses(found)):
        lines += [columns_of(table, shown), ""] if table else []
    costs = [["a thousand requests", "tokens read", "written", "dollars"]]
    costs.append([f"old: {reference.model}", *_dear(found.cost)])
    costs += [[f"new: {target.model}", *_dear(target.chosen.cost)] for target in found.targets]
    lines.append(columns_of(costs, shown, right=(1, 2, 3)))
    lines += ["", columns_of(faults(found), shown, right=(1, 2, 3, 4))]
    timed = latencies(found)
    lines += (
        ["", columns_of(timed, shown, right=(1, 2, 3)), LATENCY_SAID]
        if timed
        else ["", f"Latency is not known. {LATENCY_SAID}"]
    )
    lines += ["", columns_of(agreements(found), shown, right=(1, 2, 3)), *ceiling_said(found)]
    for target in found.targets:
        if not target.kept:
            run = "" if target.search is None else f"; run {target.search.run_id}"
            lines += ["", f"Prompt for {target.model} ({target.chosen.prompt.id}{run}):"]
            lines += [words.block(as_spelt(text, marks)) for _, text in target.chosen.prompt.texts if text]
    if found.shared is not None and found.shared.search is not None:
        lines += ["", f"Prompt for all of them ({found.shared.prompt.id}; run {found.shared.search.run_id}):"]
        lines += [words.block(as_spelt(text, marks)) for _, text in found.shared.prompt.texts if text]
    if found.judged:
        lines += ["", *_by_people(found)]
    return shown("\n".join([*lines, *(f"Warning: {normalise(warning)}" for warning in found.warnings)]))


def _by_people(found: Migration) -> list[str]:
    """What people can decide where a judge has spoken."""
    runs = [(target.model, target.search.run_id) for target in found.targets if target.search and not target.kept]
    return [
        "This is a judge's word, and no verdict: before you move, read replies of both models to the same examples.",
        *(f"`promptopt label {run}` has people say whether the new prompt is better than the old one on {model}."
          for model, run in runs),
    ]  # fmt: skip


def _matrix(found: Migration) -> list[list[str]]:
    """Prompts by models. A prompt on the model that it is for stands on the diagonal, marked; the reference first."""
    own = {(target.chosen.prompt.id, target.model) for target in found.targets}
    rows = [["prompt", found.reference.model, *found.models]]
    for place, (name, cells) in enumerate(found.matrix.items()):
        shown = [
            gain_cell(cell) + " *" * ((name, model) in own) for model, cell in zip(found.models, cells, strict=True)
        ]
        for_all = ", for all" if found.shared is not None and found.shared.prompt.id == name else ""
        rows.append([f"new {place}{for_all}", "-", *shown] if place else [f"old{for_all}", "reference *", *shown])
    return rows


def _explained(found: Migration) -> list[str]:
    """What the cells hold, and which looks at the test it took, those of the searches among them."""
    from promptopt.outcome.looks import look_said

    once = " Each group of examples counts once." if found.reference.weigh == "conversation" else ""
    sure = f"{100 * (1 - found.targets[0].old.gain.alpha):.4g} %"
    shared = f": all verdicts share the level of look {found.looks[0].number} at the test" if found.looks else ""
    kept = ", and the contract kept" if any(target.old.decisions for target in found.targets) else ""
    lines = [f"Each: the gain on the old model with the old prompt, and its interval ({sure}{shared}). No worse: all "
             f"of it above -{found.margin:g}{kept}. Marked *: a prompt on the model that it is for.{once}"]  # fmt: skip
    searches = [target.search for target in found.targets] + ([found.shared.search] if found.shared else [])
    searched = [search.look for search in searches if search and search.look]
    if found.looks and found.next_look is not None:
        lines.append(look_said([*found.looks, *searched], found.next_look))
    return lines


def _vain_search(target: Target) -> str:
    """That another prompt was looked for, where none is shown: that, too, was paid for."""
    if target.search is None or not target.kept:
        return ""
    return f"; a search there found no better prompt (`promptopt runs show {target.search.run_id}`)"


def _without_end(reason: str) -> str:
    said = normalise(reason)
    for end in ENDS:
        said = said.removesuffix(end)
    return said


def _dear(cost: Cost) -> list[str]:
    from promptopt.reports import words

    usd = "unknown" if cost.usd is None else words.dollars(cost.usd)
    return [words.count(round(cost.prompt_tokens)), words.count(round(cost.completion_tokens)), usd]
