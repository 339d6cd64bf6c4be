"""`promptopt unseen`: a system prompt learned on some tasks, judged on tasks that the search did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import SUSPENDED, interruptible, say, show, show_forecast, show_json, suspended_by
from promptopt.cli.unseen_results import SIDES, OnUnseenTask, Unseen, summary, unseen_as_text
from promptopt.errors import ConfigError
from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.cli.request import Loaded
    from promptopt.comparison.user_prompts import UnderUserPrompts
    from promptopt.tasks.task import Task
    from promptopt.types import Prompt

DEFAULT_METHOD = "metaspo"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@options.from_config(
    "task", "system", "objective", "weights", "floor", "method", "settings", "evaluator", "model", "proposer", "judge",
    "base_url", "served_as", "api_key_env", "proposer_base_url", "proposer_served_as", "proposer_api_key_env",
    "judge_base_url", "judge_served_as", "judge_api_key_env", "concurrency", "requests_per_minute",
    "train", "dev", "test", "seed", "max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes",
    "trust",
    task="The tasks, as A,B,C; without --on each is left out once.",
    system="The system prompt in use, or its file.",
    method="How to search (`promptopt methods list`); default: metaspo.",
    max_evaluations="Cap of each search: prompts scored on one example each.",
    max_calls="Cap of each search: replies asked of any model.",
    max_tokens="Cap of each search: tokens read and written by any model.",
    max_usd="Cap of each search: dollars.",
    max_minutes="Minutes until a search is suspended.",
)  # fmt: skip
def unseen(
    given: dict[str, Any],
    *,
    on: Annotated[
        str | None, typer.Option(metavar="D,E", help="The unseen tasks; one search on all of --task is made then.")
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Search user prompts of each unseen task, too, under either system prompt.")
    ] = False,
    user_prompts: Annotated[
        int, typer.Option(metavar="N", min=0, help="Judge under N user prompts written from examples, too (paper: 10).")
    ] = 0,
    dry_run: options.DryRun = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Search a system prompt on some tasks, and judge it on tasks that the search did not see.

    Each of the tasks is left out once, or those of --on always. The caps are those of each search; start and winner
    are scored on the test examples of an unseen task on top of them. Running the same command again goes on.
    """
    from promptopt.cli.request import merged, with_task

    trust = bool(given.pop("trust"))
    config = with_task(merged(RunConfig(method=DEFAULT_METHOD), given))
    if dry_run and not quiet and not json:
        # Every task is read, and every search played: some seconds, in which nothing else would be said.
        say("reading the tasks, and rehearsing each search without a model")
    loaded: Loaded = {}
    folds = _folds(config, on, loaded, trust=trust)
    if adapt:
        _check_adaptable(config, [target for _, targets in folds for target in targets], loaded)
    # All its verdicts are given at once, so they share the level.
    rivals = sum(len(targets) for _, targets in folds)
    intended = _intended(len(folds), rivals, adapt=adapt, user_prompts=user_prompts)
    if dry_run:
        from promptopt.cli.dry_runs import forecast_unseen

        foreseen = forecast_unseen(config, folds, intended, loaded, adapt=adapt, user_prompts=user_prompts)
        show_forecast(foreseen, as_json=json)
        return
    if not quiet and not json:
        say(intended)
    found: list[Unseen] = []
    for fold in folds:
        found += _searched_and_judged(
            *fold, rivals, loaded, adapt=adapt, user_prompts=user_prompts, quiet=quiet or json
        )
    _show_unseen(found, config, as_json=json)


def _show_unseen(found: Sequence[Unseen], config: RunConfig, *, as_json: bool) -> None:
    if as_json:
        show_json({"model": config.model, "method": config.method, "unseen": [each.to_json() for each in found],
                   "summary": summary(found)})  # fmt: skip
    else:
        show(unseen_as_text(found, config.method, config.model))


