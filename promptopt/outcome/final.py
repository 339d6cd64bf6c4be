"""The final choice: what the verdict is by takes over, and the finalists are scored on dev."""

from __future__ import annotations

import math

from promptopt.errors import BudgetSpent
from promptopt.outcome.criterion import Criterion
from promptopt.protocols import Inexact
from promptopt.run import Run
from promptopt.run.budget import Allocation
from promptopt.run.worth import pooled
from promptopt.types import Estimate, Prompt, Request


def choose(run: Run, allocation: Allocation, *, by_search: bool) -> Prompt:
    """Re-score the finalists and the start on the same dev examples and return the best by all that is known of them.

    `by_search`: whether what the search measured is what the verdict is by; what it knows of a candidate then counts
    beside dev (`worth.pooled`), else dev alone does. Ties go to the shorter prompt, then to the earlier; a prompt that
    was not scored on all of the examples is not compared. Where the budget does not even score the start, the start is
    kept.
    """
    run.begin_phase("dev")
    examples = run.dev[: allocation.dev]
    repetition = run.final_repetition
    ranked = [estimate.prompt for estimate in run.ranked() if estimate.prompt != run.initial]
    contenders = [run.initial, *ranked[: allocation.finalists]]
    try:
        run.evaluate(contenders, examples, repetition=repetition)
    except BudgetSpent as spent:
        run.warn(f"the final choice on dev was cut short: {spent}")
    scored = [run.estimate(prompt, examples, repetition=repetition) for prompt in contenders]
    complete = [estimate for estimate in scored if estimate.count == len(examples) and examples]
    # Whatever a finalist scored, it is held against the start: without that there is nothing to be better than.
    if not complete or complete[0].prompt != run.initial:
        return run.initial
    evidence = run.evidence()
    # A method may never have scored the start on its evidence: then it stands where dev has put it.
    worth = run.worths(evidence, prior=complete[0].mean)

    def preference(estimate: Estimate) -> tuple[float, int]:
        prompt = estimate.prompt
        # A loss in nats and an accuracy cannot be added: only what is measured alike counts beside dev.
        seen = run.estimate(prompt, evidence).count if by_search and math.isfinite(worth[prompt]) else 0
        value = pooled(estimate.mean * estimate.count, estimate.count, worth[prompt], seen)
        # Sums in another order may differ in the last digits, and equal evidence must tie.
        return round(value, 9), -sum(len(text) for _, text in prompt.texts)

    # `max` keeps the first of equals, and the contenders come in order: the start, then the best of the search.
    return max(complete, key=preference).prompt


def adopt_criterion(run: Run, searched: Criterion, criterion: Criterion) -> None:
    """Go on with what the verdict is by; with the exact model, where that one trades exactness for speed.

    Where the search itself ran in such a mode, 32 dev examples under the start prompt are asked both ways, and the user
    is told how many answers it changes. That is outside the budget, as only local engines have two ways.
    """
    model = criterion.model
    if isinstance(model, Inexact) and model.exact() is not model:
        if model is searched.model:
            changed = _flipped(run, model, searched.model.name)
            run.warn(
                f"the search ran in fast mode, which changes {changed} answers; the final choice and the test are exact"
            )
        model = model.exact()
    if model is not searched.model or not criterion.scores_as(searched):
        run.exchange_evaluator(criterion.evaluator, model, criterion.price)


def _flipped(run: Run, model: Inexact, name: str) -> str:
    """`3 of 32`: the replies that its exact twin gives otherwise."""
    requests: list[Request] = []
    for example in run.dev[:32]:
        content, shared = run.task.render(run.initial, example)
        requests.append(Request(content, run.task.sampling, shared=shared))

    def compare() -> str:
        return " of ".join(map(str, model.flips(requests)))

    return run.memo("flips", compare, name, run.initial.id, *(example.id for example in run.dev[:32]))
