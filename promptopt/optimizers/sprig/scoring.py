"""What both searches share: a prompt of components, the examples of a step, and what a prompt is worth on them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Literal, cast

from promptopt.errors import EvaluatorError
from promptopt.optimizers.sprig.edits import Parts, text_of_parts
from promptopt.protocols import SeveralTasks, Task
from promptopt.run import Run
from promptopt.text import strip_fence
from promptopt.thoughts import spoken
from promptopt.types import Example, Prompt, ScoreMatrix

OnTaskError = Literal["stop", "skip"]
METRIC_FAILED = "sprig: a metric failed on its replies"
"""Why a prompt is left out by `skip`."""


def prompt_with_components(run: Run, parts: Parts) -> Prompt:
    """The start with these components behind it."""
    start = run.initial[run.task.editable]
    if not parts:
        return run.initial
    added = text_of_parts(parts)
    # Where either has several lines the components are paragraphs of their own.
    between = "" if not start.strip() else "\n\n" if "\n" in f"{start}{added}" else " "
    return run.initial.replace(run.task.editable, f"{start}{between}{added}")


def step_examples(run: Run, count: int, *, shared: bool) -> list[Example]:
    """The examples of a step: as many of each task, `count` each or, `shared`, together."""
    rng = run.rng("examples")
    train = run.train
    task = run.task
    groups: dict[str, list[Example]] = {}
    for example in train:
        groups.setdefault(task.member_of(example) if isinstance(task, SeveralTasks) else "", []).append(example)
    # As many of each: the objective is over tasks, however many examples they have.
    each = max(1, count // len(groups)) if shared else count
    return [example for group in groups.values() for example in rng.sample(group, min(each, len(group)))]


def scored_or_left_out(
    run: Run, prompts: Iterable[Prompt], examples: Sequence[Example], on_task_error: OnTaskError
) -> ScoreMatrix:
    """The scores of the prompts, by `skip` without those that a metric fails on.

    Never averaged over fewer tasks: such a prompt is not ranked at all. Raises EvaluatorError by `stop`, and where it
    fails on every prompt.
    """
    left = list(dict.fromkeys(prompts))
    while True:
        try:
            return run.evaluate(left, examples)
        except EvaluatorError as error:
            others = [prompt for prompt in left if prompt.id != error.prompt_id]
            if on_task_error == "stop" or not others or len(others) == len(left):
                raise
            if not run.rejected[METRIC_FAILED]:
                run.warn(f"prompts on whose replies a metric fails are left out; the first: {error}")
            run.reject(METRIC_FAILED)
            left = others


def worth_of(task: Task, examples: Sequence[Example], values: Sequence[float]) -> float:
    """What a prompt is worth: the mean, or what the tasks' objective makes of their means."""
    if not isinstance(task, SeveralTasks):
        return math.fsum(values) / len(values)
    by_task: dict[str, list[float]] = {}
    for example, value in zip(examples, values, strict=True):
        by_task.setdefault(task.member_of(example), []).append(value)
    return task.worth({name: math.fsum(own) / len(own) for name, own in by_task.items()})


def texts_in_list(reply: str) -> list[str]:
    """The texts of the JSON list in a reply, from its first to its last bracket; none where there is no such list."""
    said = spoken(reply)
    text = strip_fence("" if said is None else said)
    # Models write a sentence before the list, or one after it.
    begin, end = text.find("["), text.rfind("]")
    try:
        found: object = json.loads(text[begin : end + 1]) if 0 <= begin < end else None
    except (ValueError, RecursionError):
        return []
    entries = cast("list[object]", found) if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, str)]