def _folds(config: RunConfig, on: str | None, loaded: Loaded, *, trust: bool) -> list[tuple[RunConfig, list[str]]]:
    """What is searched, and the tasks that it is judged on. Raises ConfigError for tasks that cannot stand together."""
    from promptopt.cli.request import names_in, task_names, task_of, without_objective

    names = task_names(config)
    targets = [] if on is None else names_in(on, "--on")
    both = next((name for name in targets if name in names), None)
    if both is not None:
        raise ConfigError(f"--on names {both!r}, which is searched on; leave it out of one of the two")
    if on is None and len(names) < 3:
        raise ConfigError(
            f"leaving one task out of {counted(len(names), 'task')} leaves less than two to search on; name three or "
            f"more with --task, or the unseen ones with --on"
        )
    if len(names) < 2:
        raise ConfigError("a system prompt is searched on two tasks or more; name them as --task a,b")
    # Before anything is paid for: two of one name, tasks that ask the same, and those that can stand under no prompt.
    task_of(without_objective(config, ",".join([*names, *targets])), trust=trust, loaded=loaded)
    # Weights are counted and read as they were given, before each search gets those of its own tasks.
    task_of(config, loaded=loaded)
    if on is not None:
        return [(config, targets)]
    weights = config.weights.split(",") if config.weights else []
    folds: list[tuple[RunConfig, list[str]]] = []
    for place, name in enumerate(names):
        rest = [*weights[:place], *weights[place + 1 :]]
        others = [*names[:place], *names[place + 1 :]]
        folds.append((replace(config, task=",".join(others), weights=",".join(rest) if rest else None), [name]))
    return folds


def _check_adaptable(config: RunConfig, targets: Sequence[str], loaded: Loaded) -> None:
    """Raise ConfigError for a task without a user prompt, before a search is paid for that nothing could follow."""
    from promptopt.binding.suite import START_PROMPT, adapting
    from promptopt.cli.request import alone

    for target in targets:
        adapting(alone(config, target, loaded), START_PROMPT)


def _intended(searches: int, targets: int, *, adapt: bool, user_prompts: int) -> str:
    """What it takes, in a sentence."""
    # Under the start's system prompt and the winner's: two of each.
    count = searches + (2 * targets if adapt else 0)
    each = 2 * (1 + user_prompts + (1 if adapt else 0))
    return (
        f"{counted(count, 'search', 'searches')}, each within the caps; then {each} evaluations for each test example "
        f"of {counted(targets, 'unseen task')}"
    )


def _searched_and_judged(
    config: RunConfig,
    targets: Sequence[str],
    rivals: int,
    loaded: Loaded,
    *,
    adapt: bool,
    user_prompts: int,
    quiet: bool,
) -> list[Unseen]:
    """One search, and what it is worth on each of the tasks that it did not see."""
    from promptopt.binding.suite import under_system
    from promptopt.cli.request import alone

    config, of_target = _judged_where_asked(config, targets, loaded)
    task, run, best = _searched(config, quiet)
    start, system = task.initial[task.editable], best[task.editable]
    found: list[Unseen] = []
    for target, config in of_target.items():
        own = alone(config, target, loaded)
        whole = under_system(own, start)
        prompts = [(whole, whole.initial), (whole, whole.initial.replace(whole.editable, system))]
        as_it_is = _judged(config, prompts, rivals, (run,), quiet)
        adapted = _adapted(config, target, (start, system), rivals, quiet) if adapt else None
        reworded = _reworded(config, own, (start, system), rivals, user_prompts, quiet) if user_prompts else None
        found.append(Unseen(own.name, task.members, start, system, as_it_is, adapted, reworded))
    return found


