"""`promptopt evaluate`: what one prompt scores, in one layout of the task or in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import interruptible, say, show, show_json, suspended_by, troubles, without_secrets
from promptopt.errors import ConfigError, RequestRefused
from promptopt.text import counted, normalise

if TYPE_CHECKING:
    from promptopt.evaluation import Evaluation
    from promptopt.tasks.task import Task
    from promptopt.types import Content, Prompt

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@options.from_config(
    "task", "model", "base_url", "served_as", "api_key_env", "concurrency", "requests_per_minute", "judge",
    "judge_base_url", "judge_served_as", "judge_api_key_env", "evaluator", "settings", "data", "train", "dev", "test",
    "seed", "max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes",
    settings="A setting of the evaluator.",
)  # fmt: skip
def evaluate(
    given: dict[str, Any],
    *,
    prompt: options.PromptText = None,
    split: Annotated[str, typer.Option(help="The examples to score on: train, dev or test.")] = "dev",
    layouts: Annotated[bool, typer.Option("--layouts", help="Rank every layout of the task with this prompt.")] = False,
    trust: options.Trust = False,
    json: options.AsJson = False,
    quiet: options.Quietly = False,
) -> None:
    """Score one prompt on a task, or every layout of the task with that prompt.

    Layouts also say whether a prompt's demonstrations are turns of the conversation, or stand in its text.
    Caps count for each layout apart. What was asked before is read from the store, and costs nothing.
    Scoring on test opens the sealed examples: it counts as a look, and a later verdict on them has to pay for it.
    """
    from promptopt.cli.request import merged, prompt_from, task_of, with_task

    if split not in ("train", "dev", "test"):
        raise ConfigError(f"no split is named {split!r}; it is one of train, dev, test")
    config = with_task(merged(RunConfig(), given))
    laid_out, chosen = prompt_from(task_of(config, trust=trust), prompt)
    names = [layout.name for layout in laid_out.layouts]
    used = "" if laid_out.layout is None else laid_out.layout.name
    wanted = _told_apart(laid_out, chosen, quiet) if layouts else [used if used in names else names[0]]

    tasks = [(name, laid_out.with_layout(name) if layouts else laid_out) for name in wanted]
    found = _scored(config, tasks, chosen, split, quiet)
    found.sort(key=lambda pair: pair[1].measured.score, reverse=True)
    if json:
        show_json(_as_json(found, laid_out.editable))
    else:
        show(_as_text(found))


def _scored(
    config: RunConfig, tasks: Sequence[tuple[str, Task]], prompt: Prompt, split: str, quiet: bool
) -> list[tuple[str, Evaluation]]:
    """The prompt on every task, each by its name: the task in one of its layouts."""
    from promptopt.binding.models import Models, open_models
    from promptopt.cli.models import make_ready
    from promptopt.cli.request import budget_of, evaluator_of, models_of
    from promptopt.evaluation import evaluate as score

    budget = budget_of(config)
    make_ready([spec for spec in (config.model, config.judge) if spec is not None], quiet=quiet)
    # Opened once for all layouts; nobody writes prompts here.
    opened = open_models(replace(models_of(config), proposer=config.model)).by_role
    models = Models(opened["task"], opened["proposer"], opened["judge"])
    found: list[tuple[str, Evaluation]] = []
    refused: RequestRefused | ConfigError | None = None
    with interruptible() as interrupt, troubles(None if quiet else say):
        for name, task in tasks:
            if not quiet:
                say(f"scoring on {split}: {task.name}, layout {name!r}")
            try:
                with suspended_by(interrupt):
                    evaluation = score(
                        task,
                        prompt,
                        model=models,
                        evaluator=evaluator_of(config, task),
                        split=split,
                        budget=budget,
                        seed=config.seed,
                        interrupt=interrupt,
                    )
            except (RequestRefused, ConfigError) as error:
                # A model that takes no system message has other layouts; what holds for all of them is raised below.
                refused = error
                if len(tasks) > 1:
                    say(f"layout {name!r} is left out: {without_secrets(str(error))}")
                continue
            found.append((name, evaluation))
            if not quiet:
                for warning in evaluation.warnings:
                    say(f"warning: {normalise(warning)}")
    if refused is not None and not found:
        raise refused
    return found


def _told_apart(task: Task, prompt: Prompt, quiet: bool) -> list[str]:
    """The layouts in which the model reads this prompt differently: without demonstrations, some are the same."""
    read: dict[Content, str] = {}
    for layout in task.layouts:
        content, _ = task.with_layout(layout.name).render(prompt, task.train[0])
        first = read.setdefault(content, layout.name)
        if first != layout.name and not quiet:
            say(f"layout {layout.name!r} reads as {first!r} does where a prompt has no demonstrations: left out")
    return list(read.values())


def _as_json(found: Sequence[tuple[str, Evaluation]], editable: str) -> dict[str, Any]:
    first = found[0][1]
    return {
        "task": first.task,
        "model": first.model,
        "evaluator": first.evaluator,
        "split": first.split,
        "prompt": first.prompt[editable],
        "prompt_id": first.prompt.id,
        "layouts": [
            {
                "layout": name,
                "score": evaluation.measured.score,
                "ci95": list(evaluation.measured.ci95),
                "n": evaluation.measured.n,
                "unreadable": evaluation.measured.unreadable,
                **({} if evaluation.look is None else {"look": asdict(evaluation.look)}),
                "spent": asdict(evaluation.spent),
                "paid": asdict(evaluation.paid),
            }
            for name, evaluation in found
        ],
    }


def _as_text(found: Sequence[tuple[str, Evaluation]]) -> str:
    from promptopt.reports import words
    from promptopt.stats import level

    first = found[0][1]
    rows = [["layout", "score", "from", "to", "unreadable", "calls paid"]]
    for name, evaluation in found:
        measured = evaluation.measured
        low, high = measured.ci95
        rows.append(
            [name, words.score(measured.score), words.score(low), words.score(high), words.count(measured.unreadable),
             words.count(evaluation.paid.calls)]
        )  # fmt: skip
    examples = counted(first.measured.n, f"{first.split} example")
    lines = [
        f"{first.task}, {examples}, {first.evaluator} on {first.model}",
        "",
        words.columns(rows, right=(1, 2, 3, 4, 5)),
        "",
        "From and to: 95 % interval. Unreadable: replies without an answer that could be read; each scores 0.",
    ]
    looks = [evaluation.look for _, evaluation in found if evaluation.look is not None]
    if looks:
        last = max(looks, key=lambda look: look.number)
        lines.append(
            f"Look {last.number} at these test examples: what is chosen by it needs new ones for a verdict, and the "
            f"next look at these needs p below {level(last.number + 1):.2g}."
        )
    return "\n".join(lines)
