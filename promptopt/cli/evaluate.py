"""`promptopt evaluate`: what one prompt scores, in one layout of the task or in each of them; or several prompts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.across import PromptOnSplit, across
from promptopt.cli.layouts_shown import entry, layouts_json, layouts_table, scorer
from promptopt.cli.output import (
    interruptible,
    say,
    show,
    show_forecast,
    show_json,
    suspended_by,
    troubles,
    without_secrets,
)
from promptopt.cli.side_by_side import Compared, as_table
from promptopt.errors import BackendError, ConfigError, PromptoptError, RequestRefused, StopRun
from promptopt.text import normalise

if TYPE_CHECKING:
    from promptopt.binding.models import Models
    from promptopt.cli.on_ray import Elsewhere
    from promptopt.evaluation import Asked, Evaluation
    from promptopt.tasks.task import Task
    from promptopt.types import Prompt

ScorePrompts = Callable[["Sequence[Wanted]", str, bool], "list[tuple[str, Evaluation]]"]
"""Scores each prompt on its task, by the name it is wanted under."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prompt that is to be scored on a task, with how it is asked; `name`: of the layout that the task is in.

    `called`: what it is told apart by where several are compared; empty where the layout tells.
    """

    config: RunConfig
    name: str
    task: Task
    prompt: Prompt
    called: str = ""


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=options.Grouped)
@options.from_config(
    "task", "system", "objective", "weights", "floor", "weigh", "base_url", "served_as", "api_key_env",
    "concurrency", "requests_per_minute", "judge", "user_model",
    "judge_base_url", "judge_served_as", "judge_api_key_env", "evaluator", "settings", "data", "train", "dev", "test",
    "seed", "max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes", "dry_run",
    judge="The model that scores, where one is asked; several, as A,B,C, for a panel; default: as in optimize.",
    user_model="The model that plays the users of a task with scenarios; default: the one that answers.",
    settings="A setting of the evaluator.",
)  # fmt: skip
def evaluate(
    given: dict[str, Any],
    *,
    prompt: options.PromptTexts = None,
    model: options.ModelNames = None,
    split: Annotated[str, typer.Option(help="The examples to score on: train, dev or test.")] = "dev",
    layouts: Annotated[bool, typer.Option("--layouts", help="Rank every layout of the task with this prompt.")] = False,
    trust: options.Trust = False,
    on: options.OnRay = None,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Score a prompt on a task, or compare prompts or layouts on the same examples.

    Several prompts (--prompt A --prompt B) are scored on the same examples, and each is compared with the first. So are
    several models (--model A --model B) under one prompt, which tells how a prompt transfers.
    Layouts also say whether a prompt's demonstrations are turns of the conversation, or stand in its text.
    Caps count for each layout and prompt apart. What was asked before is read from the store, and costs nothing.
    Scoring on test opens the sealed examples: it counts as a look, and a later verdict on them has to pay for it.
    """
    from promptopt.binding.models import check_models
    from promptopt.cli.on_ray import elsewhere
    from promptopt.cli.request import merged, prompt_from, task_of, with_task

    dry_run, models = bool(given.pop("dry_run")), list(model) if model else [RunConfig().model]
    config = with_task(merged(RunConfig(), {**given, "model": models[0]}))
    for each in models[1:]:
        check_models(**{"--model": each})
    _check_comparison(split, prompt, models, layouts)
    task = task_of(config, trust=trust)
    if dry_run:
        return _foresee(config, task, prompt, models, split, layouts=layouts, json=json)
    _tell_of_the_start(task, quiet=quiet or prompt is not None)
    with elsewhere(on, [*models, *_beside(config)], quiet=quiet) as where:
        score = partial(scored, where=where)
        if prompt is not None and len(prompt) > 1:
            return _compare(config, task, prompt, split, score, json=json, quiet=quiet)
        laid_out, chosen = prompt_from(task, prompt[0] if prompt else None, quiet=quiet)
        if len(models) > 1:
            asked = PromptOnSplit(laid_out, chosen, _layout_of(laid_out), split)
            return across(config, models, asked, score, json=json, quiet=quiet)
        names = _told_apart(laid_out, chosen, quiet) if layouts else [_layout_of(laid_out)]
        tasks = {name: laid_out.with_layout(name) if layouts else laid_out for name in names}
        wanted = [Wanted(config, *each, chosen) for each in tasks.items()]
        found = scored(wanted, split, quiet, where, leave_out=layouts)
    found.sort(key=lambda pair: pair[1].worth, reverse=True)
    if json:
        show_json(layouts_json(found, laid_out))
    else:
        show(layouts_table(found))


