"""What a front is: an example, a part of the score, or both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.types import Example, Score

Frontier = Literal["instance", "objective", "hybrid", "cartesian"]
NO_PARTS = (
    "fronts by {frontier} need scores that say what they are made of, and {found}: give the task a metric that returns "
    "a Score with `parts`, or set frontier=instance"
)


def check_parts(run: Run, frontier: Frontier) -> None:
    """Raise ConfigError, before anything is asked, where fronts need the parts of scores and there will be none."""
    if frontier == "instance":
        return
    if not run.abilities.parts:
        raise ConfigError(NO_PARTS.format(frontier=frontier, found="the evaluator gives one number"))
    metric, example = run.task.metric, run.train[0]
    if callable(metric):
        # On a right answer, which costs nothing: a metric that has parts has them there too.
        given: object = metric(example.target, example)
        if isinstance(given, Score) and not given.parts:
            raise ConfigError(NO_PARTS.format(frontier=frontier, found="the metric's Score has none"))
        if not isinstance(given, Score):
            raise ConfigError(NO_PARTS.format(frontier=frontier, found="the metric gives one number"))


def front_row(frontier: Frontier, examples: Sequence[Example], scores: Sequence[Score]) -> dict[str, float]:
    """The scores of a candidate by front. A part is compared by its mean over the examples whose scores have it."""
    values = {example.id: score.value for example, score in zip(examples, scores, strict=True)}
    parts: dict[str, list[float]] = {}
    pairs: dict[str, float] = {}
    for example, score in zip(examples, scores, strict=True):
        for name, value in score.parts:
            parts.setdefault(name, []).append(value)
            pairs[f"{example.id} {name}"] = value
    # Named apart from the ids of examples, beside which they stand in a hybrid front.
    means = {f"part {name}": math.fsum(each) / len(each) for name, each in parts.items()}
    if frontier != "instance" and not parts:
        # What no look at the metric could tell: an evaluator of somebody else's that gives one number.
        raise ConfigError(NO_PARTS.format(frontier=frontier, found="the evaluator gives none"))
    match frontier:
        case "instance":
            return values
        case "objective":
            return means
        case "hybrid":
            return values | means
        case "cartesian":
            return pairs
