"""The sealed test, opened once, and what it measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.errors import BudgetSpent
from promptopt.outcome.result import Contender, Measured
from promptopt.run import Run
from promptopt.run.budget import Allocation
from promptopt.text import counted
from promptopt.types import Example, Prompt, Score

PAIRS = 16
"""Test examples that start and winner are scored on at a time, where a cap could end the test early."""


def sealed_test(
    run: Run, examples: Sequence[Example], winner: Prompt, *, metered: bool
) -> tuple[list[Score], list[Score]]:
    """The scores of start and winner on the same test examples, in order; fewer than planned where a cap ends it.

    `metered`: whether something is capped that is only known once replies are read.
    """
    run.begin_phase("test")
    chosen = list(examples)
    repetition = run.final_repetition
    # Start and winner may be one prompt, which is then scored once.
    prompts = list(dict.fromkeys([run.initial, winner]))
    # Small batches where a cap may end it, so that little is lost; else one, which keeps an engine busy.
    size = PAIRS if metered else len(chosen)
    before: list[Score] = []
    after: list[Score] = []
    for begin in range(0, len(chosen), max(1, size)):
        pairs = chosen[begin : begin + size]
        try:
            matrix = run.evaluate(prompts, pairs, repetition=repetition)
        except BudgetSpent as spent:
            run.warn(f"the sealed test was cut to {counted(len(before), 'example')}: {spent}")
            break
        # Both or neither: a matrix is complete, so a cut leaves no example with one score.
        before += matrix[run.initial]
        after += matrix[winner]
    return before, after


def finite_pairs(before: Sequence[Score], after: Sequence[Score]) -> tuple[list[Score], list[Score]]:
    """The pairs of scores that are both finite: a log-probability that is none cannot be compared."""
    pairs = [pair for pair in zip(before, after, strict=True) if all(math.isfinite(score.value) for score in pair)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def measured(scores: Sequence[Score], seed: int) -> Measured | None:
    """Mean, interval and unreadable count of the scores that are finite; None for none."""
    from promptopt.stats import mean_interval

    values = [score.value for score in scores if math.isfinite(score.value)]
    if not values:
        return None
    unreadable = sum(not score.parsed for score in scores)
    return Measured(sum(values) / len(values), mean_interval(values, seed), len(values), unreadable)


def contender(run: Run, prompt: Prompt, allocation: Allocation, test: Measured | None) -> Contender:
    """A prompt with what it scored on dev and test."""
    examples = run.dev[: allocation.dev]
    repetition = run.final_repetition
    dev = None
    if examples and run.estimate(prompt, examples, repetition=repetition).count == len(examples):
        # Every cell is known, so this asks nothing.
        dev = measured(run.evaluate([prompt], examples, repetition=repetition)[prompt], run.seed)
    return Contender(prompt, prompt[run.task.editable], dev, test)