def _tell_of_the_start(task: Task, *, quiet: bool) -> None:
    """What `optimize` says of the same task; the size of the test is of no matter here."""
    from promptopt.tasks.splits import beside_test_size

    for warning in () if quiet else beside_test_size(task.warnings):
        say(f"warning: {warning}")


def _check_comparison(split: str, prompts: Sequence[str] | None, models: Sequence[str], layouts: bool) -> None:
    """Raises ConfigError for a split that is none, and for two kinds of comparison at once."""
    if split not in ("train", "dev", "test"):
        raise ConfigError(f"no split is named {split!r}; it is one of train, dev, test")
    several = [name for name, given in (("--prompt", prompts), ("--model", models)) if len(given or []) > 1]
    if len(several) > 1 or (layouts and "--model" in several):
        raise ConfigError("prompts, models and layouts are compared one kind at a time; give one model, or one prompt")
    if layouts and "--prompt" in several:
        raise ConfigError("--layouts ranks the layouts of one prompt; give --prompt once, or leave --layouts out")


def _layout_of(task: Task) -> str:
    """The name of the layout that the task is in; of the first, where it is in none of its own."""
    names = [layout.name for layout in task.layouts]
    used = "" if task.layout is None else task.layout.name
    return used if used in names else names[0]


def _foresee(
    config: RunConfig, task: Task, prompts: Sequence[str] | None, models: Sequence[str], split: str,
    *, layouts: bool, json: bool,
) -> None:  # fmt: skip
    """Show what scoring would take."""
    from promptopt.cli.dry_runs import forecast_scores
    from promptopt.cli.request import prompt_from

    given = list(prompts) if prompts else [None]
    found = [prompt_from(task, text) for text in given]
    laid_out, chosen = found[0]
    kind, wanted = "prompt", [(config, *each) for each in found]
    if len(models) > 1:
        kind, wanted = "model", [(replace(config, model=each), laid_out, chosen) for each in models]
    elif layouts:
        names = _told_apart(laid_out, chosen, quiet=True)
        kind, wanted = "layout", [(config, laid_out.with_layout(name), chosen) for name in names]
    show_forecast(forecast_scores(wanted, split, kind), as_json=json)


def _with_judge(config: RunConfig, task: Task) -> RunConfig:
    """With the judge that `optimize` would ask, where one is asked and none is named."""
    from promptopt.binding.models import default_proposer
    from promptopt.cli.request import asks_judge

    if config.judge is not None or config.judge_base_url is not None:
        return config
    return replace(config, judge=default_proposer(config.model)) if asks_judge(config, task) else config


def _beside(config: RunConfig) -> list[str]:
    """The models, by name, that are asked beside the one that answers."""
    from promptopt.binding.models import judge_specs

    playing = [] if config.user_model is None else [config.user_model]
    return [*map(str, judge_specs(config.judge)), *playing]


def scored(
    wanted: Sequence[Wanted], split: str, quiet: bool, where: Elsewhere | None = None, *, leave_out: bool = False
) -> list[tuple[str, Evaluation]]:
    """Each prompt on its task, by the name it is wanted under: one comparison, and so one look where it is the test.

    `where`: `Models.elsewhere`. `leave_out`: one that the model refuses is said, and missing from what is found.
    """
    from promptopt.cli.request import budget_of
    from promptopt.evaluation import evaluate_together

    missing: set[int] = set()
    begun: list[str] = []

    def left_out(place: int, error: Exception) -> None:
        # A server that is down is so for all layouts.
        if isinstance(error, BackendError) and not isinstance(error, RequestRefused):
            raise error
        missing.add(place)
        say(f"layout {wanted[place].name!r} is left out: {without_secrets(str(error))}")

    # Caps and seed are one for all of them.
    config = wanted[0].config
    # The innermost: it has to speak before `suspended_by` ends the command.
    failing = _naming(begun, several=len(wanted) > 1)
    with interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt), failing:
        evaluations = evaluate_together(
            all_asked(wanted, split, where, begun, quiet=quiet),
            split=split, budget=budget_of(config), seed=config.seed,
            interrupt=interrupt, leave_out=left_out if leave_out and len(wanted) > 1 else None,
        )  # fmt: skip
    names = [each.name for place, each in enumerate(wanted) if place not in missing]
    if not quiet:
        for warning in warnings_of(evaluations):
            say(f"warning: {normalise(warning)}")
    return list(zip(names, evaluations, strict=True))


def warnings_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """Each once: prompts on one task have most in common. What is counted is counted over all of them."""
    from promptopt.run.lost_tries import lost_tries_told

    own = {lost_tries_told(each.tries_lost) for each in evaluations if each.tries_lost}
    told = dict.fromkeys(warning for each in evaluations for warning in each.warnings if warning not in own)
    lost = sum(each.tries_lost for each in evaluations)
    return [*told, *([lost_tries_told(lost)] if lost else [])]