def _judged_where_asked(
    config: RunConfig, targets: Sequence[str], loaded: Loaded
) -> tuple[RunConfig, dict[str, RunConfig]]:
    """The options of the search and those of each unseen task, without a judge where others alone ask one.

    A run warns of a judge that nobody asks, and here one judge is named for all.
    """
    from promptopt.cli.request import alone, asks_judge, of_scoring, task_of, without_judge

    scoring = of_scoring(config)
    asking = {target: asks_judge(scoring, alone(config, target, loaded)) for target in targets}
    searching = asks_judge(scoring, task_of(config, loaded=loaded))
    if not searching and not any(asking.values()):
        # Nobody asks it, which is to be said.
        return config, dict.fromkeys(targets, config)
    spared = without_judge(config)
    return config if searching else spared, {target: config if asks else spared for target, asks in asking.items()}


def _searched(config: RunConfig, quiet: bool) -> tuple[Task, str, Prompt]:
    """(the task, the run's name, its winner). Raises typer.Exit where it is suspended."""
    from promptopt.cli.optimize import run

    task, result = run(config, quiet=quiet)
    if result.status == "suspended":
        say(f"the search on {task.name} is suspended; run the same command again to go on")
        raise typer.Exit(SUSPENDED)
    return task, result.run_id, result.best.prompt


def _adapted(config: RunConfig, target: str, systems: tuple[str, str], rivals: int, quiet: bool) -> OnUnseenTask:
    """User prompts searched under either system prompt, at the same caps, and held against each other."""
    from promptopt.cli.request import without_objective

    asked = without_objective(config, target)
    # Once where the search has found nothing better than the start's.
    by_system = {system: _searched(replace(asked, system=system), quiet) for system in dict.fromkeys(systems)}
    found = [by_system[system] for system in systems]
    runs, prompts = tuple(run for _, run, _ in found), [(task, best) for task, _, best in found]
    judged = _judged(config, prompts, rivals, runs, quiet, which=", user prompt adapted")
    return replace(judged, user_prompts=tuple(best[task.editable] for task, best in prompts))


def _reworded(
    config: RunConfig, own: Task, systems: tuple[str, str], rivals: int, count: int, quiet: bool
) -> UnderUserPrompts | None:
    """Both system prompts under user prompts that know of neither; None for a task that has none."""
    from promptopt.binding.suite import under_system
    from promptopt.cli.evaluate import Wanted, scored
    from promptopt.cli.request import evaluator_of, models_of, of_scoring
    from promptopt.comparison.user_prompts import induced, under_user_prompts
    from promptopt.tasks.parts import with_user_prompts

    whole = with_user_prompts(under_system(own, systems[0]))
    # A task of conversations has no user prompt that could be worded anew.
    if len(whole.editables) == 1:
        return None
    asked = of_scoring(config)
    with interruptible() as interrupt, suspended_by(interrupt):
        texts = induced(
            own, count, models=models_of(config), evaluator=evaluator_of(asked, own), seed=config.seed,
            interrupt=interrupt,
        )  # fmt: skip
    first, part = whole.editables
    wanted = [
        Wanted(
            asked,
            whole.name,
            whole,
            whole.initial.replace(first, system).replace(part, text),
            f"{called}, user prompt {number}",
        )
        for system, called in zip(systems, SIDES, strict=True)
        for number, text in enumerate(texts, start=1)
    ]
    found = [each for _, each in scored(wanted, "test", quiet)]
    half = len(texts)
    return under_user_prompts(texts, found[:half], found[half:], rivals=rivals)


def _judged(
    config: RunConfig, prompts: Sequence[tuple[Task, Prompt]], rivals: int, runs: tuple[str, ...], quiet: bool,
    which: str = "",
) -> OnUnseenTask:  # fmt: skip
    """`which`: what is told of both prompts while they are scored, beside their side."""
    from promptopt.cli.evaluate import Wanted, scored
    from promptopt.cli.request import of_scoring
    from promptopt.evaluation import compare

    asked = of_scoring(config)
    wanted = [
        Wanted(asked, task.name, task, prompt, f"{called}{which}")
        for (task, prompt), called in zip(prompts, SIDES, strict=True)
    ]
    # One comparison, and so one look.
    before, after = (evaluation for _, evaluation in scored(wanted, "test", quiet))
    return OnUnseenTask(before, after, compare(before, after, rivals=rivals), runs)
