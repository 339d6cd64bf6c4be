"""`promptopt compare --prompts`: every prompt on every model, the start first: does a prompt travel?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from promptopt.binding.config import RunConfig
from promptopt.cli.output import interruptible, say, show, show_forecast, show_json, suspended_by, troubles
from promptopt.errors import ConfigError
from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.comparison.transfer import Transfer
    from promptopt.evaluation import Evaluation
    from promptopt.tasks.task import Task
    from promptopt.types import Prompt

START = "start"


def transfer(
    config: RunConfig,
    models: Sequence[str],
    prompts: Sequence[str],
    *,
    trust: bool,
    dry_run: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Score the start and every prompt on every model, on dev, and show the matrix."""
    from promptopt.cli.request import prompt_from, task_of, with_task
    from promptopt.comparison.transfer import transfer_of

    if "," in with_task(config).task:
        raise ConfigError("a transfer matrix is of one task; name one with --task")
    task = task_of(config, trust=trust)
    named: dict[str, tuple[Task, Prompt]] = {START: (task, task.initial)}
    for text in prompts:
        named[text] = prompt_from(task, text)
    if dry_run:
        from promptopt.cli.dry_runs import forecast_scores

        wanted = [(dataclasses.replace(config, model=model), *each) for model in models for each in named.values()]
        show_forecast(
            forecast_scores(wanted, "dev", "pair of prompt and model", "pairs of prompt and model"), as_json=json
        )
        return
    found = {
        model: [_evaluated(dataclasses.replace(config, model=model), name, *each, quiet)
                for name, each in named.items()]
        for model in models
    }  # fmt: skip
    matrix = transfer_of(list(named), found)
    if json:
        show_json(matrix.to_json())
    else:
        show(_transfer_as_text(matrix))


def _evaluated(config: RunConfig, name: str, task: Task, prompt: Prompt, quiet: bool) -> Evaluation:
    from promptopt.binding.models import judge_specs
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import budget_of, evaluator_of, models_of
    from promptopt.evaluation import evaluate

    judges = () if config.judge is None else tuple(map(str, judge_specs(config.judge)))
    make_ready([config.model, *judges], quiet=quiet)
    if not quiet:
        say(f"scoring {name} on {config.model}")
    # Nobody writes prompts here.
    asked = dataclasses.replace(models_of(config), proposer=config.model)
    with interruptible() as stop, troubles(None if quiet else say), suspended_by(stop):
        # One by one: dev is not sealed, so no look has to be shared.
        return evaluate(
            task, prompt, model=asked, evaluator=evaluator_of(config, task), budget=budget_of(config),
            seed=config.seed, interrupt=stop,
        )  # fmt: skip


def _transfer_as_text(matrix: Transfer) -> str:
    from promptopt.reports import words

    def said(cell: Any) -> str:
        mark = {"better": " +", "worse": " -"}.get(cell.verdict or "", "")
        return f"{words.score(cell.score)} ({words.score(cell.ci95[0])} to {words.score(cell.ci95[1])}){mark}"

    rows = [["", *matrix.models]]
    rows += [[words.shortened(name), *map(said, cells)]
             for name, cells in zip(matrix.prompts, matrix.cells, strict=True)]  # fmt: skip
    return "\n".join([
        f"{matrix.task}: {counted(len(matrix.prompts), 'prompt')} on {counted(len(matrix.models), 'model')}, "
        f"{counted(matrix.n, 'dev example')}",
        "",
        words.columns(rows),
        "",
        "Each with its 95 % interval. + and -: better and worse than the start on that model, by the paired test, with "
        "Holm's correction over the whole matrix.",
    ])  # fmt: skip