@contextmanager
def _naming(begun: Sequence[str], *, several: bool) -> Generator[None]:
    """Say which of several could not be scored: what is raised is about a model or a server, and names none."""
    try:
        yield
    except (PromptoptError, StopRun):
        if several and begun and begun[-1]:
            say(f"{begun[-1]} was not scored to the end:")
        raise


def all_asked(
    wanted: Sequence[Wanted], split: str, where: Elsewhere | None, begun: list[str], *, quiet: bool
) -> Iterator[Asked]:
    """What is to be scored, one after the other: models of one configuration are opened once, when it is their turn.

    `begun` grows by what each of them is called.
    """
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import evaluator_of
    from promptopt.evaluation import Asked

    config, models = None, None
    for each in wanted:
        if models is None or each.config != config:
            config = each.config
            judged = _with_judge(config, each.task)
            if where is None:
                make_ready([judged.model, *_beside(judged)], quiet=quiet)
            models = _opened_models(judged, where)
        begun.append(each.called)
        if not quiet:
            called = f", {each.called}" if each.called else ""
            say(f"scoring on {split}: {each.task.name}, layout {each.name!r}{called}")
        yield Asked(each.task, each.prompt, models, evaluator_of(each.config, each.task))


def _opened_models(config: RunConfig, where: Elsewhere | None) -> Models:
    """The models, opened once for all layouts; nobody writes prompts here."""
    from promptopt.binding.models import Models, open_models
    from promptopt.cli.request import models_of
    from promptopt.protocols import JUDGES

    opened = open_models(replace(models_of(config), proposer=config.model, elsewhere=where)).by_role
    judges = tuple(opened[role] for role in JUDGES if role in opened)
    return Models(opened["task"], opened["proposer"], judges, user=opened.get("user"))


def _compare(
    config: RunConfig, task: Task, prompts: Sequence[str], split: str, scored: ScorePrompts, *, json: bool, quiet: bool
) -> None:
    """Score every prompt on the same examples, and show each against the first by the paired test."""
    from promptopt.cli.request import prompt_from
    from promptopt.evaluation import compare
    from promptopt.reports.words import one_line
    from promptopt.tasks.parts import edited_text

    wanted: list[Wanted] = []
    letters = [chr(65 + place) if place < 26 else str(place + 1) for place in range(len(prompts))]
    for letter, text in zip(letters, prompts, strict=True):
        laid_out, chosen = prompt_from(task, text, quiet=quiet)
        layout = laid_out.layouts[0] if laid_out.layout is None else laid_out.layout
        # In another layout the same texts are another prompt.
        if any(chosen == other.prompt and layout.name == other.name for other in wanted):
            raise ConfigError(f"--prompt {text[:60]!r} is the same prompt as an earlier one; give two that differ")
        called = f"prompt {letter} ({one_line(edited_text(task, chosen), 50)})"
        wanted.append(Wanted(config, layout.name, laid_out, chosen, called))
    found = scored(wanted, split, quiet)
    first = found[0][1]
    against = [compare(first, evaluation, rivals=len(found) - 1) for _, evaluation in found[1:]]
    gains = [gain.to_json() for gain in against]
    if json:
        entries = [
            {"prompt": edited_text(task, evaluation.prompt), "prompt_id": evaluation.prompt.id,
             **entry(name, evaluation), "against_first": versus}
            for (name, evaluation), versus in zip(found, [None, *gains], strict=True)
        ]  # fmt: skip
        show_json({"task": first.task, "model": first.model, **scorer(first), "split": split,
                   "prompts": entries})  # fmt: skip
        return
    named = Compared(
        "prompts",
        "A",
        "",
        letters,
        [edited_text(task, each.prompt) for each in wanted],
    )
    show(as_table([evaluation for _, evaluation in found], against, f" on {first.model}", named))


def _told_apart(task: Task, prompt: Prompt, quiet: bool) -> list[str]:
    """The layouts in which the model reads this prompt differently: without demonstrations, some are the same."""
    from promptopt.tasks.layouts import read_apart

    read = read_apart(task, prompt)
    for layout in task.layouts:
        if layout.name not in read and not quiet:
            say(f"layout {layout.name!r} has no place for the prompt's demonstrations: left out")
    for layout, first in read.items():
        if first != layout and not quiet:
            say(f"layout {layout!r} reads as {first!r} does where a prompt has no demonstrations: left out")
    return list(dict.fromkeys(read.values()))
