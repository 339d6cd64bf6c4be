"""The final phase: finalists on dev, then start and winner once on the sealed test, then the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.binding.evaluator import Criterion
from promptopt.errors import BudgetSpent
from promptopt.outcome.result import Contender, Measured
from promptopt.protocols import Inexact
from promptopt.run import Run
from promptopt.run.budget import Plan
from promptopt.run.worth import pooled
from promptopt.types import Estimate, Example, Prompt, Request, Score

PAIRS = 16
"""Test examples that start and winner are scored on at a time, where a cap could end the test early."""


def choose(run: Run, plan: Plan, *, by_search: bool) -> Prompt:
    """Re-score the finalists and the start on the same dev examples and return the best by all that is known of them.

    `by_search`: whether what the search measured is what the verdict is by; what it knows of a candidate then counts
    beside dev (`worth.pooled`), else dev alone does. Ties go to the shorter prompt, then to the earlier; a prompt that
    was not scored on all of the examples is not compared. Where the budget does not even score the start, the start is
    kept.
    """
    run.begin_phase("dev")
    examples = run.dev[: plan.dev]
    repetition = run.final_repetition
    ranked = [estimate.prompt for estimate in run.ranked() if estimate.prompt != run.initial]
    contenders = [run.initial, *ranked[: plan.finalists]]
    try:
        run.evaluate(contenders, examples, repetition=repetition)
    except BudgetSpent as spent:
        run.warn(f"the final choice on dev was cut short: {spent}")
    scored = [run.estimate(prompt, examples, repetition=repetition) for prompt in contenders]
    complete = [estimate for estimate in scored if estimate.count == len(examples) and examples]
    if not complete or complete[0].prompt != run.initial:
        return run.initial
    evidence = run.evidence()
    worth = run.worths(evidence, prior=complete[0].mean)

    def preference(estimate: Estimate) -> tuple[float, int]:
        prompt = estimate.prompt
        seen = run.estimate(prompt, evidence).count if by_search and math.isfinite(worth[prompt]) else 0
        value = pooled(estimate.mean * estimate.count, estimate.count, worth[prompt], seen)
        # Sums in another order may differ in the last digits, and equal evidence must tie.
        return round(value, 9), -sum(len(text) for _, text in prompt.texts)

    # `max` keeps the first of equals, and the contenders come in order: the start, then the best of the search.
    return max(complete, key=preference).prompt


def sealed_test(run: Run, examples: Sequence[Example], plan: Plan, winner: Prompt) -> tuple[list[Score], list[Score]]:
    """The scores of start and winner on the same test examples, in order; fewer than planned where a cap ends it."""
    run.begin_phase("test")
    chosen = list(examples[: plan.test])
    repetition = run.final_repetition
    prompts = list(dict.fromkeys([run.initial, winner]))
    size = PAIRS if run.door.limits.metered else len(chosen)
    before: list[Score] = []
    after: list[Score] = []
    for begin in range(0, len(chosen), max(1, size)):
        pairs = chosen[begin : begin + size]
        try:
            matrix = run.evaluate(prompts, pairs, repetition=repetition)
        except BudgetSpent as spent:
            run.warn(f"the sealed test was cut to {len(before)} examples: {spent}")
            break
        before += matrix[run.initial]
        after += matrix[winner]
    return before, after


def adopt_criterion(run: Run, criterion: Criterion) -> None:
    """Go on with what the verdict is by; with the exact model, where that one trades exactness for speed.

    Where the search itself ran in such a mode, 32 dev examples under the start prompt are asked both ways, outside the
    budget (only local engines have two ways), and the user is told how many answers it changes.
    """
    searched, model = run.door.models["task"], criterion.model
    if isinstance(model, Inexact) and model.exact() is not model:
        if model is searched:
            run.warn(
                f"the search ran in fast mode, which changes {_flipped(run, model)} answers; the final choice and the "
                f"test are exact"
            )
        model = model.exact()
    if model is not searched or criterion.evaluator is not run.evaluator:
        run.exchange_evaluator(criterion.evaluator, model, criterion.price)


def _flipped(run: Run, model: Inexact) -> str:
    """`3 of 32`: the replies that its exact twin gives otherwise."""
    requests: list[Request] = []
    for example in run.dev[:32]:
        content, shared = run.task.render(run.initial, example)
        requests.append(Request(content, run.task.sampling, shared=shared))

    def compare() -> str:
        return " of ".join(map(str, model.flips(requests)))

    name = run.door.models["task"].name
    return run.memo("flips", compare, name, run.initial.id, *(example.id for example in run.dev[:32]))


def scorable(before: Sequence[Score], after: Sequence[Score]) -> tuple[list[Score], list[Score]]:
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


def contender(run: Run, prompt: Prompt, plan: Plan, test: Measured | None) -> Contender:
    """A prompt with what it scored on dev and test."""
    examples = run.dev[: plan.dev]
    repetition = run.final_repetition
    dev = None
    if examples and run.estimate(prompt, examples, repetition=repetition).count == len(examples):
        # Every cell is known, so this asks nothing.
        dev = measured(run.evaluate([prompt], examples, repetition=repetition)[prompt], run.seed)
    return Contender(prompt, prompt[run.task.editable], dev, test)
