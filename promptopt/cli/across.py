"""`promptopt evaluate --model A --model B`: one prompt on several models, each against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptopt.binding.config import RunConfig
from promptopt.cli.layouts_shown import scorer
from promptopt.cli.output import show, show_json
from promptopt.cli.side_by_side import Compared, as_table
from promptopt.errors import ConfigError
from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.cli.evaluate import ScorePrompts
    from promptopt.tasks.task import Task
    from promptopt.types import Prompt


@dataclass(frozen=True, slots=True)
class PromptOnSplit:
    """One prompt on one split; `layout`: the task's, by name."""

    task: Task
    prompt: Prompt
    layout: str
    split: str


def across(
    config: RunConfig, models: Sequence[str], asked: PromptOnSplit, scored: ScorePrompts, *, json: bool, quiet: bool
) -> None:
    """Score the prompt on every model, and show each against the first by the paired test."""
    from promptopt.cli.evaluate import Wanted
    from promptopt.evaluation import compare
    from promptopt.reports.words import shortened

    repeated = next((model for place, model in enumerate(models) if model in models[:place]), None)
    if repeated is not None:
        raise ConfigError(f"--model {repeated!r} is given twice; give models that differ")
    wanted = [
        Wanted(replace(config, model=model), asked.layout, asked.task, asked.prompt, f"model {model}")
        for model in models
    ]
    found = [evaluation for _, evaluation in scored(wanted, asked.split, quiet)]
    # So many verdicts are given at once, each at its share of the level.
    against = [compare(found[0], other, rivals=len(models) - 1) for other in found[1:]]
    if json:
        entries = [
            {"model": evaluation.model, **evaluation.figures(), "against_first": versus}
            for evaluation, versus in zip(found, [None, *(each.to_json() for each in against)], strict=True)
        ]
        first = found[0]
        show_json({"task": first.task, "prompt": first.prompt[asked.task.editable], "prompt_id": first.prompt.id,
                   **scorer(first), "split": asked.split, "models": entries})  # fmt: skip
        return
    title = f": one prompt on {counted(len(found), 'model')}"
    show(as_table(found, against, title, Compared("models", "first", "model", [shortened(model) for model in models])))
